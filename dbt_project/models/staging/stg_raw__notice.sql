-- One row per procurement notice (OCDS release) of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    ocid,
    opportunity_ref,
    release_date,
    title,
    status,
    procurement_method_details,
    notice_value,
    published_date,
    tender_end_date,
    award_date,
    supplier_name
from {{ source('raw', 'notice') }}
