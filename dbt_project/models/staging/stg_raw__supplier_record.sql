-- One row per supplier record of an institution ever seen, as first written.
select
    supplier_record_id,
    institution_id,
    supplier_ref,
    supplier_name,
    supplier_postcode,
    company_number,
    charity_number,
    vat_number
from {{ source('raw', 'supplier_record') }}
