-- One row per feed of the institution files.
select
    institution_id,
    feed_id,
    kind,
    position,
    detail_of,
    publishes_over,
    due_every,
    due_days,
    due_from,
    due_to
from {{ source('ops', 'feed') }}
