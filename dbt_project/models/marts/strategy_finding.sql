-- One row per rule, subject, institution and year at which the strategy contradicts itself, with both places in its own
-- words. They are findings for whoever answers for the strategy: no figure is changed by them.
with statement as (select * from {{ ref('strategy_statement') }}),

kpi as (select kpi_id, unit, polarity, measure, base from {{ ref('kpi') }}),

goal as (
    select
        target.*,
        kpi.unit,
        kpi.polarity,
        kpi.measure,
        kpi.base,
        (regexp_match(target.as_written, ':\s*£?([0-9.]+)'))[1] as number_written
    from {{ ref('strategy_target') }} as target
    inner join kpi on target.kpi_id = kpi.kpi_id
),

multiple as (
    select
        goal.*,
        goal.target / nullif(baseline.target, 0) as times_baseline,
        baseline.target as baseline,
        baseline.as_written as baseline_as_written,
        baseline.source as baseline_source
    from goal
    inner join goal as baseline
        on
            goal.kpi_id = baseline.kpi_id
            and goal.institution_id = baseline.institution_id
            and goal.definition_id = baseline.definition_id
    where
        goal.kind = 'target'
        and goal.target_status = 'set'
        and baseline.kind = 'baseline'
        and baseline.target_status = 'set'
        and baseline.financial_year < goal.financial_year
),

numbers as (
    select
        kpi_id,
        institution_id,
        min(source) as source,
        min(financial_year) as financial_year,
        string_agg(number_written, ' ' order by financial_year) as written
    from goal
    where kind = 'target' and number_written is not null
    group by kpi_id, institution_id
    having count(*) >= 3
),

found as (
    select
        'statements_disagree' as rule_id,
        one.subject,
        one.institution_id,
        one.financial_year,
        one.as_written as first_words,
        one.source as first_source,
        other.as_written as second_words,
        other.source as second_source
    from statement as one
    inner join statement as other
        on
            one.subject = other.subject
            and one.institution_id = other.institution_id
            and one.financial_year is not distinct from other.financial_year
            and (one.value_high < other.value_low or one.value_low > other.value_high)
            and one.statement_id < other.statement_id
    where one.kind = 'fact' and other.kind = 'fact'
    union all
    select
        'known_and_unknown' as rule_id,
        known.subject,
        known.institution_id,
        known.financial_year,
        known.as_written as first_words,
        known.source as first_source,
        unknown.as_written as second_words,
        unknown.source as second_source
    from statement as known
    inner join statement as unknown
        on
            known.subject = unknown.subject
            and known.institution_id = unknown.institution_id
            and known.financial_year <= unknown.financial_year
    where
        known.kind = 'fact'
        and unknown.kind = 'fact'
        and coalesce(known.value_low, known.value_high) is not null
        and coalesce(unknown.value_low, unknown.value_high) is null
    union all
    select
        'below_baseline' as rule_id,
        kpi_id as subject,
        institution_id,
        financial_year,
        baseline_as_written as first_words,
        baseline_source as first_source,
        as_written as second_words,
        source as second_source
    from (
        select distinct on (kpi_id, institution_id, definition_id) *
        from multiple
        order by kpi_id, institution_id, definition_id, financial_year
    ) as first_target
    where polarity = 'higher' and target < baseline or polarity = 'lower' and target > baseline
    union all
    select
        'baseline_and_target_differ' as rule_id,
        baseline.kpi_id as subject,
        baseline.institution_id,
        baseline.financial_year,
        baseline.as_written as first_words,
        baseline.source as first_source,
        target.as_written as second_words,
        target.source as second_source
    from goal as baseline
    inner join goal as target
        on
            baseline.kpi_id = target.kpi_id
            and baseline.institution_id = target.institution_id
            and baseline.definition_id = target.definition_id
            and baseline.financial_year = target.financial_year
            and baseline.target <> target.target
    where baseline.kind = 'baseline' and target.kind = 'target'
    union all
    select
        'same_numbers' as rule_id,
        one.kpi_id || ', ' || other.kpi_id as subject,
        one.institution_id,
        one.financial_year,
        one.written as first_words,
        one.source as first_source,
        other.written as second_words,
        other.source as second_source
    from numbers as one
    inner join numbers as other
        on one.institution_id = other.institution_id and one.written = other.written and one.kpi_id < other.kpi_id
    union all
    select
        'unit_not_written' as rule_id,
        kpi_id as subject,
        institution_id,
        min(financial_year) as financial_year,
        string_agg(as_written, ', ' order by financial_year) as first_words,
        min(source) as first_source,
        null as second_words,
        null as second_source
    from goal
    where kind = 'target' and unit = 'share' and number_written is not null and as_written !~ '%'
    group by kpi_id, institution_id
    union all
    select
        'goals_disagree' as rule_id,
        pounds.kpi_id || ', ' || share.kpi_id as subject,
        pounds.institution_id,
        pounds.financial_year,
        pounds.as_written as first_words,
        pounds.source as first_source,
        share.as_written as second_words,
        share.source as second_source
    from multiple as pounds
    inner join multiple as share
        on
            pounds.measure = share.measure
            and pounds.base = share.base
            and pounds.institution_id = share.institution_id
            and pounds.definition_id = share.definition_id
            and pounds.financial_year = share.financial_year
    where
        pounds.unit = 'pounds'
        and share.unit = 'share'
        and round(pounds.times_baseline, 1) <> round(share.times_baseline, 1)
    union all
    select
        'two_definitions' as rule_id,
        one.kpi_id as subject,
        one.institution_id,
        one.financial_year,
        one.as_written as first_words,
        one.source as first_source,
        other.as_written as second_words,
        other.source as second_source
    from goal as one
    inner join goal as other
        on
            one.kpi_id = other.kpi_id
            and one.institution_id = other.institution_id
            and one.financial_year = other.financial_year
            and one.kind = other.kind
            and one.target = other.target
            and one.definition_id > other.definition_id
    where one.kind = 'target' and one.measure <> 'route'
    union all
    select
        'ends_before_it_starts' as rule_id,
        subject,
        institution_id,
        financial_year,
        as_written as first_words,
        source as first_source,
        null as second_words,
        null as second_source
    from statement
    where kind = 'activity' and ends_on < starts_on
    union all
    select
        'boundary_in_no_band' as rule_id,
        lower.subject || ': exactly £' || trim_scale(lower.value_high) as subject,
        lower.institution_id,
        lower.financial_year,
        lower.as_written as first_words,
        lower.source as first_source,
        upper.as_written as second_words,
        upper.source as second_source
    from statement as lower
    inner join statement as upper
        on
            lower.subject = upper.subject
            and lower.institution_id = upper.institution_id
            and lower.value_high = upper.value_low
    where
        lower.kind = 'band'
        and upper.kind = 'band'
        and not lower.high_included
        and not upper.low_included
)

-- Of several pairs that a rule finds on one subject, the first tells of it.
select distinct on (found.rule_id, found.subject, found.institution_id, found.financial_year)
    found.rule_id,
    found.subject,
    found.institution_id,
    coalesce(found.financial_year, 'all') as financial_year,
    rule.rule,
    found.first_words,
    found.first_source,
    found.second_words,
    found.second_source,
    rule.owner
from found
inner join {{ ref('strategy_rule') }} as rule on found.rule_id = rule.rule_id
-- the strategy of an institution that is not here is nobody's
inner join {{ ref('dim_institution') }} as institution on found.institution_id = institution.institution_id
order by
    found.rule_id asc, found.subject asc, found.institution_id asc, found.financial_year asc, found.first_source asc,
    found.second_source asc
