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

profile_of as (select supplier_record_id, profile_no from {{ ref('int_kpi__profile_of') }}),

profile_status as (select profile_no, measure, definition_id, is_in from {{ ref('int_kpi__profile_status') }}),

paid as materialized (
    select
        line.institution_id,
        line.financial_year,
        date_trunc('month', line.spend_date)::date as month_first,
        line.scope,
        profile_of.profile_no,
        institution.financial_year_start,
        institution.county_start,
        sum(line.amount) as amount
    from {{ ref('fct_spend') }} as line
    inner join institution on line.institution_id = institution.institution_id
    inner join profile_of on line.supplier_record_id = profile_of.supplier_record_id
    -- said twice, as a filter too: as a join alone it would come after all that the lines themselves are joined with
    where
        line.scope <> 'between_anchors'
        and line.institution_id = any(array(select asked.institution_id from institution as asked))
    group by
        line.institution_id, line.financial_year, date_trunc('month', line.spend_date), line.scope,
        profile_of.profile_no, institution.financial_year_start, institution.county_start
),

ruled as materialized (
    select
        paid.institution_id,
        paid.month_first,
        paid.profile_no,
        paid.amount,
        scope_base.base,
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
    inner join {{ ref('scope_base') }} as scope_base on paid.scope = scope_base.scope
    cross join rule
),

month as (
    select
        rule_id,
        county_year,
        base,
        count(distinct institution_id || month_first)::integer as months_counted
    from ruled
    group by rule_id, county_year, base
),

by_profile as materialized (
    select
        rule_id,
        county_year,
        base,
        profile_no,
        sum(amount) as amount
    from ruled
    group by rule_id, county_year, base, profile_no
),

moved as materialized (
    select
        by_profile.rule_id,
        by_profile.county_year,
        by_profile.base,
        profile_status.measure,
        profile_status.definition_id,
        coalesce(sum(by_profile.amount) filter (where profile_status.is_in), 0) as counted_amount,
        coalesce(sum(by_profile.amount) filter (where profile_status.is_in is not null), 0) as known_amount,
        sum(by_profile.amount) as total_amount,
        max(month.months_counted) as months_counted
    from by_profile
    inner join profile_status on by_profile.profile_no = profile_status.profile_no
    inner join month
        on
            by_profile.rule_id = month.rule_id
            and by_profile.county_year = month.county_year
            and by_profile.base = month.base
    group by
        by_profile.rule_id, by_profile.county_year, by_profile.base, profile_status.measure,
        profile_status.definition_id
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
