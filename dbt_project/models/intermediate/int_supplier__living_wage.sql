-- One row per supplier record of an employer accredited for the real living wage: by company or charity number, else by
-- the exact name where the list's entry has no number that says otherwise.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }} where not is_individual),

employer as (select * from {{ ref('stg_raw__living_wage_employer') }}),

matched as (
    select
        record.supplier_record_id,
        1 as turn,
        'company_number' as matched_by,
        employer.accredited_date
    from record
    inner join employer on record.company_number = employer.company_number
    union all
    select
        record.supplier_record_id,
        2,
        'charity_number',
        employer.accredited_date
    from record
    inner join employer on record.register = 'charity' and record.register_number = employer.charity_number
    union all
    select
        record.supplier_record_id,
        3,
        'name',
        employer.accredited_date
    from record
    inner join employer
        on {{ company_name_key('record.resolved_name') }} = {{ company_name_key('employer.employer_name') }}
    where
        coalesce(record.company_number = employer.company_number, true)
        and (
            coalesce(record.register, '') <> 'charity'
            or coalesce(record.register_number = employer.charity_number, true)
        )
)

select distinct on (supplier_record_id)
    supplier_record_id,
    matched_by,
    accredited_date
from matched
order by supplier_record_id asc, turn asc, accredited_date asc nulls last
