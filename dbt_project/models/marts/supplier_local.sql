-- One row per definition of local and supplier record. Unknown is a value: a record whose place is unknown, or whose
-- district lies partly inside, is neither; of the latter local_probability says how many of its postcodes are inside.
-- A definition's rows lie together in the order of the key: so two definitions are compared by reading, not by seeking.
with definition as (select definition_id, version from {{ ref('dim_local_definition') }}),

record as (select * from {{ ref('int_supplier__located') }}),

judged as (select * from {{ ref('int_local__judged') }})

select
    definition.definition_id,
    definition.version,
    record.supplier_record_id,
    record.institution_id,
    case
        when judged.postcodes_known > 0 and judged.postcodes_inside = judged.postcodes_known then 'local'
        when judged.postcodes_known > 0 and judged.postcodes_inside = 0 then 'not_local'
        else 'unknown'
    end as local_status,
    {{ share('judged.postcodes_inside::numeric', 'judged.postcodes_known') }} as local_probability,
    record.location_evidence
from definition
cross join record
left join judged on definition.definition_id = judged.definition_id and record.place_id = judged.place_id
order by definition.definition_id, record.supplier_record_id
