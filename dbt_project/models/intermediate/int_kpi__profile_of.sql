-- One row per supplier record, with its profile: the records of one count alike under every definition of every
-- measure. There are some hundred profiles, so figures are summed by profile and spread over the definitions
-- afterwards: each record under each definition would be a hundred times the rows.
{{ config(materialized='table') }}

with judged as (
    select
        judgement,
        trim_scale(power(4::numeric, row_number() over (order by judgement desc) - 1)) as place_value
    from (select distinct measure || ' ' || definition_id as judgement from {{ ref('supplier_status') }}) as one
),

-- A profile is a number with a digit for each definition: to sort and list what is said of each record takes longer.
-- Measure and definition are one key: of a join by two the planner expects too many rows to hash.
grouped as (
    select
        status.supplier_record_id,
        sum(judged.place_value * case when status.is_in then 2 when not status.is_in then 1 else 3 end) as profile
    from {{ ref('supplier_status') }} as status
    inner join judged on status.measure || ' ' || status.definition_id = judged.judgement
    group by status.supplier_record_id
)

select
    supplier_record_id,
    (dense_rank() over (order by profile))::int as profile_no
from grouped
