-- One row per charity of the register; those linked to another charity are that one. Company numbers have the eight
-- characters that the extract, which holds numbers, took off them.
select
    charity_number,
    charity_name,
    charity_type,
    registration_status,
    registration_date,
    removal_date,
    latest_income,
    raw.clean_postcode(postcode) as postcode,
    case when company_number ~ '^\d+$' then lpad(company_number, 8, '0') else upper(company_number) end
        as company_number,
    is_cio,
    batch_id
from {{ source('raw', 'charity') }}
where coalesce(linked_charity_number, '0') = '0'
