-- One row per supplier record, with its profile: the records of one count alike under every definition of every
-- measure. There are some hundred profiles, so figures are summed by profile and spread over the definitions
-- afterwards: each record under each definition would be a hundred times the rows.
{{ config(materialized='table') }}

with status as (select * from {{ ref('supplier_status') }}),

judged as (
    select
        measure,
        definition_id,
        (row_number() over (order by measure, definition_id))::int as position
    from (select distinct status.measure, status.definition_id from status) as one
),

grouped as (
    select
        status.supplier_record_id,
        array_agg(
            4 * judged.position + case when status.is_in then 1 when not status.is_in then 0 else 2 end
            order by judged.position
        ) as profile
    from status
    inner join judged on status.measure = judged.measure and status.definition_id = judged.definition_id
    group by status.supplier_record_id
)

select
    supplier_record_id,
    (dense_rank() over (order by profile))::int as profile_no
from grouped
