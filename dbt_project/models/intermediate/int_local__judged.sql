-- One row per definition of local and place: how many of the place's postcodes lie inside, of those that the rule can
-- tell of. A rule on authorities tells nothing of a postcode in none.
-- All postcodes of one sector and authority are judged at once, unless the edge of a radius runs through them or one of
-- them is on a list.
{{ config(materialized='table') }}

with definition as (
    select
        definition_id,
        rule,
        string_to_array(arguments, ' ') as arguments
    from {{ ref('int_local__definition') }}
),

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
        postcode.easting::bigint as easting,
        postcode.northing::bigint as northing,
        floor(power(definition.arguments[2]::numeric * 1609.344, 2))::bigint as square_metres
    from definition
    inner join {{ ref('stg_reference__postcode') }} as postcode on definition.arguments[1] = postcode.postcode
    where definition.rule = 'radius_miles'
),

listed as (
    select left(postcode.listed, -2) as postcode_sector
    from definition
    cross join lateral unnest(definition.arguments) as postcode (listed)
    where definition.rule = 'postcode'
),

bundle as (
    select
        place_id,
        min(postcode) as postcode,
        postcode_area,
        postcode_district,
        postcode_sector,
        authority_code,
        min(easting) as west,
        max(easting) as east,
        min(northing) as south,
        max(northing) as north,
        count(*) as postcodes
    from {{ ref('int_location__place') }}
    group by place_id, postcode_area, postcode_district, postcode_sector, authority_code, easting is null
),

divided as (
    select
        bundle.place_id,
        bundle.postcode_sector,
        bundle.authority_code
    from bundle
    inner join circle
        on
            {{ square('greatest(bundle.west - circle.easting, circle.easting - bundle.east, 0)') }}
            + {{ square('greatest(bundle.south - circle.northing, circle.northing - bundle.north, 0)') }}
            <= circle.square_metres
            and {{ farthest('bundle', 'circle') }} > circle.square_metres
    where bundle.postcodes > 1
    union
    select
        place_id,
        postcode_sector,
        authority_code
    from bundle
    where postcodes > 1 and postcode_sector in (select listed.postcode_sector from listed)
),

unit as (
    select bundle.*
    from bundle
    left join divided
        on
            bundle.place_id = divided.place_id
            and bundle.postcode_sector = divided.postcode_sector
            and bundle.authority_code is not distinct from divided.authority_code
    where divided.place_id is null
    union all
    select
        place.place_id,
        place.postcode,
        place.postcode_area,
        place.postcode_district,
        place.postcode_sector,
        place.authority_code,
        place.easting as west,
        place.easting as east,
        place.northing as south,
        place.northing as north,
        1
    from {{ ref('int_location__place') }} as place
    inner join divided
        on
            place.place_id = divided.place_id
            and place.postcode_sector = divided.postcode_sector
            and place.authority_code is not distinct from divided.authority_code
),

judged as (
    select
        definition.definition_id,
        unit.place_id,
        unit.postcode,
        unit.postcodes,
        case definition.rule
            when 'postcode_area' then unit.postcode_area = any(definition.arguments)
            when 'postcode_district' then unit.postcode_district = any(definition.arguments)
            when 'postcode_sector' then unit.postcode_sector = any(definition.arguments)
            when 'postcode' then unit.postcode = any(definition.arguments)
            when 'authority' then unit.authority_code = any(definition.arguments)
            when 'region' then unit.authority_code = any(region.authority_codes)
            when 'radius_miles' then {{ farthest('unit', 'circle') }} <= circle.square_metres
        end as is_local
    from definition
    cross join unit
    left join circle on definition.definition_id = circle.definition_id
    left join region on definition.definition_id = region.definition_id
    where definition.rule <> 'any_of'
),

-- Local when any member says so; not local only when every member is sure of it.
combined as (
    select
        definition.definition_id,
        judged.place_id,
        judged.postcodes,
        case
            when bool_or(judged.is_local) then true
            when bool_and(judged.is_local is not null) then false
        end as is_local
    from definition
    inner join judged on judged.definition_id = any(definition.arguments)
    where definition.rule = 'any_of'
    group by definition.definition_id, judged.place_id, judged.postcode, judged.postcodes
),

all_judged as (
    select
        definition_id,
        place_id,
        postcodes,
        is_local
    from judged
    union all
    select * from combined
)

select
    definition_id,
    place_id,
    coalesce(sum(postcodes) filter (where is_local), 0)::bigint as postcodes_inside,
    coalesce(sum(postcodes) filter (where is_local is not null), 0)::bigint as postcodes_known
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
