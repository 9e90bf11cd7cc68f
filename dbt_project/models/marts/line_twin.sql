-- One row per line left out because an earlier feed of its institution holds the same invoice.
select
    batch_id,
    line_no,
    institution_id,
    feed_id,
    amount,
    reason,
    twin_batch_id,
    twin_line_no
from {{ ref('int_spend__twin') }}
