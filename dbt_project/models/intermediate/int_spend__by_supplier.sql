-- One row per institution, financial year, basis and supplier record, over the batches that count. The one pass over
-- the facts that every KPI stands on.
{{ config(materialized='table') }}

with line as (select * from {{ ref('spend_line') }}),

batch as (select batch_id from {{ ref('int_batch__counted') }})

select
    line.institution_id,
    line.financial_year,
    line.basis,
    line.supplier_record_id,
    sum(line.amount) as amount,
    count(*) as line_count
from line
inner join batch on line.batch_id = batch.batch_id
group by line.institution_id, line.financial_year, line.basis, line.supplier_record_id
