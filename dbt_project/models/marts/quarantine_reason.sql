-- One row per institution, feed, period and reason for which lines of counted files are in quarantine. A line with two
-- problems stands under both reasons. Nothing of a line is published: a reason may quote a number of it, a year, so
-- numbers are left out.
with batch as (select batch_id, institution_id, feed_id, period_label from {{ ref('dim_batch') }}),

told as (
    select
        batch_id,
        line_no,
        regexp_replace(reason, '[0-9][0-9.,:/-]*', '…', 'g') as reason,
        amount
    from {{ source('ops', 'quarantine') }}
    -- one row of the source per problem, of which a line can have two for one reason
    group by batch_id, line_no, regexp_replace(reason, '[0-9][0-9.,:/-]*', '…', 'g'), amount
)

select
    batch.institution_id,
    batch.feed_id,
    batch.period_label,
    told.reason,
    count(*) as line_count,
    count(*) filter (where told.amount is null) as lines_without_amount,
    coalesce(sum(told.amount), 0) as amount
from told
inner join batch on told.batch_id = batch.batch_id
group by batch.institution_id, batch.feed_id, batch.period_label, told.reason
