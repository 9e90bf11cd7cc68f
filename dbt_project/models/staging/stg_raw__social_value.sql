-- One row per commitment of social value of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    commitment_ref,
    contract_ref,
    supplier_name,
    supplier_postcode,
    recorded_date,
    measure,
    unit,
    promised_quantity,
    delivered_quantity,
    promised_amount,
    delivered_amount,
    approved_by
from {{ source('raw', 'social_value') }}
