-- One row per employer accredited for the real living wage.
select
    employer_name,
    accredited_date,
    {{ company_number('company_number') }} as company_number,
    nullif(regexp_replace(charity_number, '\D', '', 'g'), '') as charity_number,
    batch_id
from {{ source('raw', 'living_wage_employer') }}
