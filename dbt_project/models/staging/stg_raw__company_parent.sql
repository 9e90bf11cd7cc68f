-- One row per company that another one owns. A parent's number is that of the register of its own country.
select
    {{ company_number('company_number') }} as company_number,
    {{ company_number('parent_number') }} as parent_number,
    parent_name,
    nature_of_control,
    as_of_date,
    batch_id
from {{ source('raw', 'company_parent') }}
