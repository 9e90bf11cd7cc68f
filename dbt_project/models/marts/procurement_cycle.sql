-- One row per institution (or `partnership`), financial year and route: how long procurements took.
-- The days of what was awarded in the year, whenever it began: mean, median and 90th percentile, which lie between two
-- cases where need be. Beside them what began in the year, whatever became of it: awarded, cancelled and still open
-- (censored: known to have taken longer than until the last day its log tells of). begun_days_median is the
-- Kaplan-Meier median of these: the days after which half of them would be awarded, open and cancelled cases counting
-- for as long as they were followed; empty where fewer than half were awarded.
with opportunity as (select * from {{ ref('int_procurement__opportunity') }}),

route as (select * from {{ ref('procurement_route') }}),

awarded as (
    select
        coalesce(institution_id, 'partnership') as institution_id,
        end_financial_year as financial_year,
        route_id,
        count(*) as awarded_count,
        count(days) as case_count,
        {{ share('sum(days)::numeric', 'count(days)') }} as days_mean,
        (percentile_cont(0.5) within group (order by days))::numeric as days_median,
        trim_scale(round((percentile_cont(0.9) within group (order by days))::numeric, 8)) as days_p90,
        min(days) as days_least,
        max(days) as days_most
    from opportunity
    where outcome = 'awarded' and end_financial_year is not null
    group by grouping sets ((institution_id, end_financial_year, route_id), (end_financial_year, route_id))
),

followed as (
    select
        whose.institution_id,
        opportunity.start_financial_year as financial_year,
        opportunity.route_id,
        opportunity.outcome,
        opportunity.followed_days,
        opportunity.outcome = 'awarded' as is_awarded
    from opportunity
    cross join lateral (values (opportunity.institution_id), ('partnership')) as whose (institution_id)
    where opportunity.start_financial_year is not null and opportunity.followed_days is not null
),

begun as (
    select
        institution_id,
        financial_year,
        route_id,
        count(*) as begun_count,
        count(*) filter (where outcome = 'awarded') as begun_awarded_count,
        count(*) filter (where outcome = 'cancelled') as begun_cancelled_count,
        count(*) filter (where outcome = 'open') as open_count,
        max(followed_days) filter (where outcome = 'open') as open_days_most
    from followed
    group by institution_id, financial_year, route_id
),

-- Kaplan and Meier: after each day on which cases were awarded, the share of those followed so far that were not.
at_risk as (
    select
        institution_id,
        financial_year,
        route_id,
        followed_days,
        count(*) filter (where is_awarded) as awards,
        sum(count(*)) over (
            partition by institution_id, financial_year, route_id order by followed_days desc
        ) as cases
    from followed
    group by institution_id, financial_year, route_id, followed_days
),

surviving as (
    select
        institution_id,
        financial_year,
        route_id,
        followed_days,
        case
            when bool_or(awards = cases) over until_then then 0
            else
                round(
                    exp(sum(ln(1 - case when awards < cases then awards else 0 end / cases)) over until_then), 9
                )
        end as share_left
    from at_risk
    where awards > 0
    window until_then as (partition by institution_id, financial_year, route_id order by followed_days)
),

median as (
    select
        institution_id,
        financial_year,
        route_id,
        min(followed_days) as begun_days_median
    from surviving
    where share_left <= 0.5
    group by institution_id, financial_year, route_id
)

select
    institution_id,
    financial_year,
    route_id,
    route.route_name,
    route.start_event,
    route.end_event,
    coalesce(awarded.awarded_count, 0) as awarded_count,
    coalesce(awarded.case_count, 0) as case_count,
    awarded.days_mean,
    awarded.days_median,
    awarded.days_p90,
    awarded.days_least,
    awarded.days_most,
    coalesce(begun.begun_count, 0) as begun_count,
    coalesce(begun.begun_awarded_count, 0) as begun_awarded_count,
    coalesce(begun.begun_cancelled_count, 0) as begun_cancelled_count,
    coalesce(begun.open_count, 0) as open_count,
    begun.open_days_most,
    median.begun_days_median,
    route.baseline_days
from awarded
full join begun using (institution_id, financial_year, route_id)
left join median using (institution_id, financial_year, route_id)
inner join route using (route_id)
