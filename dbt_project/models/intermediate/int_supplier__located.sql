-- One row per supplier record, with the place that the first rung of evidence gives it, and its ring. Unknown is a
-- value: a record that no rung places has evidence `none` and ring `unknown`.
-- is_located: placed to the postcode, or abroad. What all postcodes of a district have in common is known of it too.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }}),

reading as (select written, reading from {{ ref('int_location__postcode') }}),

first_rung as (
    select distinct on (supplier_record_id)
        supplier_record_id,
        location_evidence,
        place_id
    from {{ ref('int_supplier__evidence') }}
    where place_id is not null
    order by supplier_record_id, position
),

place as (
    select
        place_id,
        min(precision) as precision,
        min(postcode_area) as postcode_area,
        min(postcode_district) as postcode_district,
        case when count(distinct authority_code) = 1 then min(authority_code) end as authority_code,
        case when count(*) = 1 then min(easting) end as easting,
        case when count(*) = 1 then min(northing) end as northing
    from {{ ref('int_location__place') }}
    group by place_id
),

ring as (select place_id, ring_id from {{ ref('int_location__ring') }}),

otherwise as (select ring_id from {{ ref('location_ring') }} where rule = 'otherwise')

select
    record.supplier_record_id,
    record.institution_id,
    record.supplier_postcode,
    case when record.supplier_postcode is null then 'no_postcode' else reading.reading end as postcode_reading,
    coalesce(first_rung.location_evidence, 'none') as location_evidence,
    first_rung.place_id,
    case when first_rung.place_id = 'abroad' then 'abroad' else place.precision end as location_precision,
    coalesce(place.precision = 'postcode' or first_rung.place_id = 'abroad', false) as is_located,
    place.postcode_area,
    place.postcode_district,
    place.authority_code,
    place.easting,
    place.northing,
    coalesce(ring.ring_id, otherwise.ring_id) as ring
from record
left join reading on record.supplier_postcode = reading.written
left join first_rung on record.supplier_record_id = first_rung.supplier_record_id
left join place on first_rung.place_id = place.place_id
left join ring on first_rung.place_id = ring.place_id
cross join otherwise
