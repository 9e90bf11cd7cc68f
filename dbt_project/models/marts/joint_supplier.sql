-- One row per supplier and financial year that two or more institutions bought from: works, supplies and social care
-- of the counted basis. What institutions pay each other and what private persons are paid is left out.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

scope as (select scope from {{ ref('dim_scope') }} where is_influenceable),

supplier as (
    select supplier_record_id, supplier_id, supplier_name
    from {{ ref('dim_supplier') }}
    where not is_individual and payee_type is distinct from 'not_named'
),

bought as (
    select
        supplier.supplier_id,
        supplier.supplier_name,
        spend.financial_year,
        spend.institution_id,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count,
        count(distinct spend.supplier_record_id) as record_count
    from spend
    inner join basis using (institution_id, financial_year, basis)
    inner join scope on spend.scope = scope.scope
    inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by supplier.supplier_id, supplier.supplier_name, spend.financial_year, spend.institution_id
)

select
    supplier_id,
    financial_year,
    supplier_name,
    sum(amount) as amount,
    count(*)::integer as institution_count,
    string_agg(institution_id, ' ' order by institution_id) as institutions,
    max(amount) as largest_amount,
    sum(record_count)::bigint as supplier_record_count,
    sum(line_count)::bigint as line_count
from bought
group by supplier_id, financial_year, supplier_name
having count(*) >= 2
