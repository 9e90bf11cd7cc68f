-- One row per batch that the release counts, down to the file it came from.
select
    batch_id,
    institution_id,
    feed_id,
    kind,
    detail_of,
    period_label,
    period_first,
    period_last,
    vat_basis,
    file_name,
    sha256,
    landed_at,
    loaded_at,
    is_sample,
    lines_read,
    lines_loaded,
    lines_quarantined,
    amount_read,
    amount_loaded,
    amount_quarantined,
    control_amount
from {{ ref('int_batch__counted') }}
