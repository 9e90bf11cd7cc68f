-- One row per spend line whose scope was decided by hand, by the reference of its payment.
select
    batch_id,
    line_no,
    institution_id,
    scope_position
from {{ ref('int_scope__line') }}
