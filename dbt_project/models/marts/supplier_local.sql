-- One row per definition of local and supplier record. Unknown is a value: a record whose place is unknown, or whose
-- district lies partly inside, is neither; of the latter local_probability says how many of its postcodes are inside.
-- A definition's rows lie together in the order of the key: so two definitions are compared by reading, not by seeking.
with definition as (select definition_id, version from {{ ref('dim_local_definition') }} order by definition_id),

record as (select * from {{ ref('int_supplier__located') }}),

judged as (
    select
        definition_id,
        place_id,
        case
            when postcodes_known > 0 and postcodes_inside = postcodes_known then 'local'
            when postcodes_known > 0 and postcodes_inside = 0 then 'not_local'
            else 'unknown'
        end as local_status,
        {{ share('postcodes_inside::numeric', 'postcodes_known') }} as local_probability
    from {{ ref('int_local__judged') }}
)

-- Sorted definition by definition: all rows at once take twice as long.
select
    definition.definition_id,
    definition.version,
    placed.supplier_record_id,
    placed.institution_id,
    placed.local_status,
    placed.local_probability,
    placed.location_evidence
from definition
cross join
    lateral (
        select
            record.supplier_record_id,
            record.institution_id,
            coalesce(judged.local_status, 'unknown') as local_status,
            judged.local_probability,
            record.location_evidence
        from record
        left join judged on definition.definition_id = judged.definition_id and record.place_id = judged.place_id
        order by record.supplier_record_id
    ) as placed
order by definition.definition_id, placed.supplier_record_id
