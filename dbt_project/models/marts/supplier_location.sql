-- One row per supplier record and rung of the ladder on which something speaks of its place, used or not. Of a private
-- person's postcode only the district is here.
with evidence as (select * from {{ ref('int_supplier__evidence') }}),

record as (select supplier_record_id, is_individual from {{ ref('int_supplier__resolved') }}),

located as (select supplier_record_id, location_evidence from {{ ref('int_supplier__located') }}),

place as (
    select
        place_id,
        min(precision) as precision,
        min(postcode_district) as postcode_district,
        case when count(distinct authority_code) = 1 then min(authority_code) end as authority_code
    from {{ ref('int_location__place') }}
    group by place_id
),

ring as (select place_id, ring_id from {{ ref('int_location__ring') }})

select
    evidence.supplier_record_id,
    evidence.institution_id,
    evidence.location_evidence,
    evidence.position,
    record.is_individual,
    evidence.location_evidence = located.location_evidence as is_used,
    evidence.reason,
    case when not record.is_individual then evidence.written end as written_postcode,
    case when not record.is_individual then evidence.postcode end as postcode,
    evidence.reading as postcode_reading,
    case when evidence.place_id = 'abroad' then 'abroad' else place.precision end as location_precision,
    place.postcode_district,
    place.authority_code,
    ring.ring_id as ring,
    evidence.place_count,
    evidence.register_number
from evidence
inner join record on evidence.supplier_record_id = record.supplier_record_id
inner join located on evidence.supplier_record_id = located.supplier_record_id
left join place on evidence.place_id = place.place_id
left join ring on evidence.place_id = ring.place_id
