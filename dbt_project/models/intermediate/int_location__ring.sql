-- One row per place, with the ring it lies in: of a district or sector only where all of its postcodes that lie in an
-- authority are in one ring.
{{ config(materialized='table') }}

with ring as (
    select
        position,
        ring_id,
        rule,
        string_to_array(arguments, ' ') as arguments
    from {{ ref('location_ring') }}
),

region as (
    select
        ring.position,
        array_agg(region.authority_code) as authority_codes
    from ring
    inner join {{ ref('region_authority') }} as region on region.region_code = any(ring.arguments)
    where ring.rule = 'region'
    group by ring.position
),

-- No ring turns on a single postcode.
place as (
    select distinct
        place_id,
        postcode_area,
        postcode_district,
        postcode_sector,
        authority_code
    from {{ ref('int_location__place') }}
    where authority_code is not null
),

fitting as (
    select
        place.place_id,
        place.postcode_sector,
        place.authority_code,
        min(ring.position) as position
    from place
    cross join ring
    left join region on ring.position = region.position
    where
        case ring.rule
            when 'postcode_area' then place.postcode_area = any(ring.arguments)
            when 'postcode_district' then place.postcode_district = any(ring.arguments)
            when 'postcode_sector' then place.postcode_sector = any(ring.arguments)
            when 'authority' then place.authority_code = any(ring.arguments)
            when 'region' then place.authority_code = any(region.authority_codes)
            when 'listed' then true
        end
    group by place.place_id, place.postcode_sector, place.authority_code
)

select
    fitting.place_id,
    min(ring.ring_id) as ring_id
from fitting
inner join ring on fitting.position = ring.position
group by fitting.place_id
having count(distinct ring.ring_id) = 1
union all
select
    'abroad',
    ring_id
from ring
where rule = 'abroad'
