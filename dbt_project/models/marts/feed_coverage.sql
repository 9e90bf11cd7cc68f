-- One row per institution, feed and month of payment: how many lines and pounds there are, and of how many the place is
-- known. Quarantined lines have no sure date, so they stand in the first month of their file's period.
with line as (select * from {{ ref('spend_line') }}),

batch as (select * from {{ ref('int_batch__counted') }}),

location as (select supplier_record_id, is_located from {{ ref('int_supplier__located') }}),

spent as (
    select
        line.institution_id,
        line.feed_id,
        date_trunc('month', line.spend_date)::date as month_first,
        count(*) as line_count,
        sum(line.amount) as amount,
        count(*) filter (where location.is_located) as lines_located,
        coalesce(sum(line.amount) filter (where location.is_located), 0) as amount_located
    from line
    inner join batch on line.batch_id = batch.batch_id
    inner join location on line.supplier_record_id = location.supplier_record_id
    group by 1, 2, 3
),

quarantined as (
    select
        institution_id,
        feed_id,
        date_trunc('month', period_first)::date as month_first,
        sum(lines_quarantined)::bigint as lines_quarantined,
        sum(amount_quarantined) as amount_quarantined
    from batch
    where lines_quarantined > 0
    group by 1, 2, 3
)

select
    institution_id,
    feed_id,
    month_first,
    coalesce(spent.line_count, 0) as line_count,
    coalesce(spent.amount, 0) as amount,
    coalesce(spent.lines_located, 0) as lines_located,
    coalesce(spent.amount_located, 0) as amount_located,
    coalesce(quarantined.lines_quarantined, 0) as lines_quarantined,
    coalesce(quarantined.amount_quarantined, 0) as amount_quarantined
from spent
full join quarantined using (institution_id, feed_id, month_first)
