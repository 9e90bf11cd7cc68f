-- One row per engagement event of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    event_ref,
    event_date,
    event_type,
    status,
    approved_by,
    title,
    venue,
    suppliers_attending,
    local_suppliers_attending
from {{ source('raw', 'event') }}
