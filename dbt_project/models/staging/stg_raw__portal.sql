-- One row per event of an e-tendering portal's log of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    opportunity_ref,
    title,
    route,
    event,
    event_date,
    supplier_name,
    supplier_postcode,
    estimated_value,
    category_code,
    organisational_unit,
    contract_ref
from {{ source('raw', 'portal') }}
