-- One row per supplier and year of every observatory batch. The vendor's flags stay in raw: they are claims.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    supplier_ref,
    supplier_name,
    supplier_postcode,
    amount,
    category_code,
    category_label
from {{ source('raw', 'observatory') }}
