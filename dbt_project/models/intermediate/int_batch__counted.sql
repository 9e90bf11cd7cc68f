-- One row per batch that counts: the newest loaded one of each institution, feed and period, unless a longer period of
-- the feed covers it. A version that was refused leaves the one before it standing. A table, because the planner takes
-- the view for a batch or two, and then joins everything that stands on it batch by batch.
{{ config(materialized='table') }}

select *
from {{ ref('int_batch__judged') }}
where is_counted
