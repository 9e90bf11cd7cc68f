-- One row per definition of local and place: how many of the place's postcodes lie inside, of those that the rule can
-- tell of. A rule on authorities tells nothing of a postcode in none.
-- Most rules judge all postcodes of one sector and authority alike, so these are judged once and counted; what turns on
-- the single postcode (a radius, a list) is judged postcode by postcode.
{{ config(materialized='table') }}

with definition as (
    select
        definition_id,
        rule,
        string_to_array(arguments, ' ') as arguments
    from {{ ref('int_local__definition') }}
),

single as (
    select definition_id
    from definition
    where rule in ('radius_miles', 'postcode')
),

combination as (
    select
        either.definition_id,
        member.definition_id as member_id,
        bool_or(single.definition_id is not null) over (partition by either.definition_id) as by_postcode
    from definition as either
    inner join definition as member on member.definition_id = any(either.arguments)
    left join single on member.definition_id = single.definition_id
    where either.rule = 'any_of'
),

-- What is judged on single postcodes, on groups of them, or for two combinations on both.
judging as (
    select
        definition.definition_id,
        single.definition_id is not null as by_postcode
    from definition
    left join single on definition.definition_id = single.definition_id
    where definition.rule <> 'any_of'
    union
    select
        member_id,
        by_postcode
    from combination
),

unit as (
    select
        false as by_postcode,
        place_id,
        null::text as postcode,
        postcode_area,
        postcode_district,
        postcode_sector,
        authority_code,
        null::integer as easting,
        null::integer as northing,
        count(*) as postcodes
    from {{ ref('int_location__place') }}
    group by place_id, postcode_area, postcode_district, postcode_sector, authority_code
    union all
    select
        true,
        place_id,
        postcode,
        postcode_area,
        postcode_district,
        postcode_sector,
        authority_code,
        easting,
        northing,
        1
    from {{ ref('int_location__place') }}
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
        unit.by_postcode,
        unit.place_id,
        unit.postcode,
        unit.postcode_sector,
        unit.authority_code,
        unit.postcodes,
        case definition.rule
            when 'postcode_area' then unit.postcode_area = any(definition.arguments)
            when 'postcode_district' then unit.postcode_district = any(definition.arguments)
            when 'postcode_sector' then unit.postcode_sector = any(definition.arguments)
            when 'postcode' then unit.postcode = any(definition.arguments)
            when 'authority' then unit.authority_code = any(definition.arguments)
            when 'region' then unit.authority_code = any(region.authority_codes)
            when 'radius_miles'
                then
                    (unit.easting - circle.easting)::bigint * (unit.easting - circle.easting)
                    + (unit.northing - circle.northing)::bigint * (unit.northing - circle.northing)
                    <= circle.square_metres
        end as is_local
    from judging
    inner join definition on judging.definition_id = definition.definition_id
    inner join unit on judging.by_postcode = unit.by_postcode
    left join circle on definition.definition_id = circle.definition_id
    left join region on definition.definition_id = region.definition_id
),

-- Local when any member says so; not local only when every member is sure of it.
combined as (
    select
        combination.definition_id,
        judged.place_id,
        judged.postcodes,
        case
            when bool_or(judged.is_local) then true
            when bool_and(judged.is_local is not null) then false
        end as is_local
    from combination
    inner join judged on combination.member_id = judged.definition_id and combination.by_postcode = judged.by_postcode
    group by
        combination.definition_id, judged.place_id, judged.postcode, judged.postcode_sector, judged.authority_code,
        judged.postcodes
),

all_judged as (
    select
        judged.definition_id,
        judged.place_id,
        judged.postcodes,
        judged.is_local
    from judged
    left join single on judged.definition_id = single.definition_id
    where judged.by_postcode = (single.definition_id is not null)
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
