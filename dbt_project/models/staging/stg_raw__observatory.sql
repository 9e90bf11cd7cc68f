-- One row per supplier and year of every observatory batch. Number of employees and flags are the vendor's claims.
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
    category_label,
    employees,
    claimed_sme,
    claimed_local,
    claimed_charity
from {{ source('raw', 'observatory') }}
