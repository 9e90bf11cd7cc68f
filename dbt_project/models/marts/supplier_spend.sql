-- One row per institution, financial year, supplier record and scope, with the pounds and lines of fct_spend: for
-- questions about suppliers, which then read thousands of rows and not millions. What the supplier is stands in the
-- row, by the definition that the KPIs' bridge takes of each measure; every other definition is a join away. The rows
-- of a year and institution lie together, as they are asked for together.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

supplier as (select supplier_record_id, supplier_id, supplier_name from {{ ref('dim_supplier') }}),

headline as (
    select distinct
        measure,
        bridge_definition as definition_id
    from {{ ref('kpi') }}
    where bridge_definition is not null
),

local as (
    select * from {{ ref('supplier_local') }}
    where definition_id in (select headline.definition_id from headline where headline.measure = 'local')
),

size as (
    select * from {{ ref('supplier_size') }}
    where definition_id in (select headline.definition_id from headline where headline.measure = 'sme')
),

sector as (
    select * from {{ ref('supplier_sector') }}
    where definition_id in (select headline.definition_id from headline where headline.measure = 'vcs')
),

paid as (
    select
        spend.financial_year,
        spend.institution_id,
        spend.supplier_record_id,
        spend.scope,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count
    from spend
    inner join basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
    group by spend.financial_year, spend.institution_id, spend.supplier_record_id, spend.scope
)

select
    paid.financial_year,
    paid.institution_id,
    paid.supplier_record_id,
    supplier.supplier_id,
    supplier.supplier_name,
    paid.scope,
    paid.amount,
    paid.line_count,
    coalesce(local.local_status, 'unknown') as local_status,
    coalesce(size.sme_status, 'unknown') as sme_status,
    coalesce(sector.vcs_status, 'unknown') as vcs_status
from paid
inner join supplier on paid.supplier_record_id = supplier.supplier_record_id
left join local on paid.supplier_record_id = local.supplier_record_id
left join size on paid.supplier_record_id = size.supplier_record_id
left join sector on paid.supplier_record_id = sector.supplier_record_id
order by paid.financial_year, paid.institution_id, paid.supplier_record_id
