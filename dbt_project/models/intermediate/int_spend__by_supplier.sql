-- One row per institution, financial year, quarter, basis, supplier record and scope: what int_spend__by_category
-- holds, without categories and headings.
{{ config(materialized='table') }}

select
    institution_id,
    financial_year,
    quarter,
    basis,
    supplier_record_id,
    scope,
    sum(amount) as amount,
    sum(line_count)::bigint as line_count
from {{ ref('int_spend__by_category') }}
group by institution_id, financial_year, quarter, basis, supplier_record_id, scope
