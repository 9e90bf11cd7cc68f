-- One row per institution (or `partnership`), financial year and rung of evidence: the counted pounds of supplier
-- records whose place stands on that rung; `none` where nothing places them.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

located as (
    select
        supplier_record_id,
        location_evidence
    from {{ ref('int_supplier__located') }}
),

rung as (select location_evidence, position from {{ ref('location_evidence') }}),

summed as (
    select
        coalesce(spend.institution_id, 'partnership') as institution_id,
        spend.financial_year,
        located.location_evidence,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count,
        count(distinct spend.supplier_record_id) as record_count
    from spend
    inner join basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
    inner join located on spend.supplier_record_id = located.supplier_record_id
    group by grouping sets (
        (spend.institution_id, spend.financial_year, located.location_evidence),
        (spend.financial_year, located.location_evidence)
    )
)

select
    summed.institution_id,
    summed.financial_year,
    summed.location_evidence,
    rung.position,
    summed.amount,
    summed.line_count,
    summed.record_count,
    {{ share(
        'summed.amount', 'sum(summed.amount) over (partition by summed.institution_id, summed.financial_year)'
    ) }} as amount_share
from summed
left join rung on summed.location_evidence = rung.location_evidence
