-- One row per definition of local and supplier record. Unknown is a value: a record whose place is unknown is neither.
with definition as (
    select definition_id, version, rule, string_to_array(arguments, ' ') as arguments
    from {{ ref('dim_local_definition') }}
),

record as (select * from {{ ref('int_supplier__located') }}),

region as (select region_code, authority_code from {{ ref('region_authority') }}),

-- A radius is drawn on the National Grid round a postcode of the ONS list; a mile is 1,609.344 metres.
circle as (
    select
        definition.definition_id,
        postcode.easting,
        postcode.northing,
        definition.arguments[2]::numeric * 1609.344 as metres
    from definition
    inner join {{ ref('stg_reference__postcode') }} as postcode on definition.arguments[1] = postcode.postcode
    where definition.rule = 'radius_miles'
),

judged as (
    select
        definition.definition_id,
        definition.version,
        record.supplier_record_id,
        record.institution_id,
        case
            when not record.is_located then null
            when definition.rule = 'postcode_area' then record.postcode_area = any(definition.arguments)
            when definition.rule = 'postcode_district' then record.postcode_district = any(definition.arguments)
            when definition.rule = 'authority' then record.authority_code = any(definition.arguments)
            when definition.rule = 'region'
                then record.authority_code in (
                    select region.authority_code from region where region.region_code = any(definition.arguments)
                )
            when definition.rule = 'radius_miles'
                then
                    power(record.easting - circle.easting, 2) + power(record.northing - circle.northing, 2)
                    <= power(circle.metres, 2)
        end as is_local
    from definition
    cross join record
    left join circle on definition.definition_id = circle.definition_id
    where definition.rule <> 'any_of'
),

-- Local when any member says so; not local only when every member is sure of it.
combined as (
    select
        definition.definition_id,
        definition.version,
        judged.supplier_record_id,
        judged.institution_id,
        case
            when bool_or(judged.is_local) then true
            when bool_and(judged.is_local is not null) then false
        end as is_local
    from definition
    inner join judged on judged.definition_id = any(definition.arguments)
    where definition.rule = 'any_of'
    group by definition.definition_id, definition.version, judged.supplier_record_id, judged.institution_id
),

all_judged as (
    select * from judged
    union all
    select * from combined
)

select
    definition_id,
    version,
    supplier_record_id,
    institution_id,
    case is_local when true then 'local' when false then 'not_local' else 'unknown' end as local_status
from all_judged
