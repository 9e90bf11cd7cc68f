-- One row per alert: something that calls for a person to act, by the rules of seed alert_rule. The id is of the rule,
-- the institution and the subject alone, so an alert that goes on is the same one in the next release. No private
-- person is named.
with rule as (select * from {{ ref('alert_rule') }} where kind is not null),

parameter as (
    select
        max(threshold) filter (where rule_id = 'supplier_newly_large') as newly_large,
        max(threshold) filter (where rule_id = 'supplier_small_before') as small_before,
        max(threshold) filter (where rule_id = 'contract_ending')::integer as ending_months,
        max(threshold) filter (where rule_id = 'contract_alike') as alike
    from {{ ref('alert_rule') }}
),

institution as (select institution_id, institution_name from {{ ref('dim_institution') }}),

kpi as (select kpi_id, kpi_name, unit from {{ ref('kpi_definition') }}),

scorecard as (
    select kpi_id, institution_id, financial_year, definition_id, value, target, status
    from {{ ref('kpi_scorecard') }}
),

coverage as (select * from {{ ref('feed_coverage') }}),

spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

scope as (select scope from {{ ref('dim_scope') }} where is_influenceable),

supplier as (
    select supplier_record_id, supplier_id, supplier_name
    from {{ ref('dim_supplier') }}
    where not is_individual
),

contract as (
    select
        *,
        {{ title_words('title') }} as words
    from {{ ref('fct_contract') }}
),

-- Of a year still to be judged nothing is said, and of earlier years the newest one speaks.
judged_kpi as (
    select distinct on (kpi_id, institution_id, definition_id) *
    from scorecard
    where status in ('met', 'missed', 'uncertain')
    order by kpi_id asc, institution_id asc, definition_id asc, financial_year desc
),

off_target as (
    select
        'target_' || judged_kpi.status as rule_id,
        judged_kpi.institution_id,
        judged_kpi.kpi_id || ' ' || judged_kpi.definition_id || ' ' || judged_kpi.financial_year as subject,
        kpi.kpi_name || ' (' || judged_kpi.definition_id || ') of ' || judged_kpi.financial_year || ' is '
        || {{ as_written('judged_kpi.value', 'kpi.unit') }} || ', the target '
        || {{ as_written('judged_kpi.target', 'kpi.unit') }}
        || case judged_kpi.status
            when 'uncertain' then ', and pounds of unknown status could decide either way' else ''
        end as detail,
        judged_kpi.value,
        judged_kpi.target as threshold
    from judged_kpi
    inner join kpi on judged_kpi.kpi_id = kpi.kpi_id
    where judged_kpi.status in ('missed', 'uncertain')
),

feed_late as (
    select
        'feed_missing' as rule_id,
        institution_id,
        feed_id || ' ' || to_char(min(month_first), 'YYYY-MM') as subject,
        'feed ' || feed_id || ' for ' || to_char(min(month_first), 'YYYY-MM') || ' was due on ' || due_on
        || case when bool_and(status = 'empty') then ' and came without lines' else ' and did not come' end as detail,
        (judged_on - due_on)::numeric as value,
        0::numeric as threshold
    from coverage
    where status in ('missing', 'empty')
    group by institution_id, feed_id, due_on, judged_on
),

year as (
    select
        basis.institution_id,
        basis.financial_year,
        bool_or(coverage.status in ('missing', 'empty', 'not_due')) as is_short
    from (select distinct institution_id, financial_year from basis) as basis
    left join coverage
        on
            basis.institution_id = coverage.institution_id
            and basis.financial_year = coverage.financial_year
            and coverage.is_counted
    group by basis.institution_id, basis.financial_year
),

-- The newest year, and the one before where its files are all there: what is not loaded is not small.
two_years as (
    select
        institution_id,
        financial_year,
        lead(financial_year) over newest_first as year_before,
        lead(is_short) over newest_first is not true as before_is_whole,
        row_number() over newest_first as position
    from year
    window newest_first as (partition by institution_id order by financial_year desc)
),

paid as (
    select
        spend.institution_id,
        spend.financial_year,
        supplier.supplier_id,
        min(supplier.supplier_name) as supplier_name,
        sum(spend.amount) as amount
    from spend
    inner join basis using (institution_id, financial_year, basis)
    inner join scope on spend.scope = scope.scope
    inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by spend.institution_id, spend.financial_year, supplier.supplier_id
),

newly_large as (
    select
        'supplier_newly_large' as rule_id,
        now.institution_id,
        now.supplier_id || ' ' || now.financial_year as subject,
        now.supplier_name || ' was paid £' || to_char(now.amount, 'FM999,999,999,990') || ' in '
        || now.financial_year || ', £' || to_char(coalesce(before.amount, 0), 'FM999,999,999,990') || ' in '
        || two_years.year_before as detail,
        now.amount as value,
        parameter.newly_large as threshold
    from paid as now
    cross join parameter
    inner join two_years
        on
            now.institution_id = two_years.institution_id
            and now.financial_year = two_years.financial_year
            and two_years.position = 1
            and two_years.before_is_whole
            and two_years.year_before is not null
    left join paid as before
        on
            now.institution_id = before.institution_id
            and now.supplier_id = before.supplier_id
            and two_years.year_before = before.financial_year
    where now.amount >= parameter.newly_large and coalesce(before.amount, 0) < parameter.small_before * now.amount
),

contract_ending as (
    select
        'contract_ending' as rule_id,
        ending.institution_id,
        ending.contract_id as subject,
        'contract ' || ending.contract_ref || ', ' || coalesce(ending.title, 'without title') || ', ends on '
        || ending.end_date || ' and no later one is in the register' as detail,
        ending.contract_value as value,
        parameter.ending_months as threshold
    from contract as ending
    cross join parameter
    where
        ending.is_current
        and ending.end_date >= ending.register_day
        and ending.end_date <= ending.register_day + make_interval(months => parameter.ending_months)
        and not exists (
            select
            from contract as later
            where
                ending.institution_id = later.institution_id
                and later.start_date > ending.start_date
                and (later.end_date > ending.end_date or later.end_date is null)
                and ending.category_code is not distinct from later.category_code
                and (
                    ending.supplier_id = later.supplier_id
                    or {{ words_in_common('ending.words', 'later.words') }} >= parameter.alike
                )
        )
),

raised as (
    select * from off_target
    union all
    select * from feed_late
    union all
    select * from newly_large
    union all
    select * from contract_ending
)

select
    md5(raised.rule_id || '|' || raised.institution_id || '|' || raised.subject)::uuid as alert_id,
    rule.kind,
    raised.institution_id,
    raised.subject,
    institution.institution_name || ': ' || raised.detail as detail,
    rule.severity,
    raised.rule_id,
    trim_scale(round(raised.value, 8)) as value,
    raised.threshold,
    rule.owner
from raised
inner join rule on raised.rule_id = rule.rule_id
inner join institution on raised.institution_id = institution.institution_id
