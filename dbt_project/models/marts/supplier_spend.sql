-- One row per institution, financial year, supplier record and scope, with the pounds and lines of fct_spend: for
-- questions about suppliers, which then read thousands of rows and not millions.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }})

select
    spend.financial_year,
    spend.institution_id,
    spend.supplier_record_id,
    supplier.supplier_id,
    spend.scope,
    sum(spend.amount) as amount,
    sum(spend.line_count)::bigint as line_count
from spend
inner join basis
    on
        spend.institution_id = basis.institution_id
        and spend.financial_year = basis.financial_year
        and spend.basis = basis.basis
inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
group by
    spend.financial_year, spend.institution_id, spend.supplier_record_id, supplier.supplier_id, spend.scope
