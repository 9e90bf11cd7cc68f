-- One row per supplier record of one institution. A payee who is a private person stands without name, number or full
-- postcode.
with record as (select * from {{ ref('int_supplier__resolved') }}),

location as (select * from {{ ref('int_supplier__located') }}),

payee as (select * from {{ ref('int_scope__payee') }}),

living_wage as (select * from {{ ref('int_supplier__living_wage') }}),

listed as (select count(*) > 0 as is_known from {{ ref('stg_raw__living_wage_employer') }}),

-- Several rules can lead to one ring; the last of them is the one that it is called by.
ring as (
    select distinct on (ring_id)
        ring_id,
        ring_name,
        position
    from {{ ref('location_ring') }}
    order by ring_id asc, position desc
)

select
    record.supplier_record_id,
    record.institution_id,
    record.supplier_id,
    record.resolved_name as supplier_name,
    case when record.is_individual then '(name withheld)' else coalesce(record.supplier_name, '(not named)') end
        as record_name,
    case when not record.is_individual then record.supplier_ref end as supplier_ref,
    record.resolution_rule,
    record.link_probability,
    case when not record.is_individual then record.link_evidence end as link_evidence,
    record.register,
    record.register_number,
    record.register_probability,
    record.company_number,
    record.is_individual,
    record.individual_pattern_id,
    payee.payee_type,
    payee.payee_reason,
    payee.body_type,
    payee.anchor_institution_id,
    payee.redaction,
    payee.scope_position,
    case when not record.is_individual then record.supplier_postcode end as supplier_postcode,
    location.postcode_reading,
    location.location_evidence,
    location.location_precision,
    location.postcode_area,
    location.postcode_district,
    location.authority_code,
    location.ring,
    ring.ring_name,
    ring.position as ring_position,
    case
        when living_wage.supplier_record_id is not null then true
        when listed.is_known and not record.is_individual and record.supplier_name is not null then false
    end as is_living_wage_employer,
    living_wage.accredited_date as living_wage_since
from record
cross join listed
inner join location on record.supplier_record_id = location.supplier_record_id
left join ring on location.ring = ring.ring_id
inner join payee on record.supplier_record_id = payee.supplier_record_id
left join living_wage on record.supplier_record_id = living_wage.supplier_record_id
