-- One row per financial year, institution (or `partnership`) and postcode district of the suppliers' places, with the
-- counted pounds, as kpi_scorecard has them. Places abroad are one row, `abroad`; unknown ones have an empty district.
with spend as (
    select
        spend.financial_year,
        spend.institution_id,
        spend.scope,
        spend.supplier_id,
        case
            when supplier.location_precision = 'abroad' then 'abroad' else coalesce(supplier.postcode_district, '')
        end as postcode_district,
        spend.amount,
        spend.line_count
    from {{ ref('supplier_spend') }} as spend
    inner join {{ ref('dim_supplier') }} as supplier on spend.supplier_record_id = supplier.supplier_record_id
),

district as (select * from {{ source('reference', 'postcode_district') }}),

-- What institutions of the partnership pay each other is no spend of all of them together.
summed as (
    select
        spend.financial_year,
        shown.institution_id,
        spend.postcode_district,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count,
        count(distinct spend.supplier_id) as supplier_count
    from spend
    cross join lateral (values (spend.institution_id), ('partnership')) as shown (institution_id)
    where shown.institution_id <> 'partnership' or spend.scope <> 'between_anchors'
    group by spend.financial_year, shown.institution_id, spend.postcode_district
)

select
    summed.financial_year,
    summed.institution_id,
    summed.postcode_district,
    district.latitude,
    district.longitude,
    summed.amount,
    summed.line_count,
    summed.supplier_count
from summed
left join district on summed.postcode_district = district.postcode_district
