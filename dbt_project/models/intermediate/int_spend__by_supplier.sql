-- One row per institution, financial year, basis and supplier record, over the lines of the batches that count, without
-- feeds that detail another one and lines that came by another feed too. The one pass over the facts that every KPI
-- stands on.
{{ config(materialized='table') }}

with line as (select * from {{ ref('spend_line') }}),

batch as (select batch_id from {{ ref('int_batch__counted') }} where detail_of is null),

twin as (select batch_id, line_no from {{ ref('int_spend__twin') }})

select
    line.institution_id,
    line.financial_year,
    line.basis,
    line.supplier_record_id,
    sum(line.amount) as amount,
    count(*) as line_count
from line
inner join batch on line.batch_id = batch.batch_id
left join twin on line.batch_id = twin.batch_id and line.line_no = twin.line_no
where twin.batch_id is null
group by line.institution_id, line.financial_year, line.basis, line.supplier_record_id
