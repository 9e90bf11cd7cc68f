-- One row per definition of local, institution (or `partnership`) and financial year from the newest complete one on:
-- the highest share of local spend that could be reached by then, beside the target.
-- The pounds of every supplier stay those of the newest complete year. A supplier's pounds in a category turn local
-- when they are put to competition; an institution holds so many competitions a year (seed opportunity_rule) and begins
-- with the largest that are free: no other order has more local pounds in any year.
-- attainable_share, the ceiling: free are pounds whose contract ends by the last day of the year, has no end date or
-- stands in no register, in categories of which some institution has a local supplier, or that are unknown.
-- sure_share: free are pounds whose contract ends before the year begins or that are in no contract of a register, in
-- categories of which some institution has a local supplier.
with recursive offer as (
    select
        definition_id,
        institution_id,
        financial_year,
        amount,
        local_supply,
        contract_state,
        free_on
    from {{ ref('contestable_spend') }}
    where amount > 0
),

institution as (
    select institution_id, financial_year_start
    from {{ ref('dim_institution') }}
    where institution_id <> 'partnership'
),

scorecard as (
    select definition_id, institution_id, financial_year, numerator, denominator
    from {{ ref('kpi_scorecard') }}
    where kpi_id = 'local_spend_pct'
),

target as (
    select institution_id, definition_id, financial_year, target_status, target
    from {{ ref('kpi_target') }}
    where kpi_id = 'local_spend_pct' and kind = 'target'
),

rule as (
    select
        max(threshold) filter (where rule_id = 'horizon_years')::integer as horizon_years,
        coalesce(max(threshold) filter (where rule_id = 'competitions_a_year')::integer, 2147483647) as competitions
    from {{ ref('opportunity_rule') }}
),

base as (
    select
        scorecard.definition_id,
        scorecard.institution_id,
        scorecard.numerator as local_amount,
        scorecard.denominator as known_amount,
        institution.financial_year_start,
        make_date(left(newest.financial_year, 4)::integer, institution.financial_year_start, 1) as year_first
    from (select distinct institution_id, financial_year from offer) as newest
    inner join institution on newest.institution_id = institution.institution_id
    inner join scorecard
        on newest.institution_id = scorecard.institution_id and newest.financial_year = scorecard.financial_year
),

-- The first year after the newest complete one in which pounds can be put to competition, if any.
freed as (
    select
        offer.definition_id,
        offer.institution_id,
        case_of.is_sure,
        offer.amount,
        greatest(1, case_of.step) as step
    from offer
    inner join base on offer.definition_id = base.definition_id and offer.institution_id = base.institution_id
    cross join
        lateral (
            values
            (
                true,
                offer.local_supply in ('others', 'own') and offer.contract_state in ('none_found', 'running'),
                coalesce(extract(year from age(offer.free_on - 1, base.year_first))::integer + 1, 1)
            ),
            (
                false,
                offer.local_supply <> 'none',
                coalesce(extract(year from age(offer.free_on, base.year_first))::integer, 1)
            )
        ) as case_of (is_sure, is_contestable, step)
    where case_of.is_contestable
),

-- More than every competition of the years to come can use is not looked at again.
ready as (
    select
        ordered.definition_id,
        ordered.institution_id,
        ordered.is_sure,
        ordered.step,
        array_agg(ordered.amount) as amounts
    from (
        select
            *,
            row_number() over (
                partition by definition_id, institution_id, is_sure, step order by amount desc
            ) as position
        from freed
    ) as ordered
    cross join rule
    where ordered.step <= rule.horizon_years and ordered.position <= rule.competitions::bigint * rule.horizon_years
    group by ordered.definition_id, ordered.institution_id, ordered.is_sure, ordered.step
),

-- Year by year: of what waits and what is newly free, the largest are put to competition and the rest waits on.
walk as (
    select
        base.definition_id,
        base.institution_id,
        case_of.is_sure,
        0 as step,
        array[]::numeric[] as waiting,
        0::numeric as moved,
        0::bigint as competitions
    from base
    cross join (values (true), (false)) as case_of (is_sure)

    union all

    select
        walk.definition_id,
        walk.institution_id,
        walk.is_sure,
        walk.step + 1,
        held.waiting,
        walk.moved + held.moved,
        held.competitions
    from walk
    cross join rule
    left join ready
        on
            walk.definition_id = ready.definition_id
            and walk.institution_id = ready.institution_id
            and walk.is_sure = ready.is_sure
            and walk.step + 1 = ready.step
    cross join
        lateral (
            select
                coalesce(array_agg(one.amount) filter (where one.position > rule.competitions), '{}') as waiting,
                coalesce(sum(one.amount) filter (where one.position <= rule.competitions), 0) as moved,
                count(*) filter (where one.position <= rule.competitions) as competitions
            from (
                select
                    each.amount,
                    row_number() over (order by each.amount desc) as position
                from unnest(walk.waiting || coalesce(ready.amounts, '{}')) as each (amount)
            ) as one
        ) as held
    where walk.step < rule.horizon_years
),

moved as (
    select
        base.definition_id,
        base.institution_id,
        (base.year_first + make_interval(years => walk.step))::date as year_first,
        walk.step,
        base.local_amount,
        base.known_amount,
        max(walk.moved) filter (where walk.is_sure) as sure_moved,
        max(walk.moved) filter (where not walk.is_sure) as moved,
        max(walk.competitions) filter (where walk.is_sure) as sure_competitions,
        max(walk.competitions) filter (where not walk.is_sure) as competitions,
        base.financial_year_start
    from base
    inner join walk on base.definition_id = walk.definition_id and base.institution_id = walk.institution_id
    group by
        base.definition_id, base.institution_id, base.year_first, walk.step, base.local_amount, base.known_amount,
        base.financial_year_start
),

labelled as (
    select
        definition_id,
        institution_id,
        {{ financial_year('year_first', 'financial_year_start') }} as financial_year,
        step,
        local_amount,
        known_amount,
        sure_moved,
        moved,
        sure_competitions,
        competitions
    from moved
),

newest as (
    select
        definition_id,
        max(financial_year) as financial_year
    from labelled
    where step = 0
    group by definition_id
),

-- What institutions pay each other cannot be contested; the partnership's own figures leave it out. Its path begins
-- with the newest complete year of any institution; one whose newest is older moves nothing in it.
partnership as (
    select
        labelled.definition_id,
        'partnership' as institution_id,
        labelled.financial_year,
        labelled.step,
        scorecard.numerator as local_amount,
        scorecard.denominator as known_amount,
        sum(labelled.sure_moved) as sure_moved,
        sum(labelled.moved) as moved,
        sum(labelled.sure_competitions)::bigint as sure_competitions,
        sum(labelled.competitions)::bigint as competitions
    from labelled
    inner join labelled as first_year
        on
            labelled.definition_id = first_year.definition_id
            and labelled.institution_id = first_year.institution_id
            and first_year.step = 0
    inner join newest
        on first_year.definition_id = newest.definition_id and first_year.financial_year = newest.financial_year
    inner join scorecard
        on
            labelled.definition_id = scorecard.definition_id
            and first_year.financial_year = scorecard.financial_year
            and scorecard.institution_id = 'partnership'
    group by
        labelled.definition_id, labelled.financial_year, labelled.step, scorecard.numerator, scorecard.denominator
),

both_kinds as (
    select * from labelled
    union all
    select * from partnership
),

shared as (
    select
        *,
        {{ share('local_amount + sure_moved', 'known_amount') }} as sure_share,
        {{ share('local_amount + moved', 'known_amount') }} as attainable_share
    from both_kinds
)

select
    shared.definition_id,
    shared.institution_id,
    shared.financial_year,
    shared.step as years_on,
    shared.local_amount as local_amount_now,
    shared.known_amount,
    {{ share('shared.local_amount', 'shared.known_amount') }} as share_now,
    shared.sure_moved as sure_moved_amount,
    shared.moved as moved_amount,
    shared.sure_competitions,
    shared.competitions,
    shared.sure_share,
    shared.attainable_share,
    target.target,
    coalesce(target.target_status, 'none') as target_status,
    case
        when target.target_status is null then 'no_target'
        when target.target_status = 'tbc' then 'tbc'
        when shared.sure_share >= target.target then 'attainable'
        when shared.attainable_share < target.target then 'out_of_reach'
        else 'uncertain'
    end as status
from shared
left join target
    on
        shared.institution_id = target.institution_id
        and shared.definition_id = target.definition_id
        and shared.financial_year = target.financial_year
