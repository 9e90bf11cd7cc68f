-- One row per rule of the county's year, share KPI on spend, financial year of the county and definition: the
-- partnership's figure by that rule. Only institutions whose year is not the county's count otherwise: their pounds are
-- taken out of the published figure and put back into the years that the rule gives them.
with rule as materialized (select rule_id, is_applied from {{ ref('county_year_rule') }}),

published as materialized (
    select score.*, kpi.measure, kpi.base
    from {{ ref('kpi_scorecard') }} as score
    inner join {{ ref('kpi') }} as kpi on score.kpi_id = kpi.kpi_id
    where kpi.unit = 'share' and kpi.base is not null and score.institution_id = 'partnership'
),

county as (
    select financial_year_start from {{ ref('dim_institution') }} where institution_id = 'partnership'
),

institution as (
    select
        dim_institution.institution_id,
        dim_institution.financial_year_start,
        county.financial_year_start as county_start
    from {{ ref('dim_institution') }} as dim_institution
    cross join county
    where dim_institution.financial_year_start <> county.financial_year_start
),

status as materialized (
    select measure, definition_id, supplier_record_id, is_in
    from {{ ref('supplier_status') }}
    where institution_id in (select institution.institution_id from institution)
),

paid as materialized (
    select
        line.institution_id,
        line.financial_year,
        date_trunc('month', line.spend_date)::date as month_first,
        line.supplier_record_id,
        line.scope,
        institution.financial_year_start,
        institution.county_start,
        sum(line.amount) as amount
    from {{ ref('fct_spend') }} as line
    inner join institution on line.institution_id = institution.institution_id
    where line.scope <> 'between_anchors'
    group by
        line.institution_id, line.financial_year, date_trunc('month', line.spend_date), line.supplier_record_id,
        line.scope, institution.financial_year_start, institution.county_start
),

ruled as (
    select
        paid.*,
        rule.rule_id,
        case rule.rule_id
            when 'same_label' then paid.financial_year
            when 'day_of_payment' then {{ financial_year('paid.month_first', 'paid.county_start') }}
            when 'year_that_ends'
                then {{ financial_year(
                    "(make_date(left(paid.financial_year, 4)::integer + 1, paid.financial_year_start, 1) - 1)",
                    'paid.county_start') }}
        end as county_year
    from paid
    cross join rule
),

moved as materialized (
    select
        ruled.rule_id,
        ruled.county_year,
        scope_base.base,
        status.measure,
        status.definition_id,
        coalesce(sum(ruled.amount) filter (where status.is_in), 0) as counted_amount,
        coalesce(sum(ruled.amount) filter (where status.is_in is not null), 0) as known_amount,
        sum(ruled.amount) as total_amount,
        count(distinct ruled.institution_id || ruled.month_first)::integer as months_counted
    from ruled
    inner join {{ ref('scope_base') }} as scope_base on ruled.scope = scope_base.scope
    inner join status on ruled.supplier_record_id = status.supplier_record_id
    group by ruled.rule_id, ruled.county_year, scope_base.base, status.measure, status.definition_id
),

own as materialized (select * from moved where rule_id = 'same_label'),

counted as materialized (
    select
        published.kpi_id,
        published.financial_year,
        published.definition_id,
        rule.rule_id,
        rule.is_applied,
        published.value as value_published,
        published.numerator - coalesce(own.counted_amount, 0) + coalesce(moved.counted_amount, 0) as numerator,
        published.denominator - coalesce(own.known_amount, 0) + coalesce(moved.known_amount, 0) as denominator,
        published.total_amount - coalesce(own.total_amount, 0) + coalesce(moved.total_amount, 0) as total_amount,
        coalesce(own.months_counted, 0) as months_published,
        coalesce(moved.months_counted, 0) as months_counted
    from published
    cross join rule
    left join own
        on
            published.financial_year = own.county_year
            and published.base = own.base
            and published.measure = own.measure
            and published.definition_id = own.definition_id
    left join moved
        on
            rule.rule_id = moved.rule_id
            and published.financial_year = moved.county_year
            and published.base = moved.base
            and published.measure = moved.measure
            and published.definition_id = moved.definition_id
)

select
    rule_id,
    kpi_id,
    financial_year,
    definition_id,
    is_applied,
    {{ share('numerator', 'denominator') }} as value,
    trim_scale({{ share('numerator', 'denominator') }} - value_published) as difference,
    numerator,
    denominator,
    total_amount,
    months_counted,
    months_counted - months_published as months_difference
from counted
