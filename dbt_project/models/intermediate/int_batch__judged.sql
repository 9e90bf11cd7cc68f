-- One row per loaded or refused batch, with the batch that stands in its place where there is one.
-- superseded: a newer batch of the same feed, span and part was loaded. covered: the span lies wholly inside a longer
-- one of another current batch of the same feed, whichever came first; of several such, the longest. Parts of one span
-- (`2017-04/a`, `2017-04/b`) are as long as each other and so cover nothing.
with version as (select * from {{ ref('stg_ops__batch') }} where status in ('loaded', 'refused')),

feed as (select institution_id, feed_id, detail_of from {{ ref('stg_ops__feed') }}),

newest as (
    select
        batch_id,
        max(batch_id) over (
            partition by institution_id, feed_id, period_first, period_last, split_part(period_label, '/', 2)
        ) as newest_batch_id
    from version
    where status = 'loaded'
),

standing as (
    select version.*
    from version
    inner join newest on version.batch_id = newest.batch_id
    where newest.batch_id = newest.newest_batch_id
),

covered as (
    select distinct on (inner_one.batch_id)
        inner_one.batch_id,
        outer_one.batch_id as covered_by_batch_id
    from standing as inner_one
    inner join standing as outer_one
        on
            inner_one.institution_id = outer_one.institution_id
            and inner_one.feed_id = outer_one.feed_id
            and inner_one.period_first >= outer_one.period_first
            and inner_one.period_last <= outer_one.period_last
            and inner_one.period_last - inner_one.period_first < outer_one.period_last - outer_one.period_first
    order by
        inner_one.batch_id asc, outer_one.period_last - outer_one.period_first desc, outer_one.batch_id desc
)

select
    version.*,
    feed.detail_of,
    covered.covered_by_batch_id,
    nullif(newest.newest_batch_id, version.batch_id) as superseded_by_batch_id,
    newest.batch_id is not null and newest.newest_batch_id = version.batch_id and covered.batch_id is null
        as is_counted
from version
left join newest on version.batch_id = newest.batch_id
left join covered on version.batch_id = covered.batch_id
left join feed on version.institution_id = feed.institution_id and version.feed_id = feed.feed_id
