-- One row per public body and name it goes by.
select
    body_id,
    body_name,
    body_type,
    official_code,
    company_number,
    charity_number,
    raw.clean_postcode(postcode) as postcode,
    source,
    batch_id
from {{ source('raw', 'public_body') }}
