-- One row per KPI, institution (or `partnership`), financial year and definition: its figure with its bounds, beside
-- the target, and whether that is met wherever the unknown lies. What a figure counts stands in the int_kpi__ model of
-- its kind; the quarters of the year are in kpi_quarter.
with figure as (
    select * from {{ ref('int_kpi__spend') }} where quarter is null
    union all
    select * from {{ ref('int_kpi__procurement') }} where quarter is null
),

range as (select * from {{ ref('int_kpi__interval') }}),

kpi as (select kpi_id, polarity from {{ ref('kpi') }}),

target as (select * from {{ ref('kpi_target') }} where kind = 'target'),

coverage as (select * from {{ ref('feed_coverage') }} where is_counted),

-- Nothing promised: whether all is there, nobody can say.
promised as (
    select
        institution_id,
        financial_year,
        count(*) filter (where status in ('missing', 'empty')) as missing_months,
        case
            when bool_and(status = 'not_promised') then null
            else bool_and(status not in ('missing', 'empty', 'not_due'))
        end as is_complete
    from coverage
    group by institution_id, financial_year
),

-- The partnership's figure misses the months of every institution, also of one that has no figure for the year.
completeness as (
    select * from promised
    union all
    select
        'partnership',
        financial_year,
        sum(missing_months)::bigint,
        case when bool_or(not is_complete) then false when bool_or(is_complete is null) then null else true end
    from promised
    group by financial_year
)

select
    figure.kpi_id,
    figure.institution_id,
    figure.financial_year,
    figure.definition_id,
    figure.value,
    figure.value_low,
    figure.value_high,
    range.value_min,
    range.value_p05,
    range.value_p95,
    range.value_max,
    figure.numerator,
    figure.denominator,
    figure.total_amount,
    figure.coverage,
    target.target,
    coalesce(target.target_status, 'none') as target_status,
    case
        when figure.value is null then 'no_data'
        when target.target_status is null then 'no_target'
        when target.target_status = 'tbc' then 'tbc'
        when kpi.polarity = 'higher' and figure.value_low >= target.target then 'met'
        when kpi.polarity = 'higher' and figure.value_high < target.target then 'missed'
        when kpi.polarity = 'lower' and figure.value_high <= target.target then 'met'
        when kpi.polarity = 'lower' and figure.value_low > target.target then 'missed'
        else 'uncertain'
    end as status,
    figure.basis,
    figure.line_count,
    figure.supplier_count,
    figure.counted_supplier_count,
    coalesce(completeness.missing_months, 0) as missing_months,
    completeness.is_complete
from figure
inner join kpi on figure.kpi_id = kpi.kpi_id
left join range
    on
        figure.kpi_id = range.kpi_id
        and figure.institution_id = range.institution_id
        and figure.financial_year = range.financial_year
        and figure.definition_id = range.definition_id
left join completeness
    on figure.institution_id = completeness.institution_id and figure.financial_year = completeness.financial_year
left join target
    on
        figure.kpi_id = target.kpi_id
        and figure.institution_id = target.institution_id
        and figure.definition_id = target.definition_id
        and figure.financial_year = target.financial_year
