-- One row per procurement card transaction of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    payment_date as spend_date,
    supplier_name,
    amount,
    organisational_unit,
    category_code,
    category_label,
    transaction_ref
from {{ source('raw', 'card') }}
