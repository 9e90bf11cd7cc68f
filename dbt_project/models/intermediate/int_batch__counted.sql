-- One row per batch that counts: the newest loaded one of each institution, feed and period. A version that was refused
-- leaves the one before it standing.
select distinct on (institution_id, feed_id, period_label) *
from {{ ref('stg_ops__batch') }}
where status = 'loaded'
order by institution_id asc, feed_id asc, period_label asc, batch_id desc
