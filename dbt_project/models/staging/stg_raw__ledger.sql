-- One row per accounts-payable line of every batch, refused and superseded ones too.
select
    batch_id,
    line_no,
    sheet,
    source_row,
    payment_date as spend_date,
    supplier_ref,
    supplier_name,
    supplier_postcode,
    amount,
    organisational_unit,
    expense_type,
    category_code,
    category_label,
    contract_ref,
    transaction_ref,
    invoice_ref,
    invoice_date,
    received_date
from {{ source('raw', 'ledger') }}
