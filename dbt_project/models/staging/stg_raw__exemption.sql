-- One row per request for exemption of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    exemption_ref,
    requested_date,
    decided_date,
    decision,
    approved_by,
    reason,
    supplier_name,
    supplier_postcode,
    exemption_value,
    department,
    category_code,
    contract_ref
from {{ source('raw', 'exemption') }}
