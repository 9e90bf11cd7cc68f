-- One row per saving of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    saving_ref,
    saving_date,
    saving_amount,
    saving_type,
    status,
    approved_by,
    department,
    contract_ref
from {{ source('raw', 'saving') }}
