-- One row per definition of local and place: how many of the place's postcodes lie inside, of those that the rule can
-- tell of. A rule on authorities tells nothing of a postcode in none.
{{ config(materialized='table') }}

with definition as (
    select
        definition_id,
        rule,
        string_to_array(arguments, ' ') as arguments
    from {{ ref('int_local__definition') }}
),

place as (select * from {{ ref('int_location__place') }}),

region as (
    select
        definition.definition_id,
        array_agg(region.authority_code) as authority_codes
    from definition
    inner join {{ ref('region_authority') }} as region on region.region_code = any(definition.arguments)
    where definition.rule = 'region'
    group by definition.definition_id
),

-- A radius is drawn on the National Grid round a postcode of the ONS list; a mile is 1,609.344 metres.
circle as (
    select
        definition.definition_id,
        postcode.easting,
        postcode.northing,
        floor(power(definition.arguments[2]::numeric * 1609.344, 2))::bigint as square_metres
    from definition
    inner join {{ ref('stg_reference__postcode') }} as postcode on definition.arguments[1] = postcode.postcode
    where definition.rule = 'radius_miles'
),

judged as (
    select
        definition.definition_id,
        place.place_id,
        place.postcode,
        case definition.rule
            when 'postcode_area' then place.postcode_area = any(definition.arguments)
            when 'postcode_district' then place.postcode_district = any(definition.arguments)
            when 'postcode_sector' then place.postcode_sector = any(definition.arguments)
            when 'postcode' then place.postcode = any(definition.arguments)
            when 'authority' then place.authority_code = any(definition.arguments)
            when 'region' then place.authority_code = any(region.authority_codes)
            when 'radius_miles'
                then
                    (place.easting - circle.easting)::bigint * (place.easting - circle.easting)
                    + (place.northing - circle.northing)::bigint * (place.northing - circle.northing)
                    <= circle.square_metres
        end as is_local
    from definition
    cross join place
    left join circle on definition.definition_id = circle.definition_id
    left join region on definition.definition_id = region.definition_id
    where definition.rule <> 'any_of'
),

-- Local when any member says so; not local only when every member is sure of it.
combined as (
    select
        definition.definition_id,
        judged.place_id,
        judged.postcode,
        case
            when bool_or(judged.is_local) then true
            when bool_and(judged.is_local is not null) then false
        end as is_local
    from definition
    inner join judged on judged.definition_id = any(definition.arguments)
    where definition.rule = 'any_of'
    group by definition.definition_id, judged.place_id, judged.postcode
),

all_judged as (
    select * from judged
    union all
    select * from combined
)

select
    definition_id,
    place_id,
    count(*) filter (where is_local) as postcodes_inside,
    count(is_local) as postcodes_known
from all_judged
group by definition_id, place_id
union all
-- Abroad is outside every area at home.
select
    definition_id,
    'abroad',
    0,
    1
from definition
