-- One row per batch that counts: the newest loaded one of each institution, feed and period, unless a longer period of
-- the feed covers it. A version that was refused leaves the one before it standing.
select *
from {{ ref('int_batch__judged') }}
where is_counted
