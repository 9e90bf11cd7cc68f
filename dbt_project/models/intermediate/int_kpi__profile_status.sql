-- One row per profile, measure and definition: what is so of every record of the profile.
{{ config(materialized='table') }}

with one_of as (
    select distinct on (profile_no)
        profile_no,
        supplier_record_id
    from {{ ref('int_kpi__profile_of') }}
    order by profile_no
)

select
    one_of.profile_no,
    status.measure,
    status.definition_id,
    status.is_in
from one_of
inner join {{ ref('supplier_status') }} as status on one_of.supplier_record_id = status.supplier_record_id
