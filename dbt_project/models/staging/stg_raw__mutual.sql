-- One row per mutual society of the register.
select
    society_number,
    society_name,
    society_status,
    registered_as,
    registration_date,
    deregistration_date,
    raw.clean_postcode(postcode) as postcode,
    batch_id
from {{ source('raw', 'mutual') }}
