-- One row per institution, feed and month that its calendar promises, with the period it falls in, when that is due and
-- what came of it. A month is there when the period of a batch that counts holds it, however long that period is.
-- It arrived when the first version that could be loaded landed: a later correction does not make a month late, and a
-- file that had to be refused did not bring it.
with feed as (select * from {{ ref('stg_ops__feed') }} where due_every is not null),

batch as (select * from {{ ref('int_batch__judged') }} where status = 'loaded'),

institution as (select institution_id, financial_year_start from {{ ref('stg_ops__institution') }}),

span as (
    select
        *,
        make_interval(months => case due_every when 'month' then 1 when 'quarter' then 3 else 12 end) as length
    from feed
),

period as (
    select
        span.institution_id,
        span.feed_id,
        first.day::date as period_first,
        (first.day + span.length)::date - 1 as period_last,
        (first.day + span.length)::date - 1 + span.due_days as due_on
    from span
    cross join
        lateral generate_series(
            date_trunc('month', span.due_from::timestamp),
            coalesce(span.due_to, {{ as_of_day() }})::timestamp,
            span.length
        ) as first (day)
),

promised as (
    select
        period.*,
        month.day::date as month_first
    from period
    cross join
        lateral generate_series(
            period.period_first::timestamp, period.period_last::timestamp, interval '1 month'
        ) as month (day)
),

arrived as (
    select
        promised.institution_id,
        promised.feed_id,
        promised.month_first,
        (min(batch.landed_at) at time zone '{{ var("time_zone") }}')::date as arrived_on,
        bool_or(batch.is_counted and batch.is_sample) as is_sample,
        sum(batch.lines_read) filter (where batch.is_counted) as lines_read
    from promised
    inner join batch
        on
            promised.institution_id = batch.institution_id
            and promised.feed_id = batch.feed_id
            and promised.month_first between batch.period_first and batch.period_last
    group by promised.institution_id, promised.feed_id, promised.month_first
)

select
    promised.institution_id,
    promised.feed_id,
    promised.month_first,
    {{ financial_year('promised.month_first', 'institution.financial_year_start') }} as financial_year,
    promised.period_first,
    promised.period_last,
    promised.due_on,
    arrived.arrived_on,
    case
        when arrived.lines_read is null and promised.due_on < {{ as_of_day() }} then 'missing'
        when arrived.lines_read is null then 'not_due'
        when arrived.lines_read = 0 then 'empty'
        when arrived.is_sample then 'sample'
        when arrived.arrived_on > promised.due_on then 'late'
        else 'on_time'
    end as status,
    case
        when arrived.lines_read is not null and not arrived.is_sample
            then greatest(arrived.arrived_on - promised.due_on, 0)
    end as days_late
from promised
inner join institution on promised.institution_id = institution.institution_id
left join arrived
    on
        promised.institution_id = arrived.institution_id
        and promised.feed_id = arrived.feed_id
        and promised.month_first = arrived.month_first
