-- One row per company of the register.
select
    company_number,
    company_name,
    address_line1,
    address_line2,
    post_town,
    raw.clean_postcode(postcode) as postcode,
    country,
    company_category,
    company_status,
    country_of_origin,
    incorporation_date,
    dissolution_date,
    accounts_made_up_date,
    accounts_category,
    sic_1,
    batch_id
from {{ source('raw', 'company') }}
