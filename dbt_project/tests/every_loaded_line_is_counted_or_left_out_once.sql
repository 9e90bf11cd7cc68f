-- Passes when, batch by batch, the lines and pounds that are counted and those left out with a reason are what was
-- loaded, and when feed_version states the same. A batch that is missing from one side fails.
with accounted as (
    select batch_id, amount, true as is_counted
    from {{ ref('fct_spend') }}
    union all
    select batch_id, amount, false
    from {{ ref('line_not_counted') }}
),

summed as (
    select
        batch_id,
        count(*) as line_count,
        sum(amount) as amount,
        count(*) filter (where is_counted) as lines_counted,
        coalesce(sum(amount) filter (where is_counted), 0) as amount_counted
    from accounted
    group by batch_id
),

loaded as (select * from {{ ref('stg_ops__batch') }} where status = 'loaded' and is_spend and lines_loaded > 0),

version as (select * from {{ ref('feed_version') }})

select
    batch_id,
    loaded.lines_loaded,
    summed.line_count,
    loaded.amount_loaded,
    summed.amount,
    version.lines_counted,
    version.amount_counted
from loaded
full join summed using (batch_id)
left join version using (batch_id)
where
    loaded.lines_loaded is distinct from summed.line_count
    or loaded.amount_loaded is distinct from summed.amount
    or version.lines_counted is distinct from summed.lines_counted
    or version.amount_counted is distinct from summed.amount_counted
