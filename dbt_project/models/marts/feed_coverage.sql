-- One row per institution, feed and month, of payment or promised by the feed's calendar: what came, whether it came in
-- time, and whether it is suspiciously little or much. Quarantined lines have no sure date, so they stand in the first
-- month of their file's period.
-- volume: the lines paid in the month's period against the median of the feed's other periods that came; thresholds are
-- rows of the seed coverage_rule. Of an even number of periods the median is the lower of the two in the middle.
with total as (select * from {{ ref('spend_total') }}),

batch as (select * from {{ ref('int_batch__counted') }}),

location as (select supplier_record_id, is_located from {{ ref('int_supplier__located') }}),

institution as (select institution_id, financial_year_start from {{ ref('stg_ops__institution') }}),

calendar as (select * from {{ ref('int_feed__calendar') }}),

feed as (
    select institution_id, feed_id, kind, detail_of from {{ ref('stg_ops__feed') }}
),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

threshold as (
    select
        max(threshold) filter (where rule_id = 'short') as short_below,
        max(threshold) filter (where rule_id = 'long') as long_above,
        max(threshold) filter (where rule_id = 'periods') as periods_needed
    from {{ ref('coverage_rule') }}
),

-- Summed before the batches are known: the planner cannot tell how many these are.
summed as materialized (
    select
        total.batch_id,
        total.institution_id,
        total.feed_id,
        total.month_first,
        location.is_located,
        sum(total.line_count) as line_count,
        sum(total.amount) as amount
    from total
    inner join location on total.supplier_record_id = location.supplier_record_id
    group by total.batch_id, total.institution_id, total.feed_id, total.month_first, location.is_located
),

spent as (
    select
        summed.institution_id,
        summed.feed_id,
        summed.month_first,
        sum(summed.line_count)::bigint as line_count,
        sum(summed.amount) as amount,
        coalesce(sum(summed.line_count) filter (where summed.is_located), 0)::bigint as lines_located,
        coalesce(sum(summed.amount) filter (where summed.is_located), 0) as amount_located
    from summed
    inner join batch on summed.batch_id = batch.batch_id
    group by summed.institution_id, summed.feed_id, summed.month_first
),

quarantined as (
    select
        batch.institution_id,
        batch.feed_id,
        date_trunc('month', batch.period_first)::date as month_first,
        sum(batch.lines_quarantined)::bigint as lines_quarantined,
        sum(batch.amount_quarantined) as amount_quarantined
    from batch
    where batch.lines_quarantined > 0
    group by batch.institution_id, batch.feed_id, date_trunc('month', batch.period_first)
),

month as (
    select
        institution_id,
        feed_id,
        month_first,
        calendar.financial_year,
        calendar.period_first,
        calendar.due_on,
        calendar.arrived_on,
        coalesce(calendar.status, 'not_promised') as status,
        calendar.days_late,
        coalesce(spent.line_count, 0) as line_count,
        coalesce(spent.amount, 0) as amount,
        coalesce(spent.lines_located, 0) as lines_located,
        coalesce(spent.amount_located, 0) as amount_located,
        coalesce(quarantined.lines_quarantined, 0) as lines_quarantined,
        coalesce(quarantined.amount_quarantined, 0) as amount_quarantined
    from calendar
    full join spent using (institution_id, feed_id, month_first)
    full join quarantined using (institution_id, feed_id, month_first)
),

period as (
    select
        month.institution_id,
        month.feed_id,
        month.period_first,
        sum(month.line_count) as line_count
    from month
    inner join feed on month.institution_id = feed.institution_id and month.feed_id = feed.feed_id
    where month.status in ('on_time', 'late', 'sample') and feed.kind in ('ledger', 'card', 'observatory')
    group by month.institution_id, month.feed_id, month.period_first
),

usual as (
    select
        period.institution_id,
        period.feed_id,
        period.period_first,
        period.line_count,
        count(*) + 1 as periods,
        percentile_disc(0.5) within group (order by other.line_count) as line_count_usual
    from period
    inner join period as other
        on
            period.institution_id = other.institution_id
            and period.feed_id = other.feed_id
            and period.period_first <> other.period_first
    group by period.institution_id, period.feed_id, period.period_first, period.line_count
),

sized as (
    select
        usual.institution_id,
        usual.feed_id,
        usual.period_first,
        case
            when usual.line_count < threshold.short_below * usual.line_count_usual then 'short'
            when usual.line_count > threshold.long_above * usual.line_count_usual then 'long'
            else 'normal'
        end as volume
    from usual
    cross join threshold
    where usual.periods >= threshold.periods_needed
),

dated as (
    select
        month.*,
        sized.volume,
        coalesce(
            month.financial_year,
            {{ financial_year('month.month_first', 'institution.financial_year_start') }}
        ) as its_year
    from month
    inner join institution on month.institution_id = institution.institution_id
    left join sized
        on
            month.institution_id = sized.institution_id
            and month.feed_id = sized.feed_id
            and month.period_first = sized.period_first
),

-- On what the figures of a year stand: the ledger with the cards, or the observatory. Where nothing came at all, on
-- what would have counted first.
standing as (
    select
        dated.institution_id,
        dated.its_year,
        coalesce(
            min(case when basis.basis = 'card' then 'ledger' else basis.basis end),
            min(feed.kind) filter (where feed.kind <> 'card'),
            'ledger'
        ) as stands_on
    from dated
    inner join feed
        on
            dated.institution_id = feed.institution_id
            and dated.feed_id = feed.feed_id
            and feed.kind in ('ledger', 'card', 'observatory')
            and feed.detail_of is null
    left join basis on dated.institution_id = basis.institution_id and dated.its_year = basis.financial_year
    group by dated.institution_id, dated.its_year
)

select
    dated.institution_id,
    dated.feed_id,
    dated.month_first,
    dated.its_year as financial_year,
    coalesce(
        feed.detail_of is null
        and case when feed.kind = 'card' then 'ledger' else feed.kind end = standing.stands_on, false
    ) as is_counted,
    dated.status,
    dated.due_on,
    dated.arrived_on,
    dated.days_late,
    {{ as_of_day() }} as judged_on,
    dated.volume,
    dated.line_count,
    dated.amount,
    dated.lines_located,
    dated.amount_located,
    dated.lines_quarantined,
    dated.amount_quarantined
from dated
left join feed on dated.institution_id = feed.institution_id and dated.feed_id = feed.feed_id
left join standing on dated.institution_id = standing.institution_id and dated.its_year = standing.its_year
