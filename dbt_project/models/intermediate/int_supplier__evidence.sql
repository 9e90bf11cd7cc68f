-- One row per supplier record and rung of the ladder on which something speaks of its place: the place, or why that is
-- no evidence. Private persons' records neither give evidence on others nor take any from them.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }}),

postcode as (select * from {{ ref('int_location__postcode') }}),

rung as (select location_evidence, position from {{ ref('location_evidence') }}),

own as (
    select
        record.supplier_record_id,
        record.institution_id,
        record.supplier_id,
        record.is_individual,
        postcode.written,
        postcode.reading,
        postcode.postcode,
        postcode.postcode_district,
        postcode.authority_code,
        postcode.place_id,
        postcode.precision
    from record
    inner join postcode on record.supplier_postcode = postcode.written
),

-- A place counts as often as the institution keeps records of the supplier there.
placed as (
    select
        supplier_id,
        institution_id,
        place_id,
        substring(postcode_district from '^[A-Z]+') as postcode_area,
        authority_code,
        count(*) as record_count
    from own
    where precision = 'postcode' and not is_individual
    group by supplier_id, institution_id, place_id, postcode_district, authority_code
),

-- Records agree when they lie in one postcode area of one authority; the postcode of most of them stands for all.
same_institution as (
    select
        supplier_id,
        institution_id,
        count(*) as place_count,
        count(distinct postcode_area || ' ' || authority_code) as spot_count,
        (array_agg(place_id order by record_count desc, place_id asc))[1] as place_id
    from placed
    group by supplier_id, institution_id
),

other_institution as (
    select
        present.supplier_id,
        present.institution_id,
        count(distinct placed.place_id) as place_count,
        count(distinct placed.postcode_area || ' ' || placed.authority_code) as spot_count,
        (array_agg(placed.place_id order by placed.record_count desc, placed.place_id asc))[1] as place_id
    from (select distinct record.supplier_id, record.institution_id from record) as present
    inner join placed
        on present.supplier_id = placed.supplier_id and present.institution_id <> placed.institution_id
    group by present.supplier_id, present.institution_id
),

entry as (
    select
        register.register,
        register.register_number,
        register.written,
        register.is_shared_office,
        postcode.reading,
        postcode.postcode,
        case
            when postcode.precision = 'postcode' then postcode.place_id
            when register.foreign_country is not null then 'abroad'
        end as place_id
    from {{ ref('int_location__register') }} as register
    left join postcode on register.written = postcode.written
),

linked as (
    select
        supplier_record_id,
        institution_id,
        'company' as register,
        company_number as register_number
    from record
    where company_number is not null and not is_individual
    union all
    select
        supplier_record_id,
        institution_id,
        register,
        register_number
    from record
    where register in ('charity', 'mutual', 'public_body') and not is_individual
),

evidence as (
    select
        supplier_record_id,
        institution_id,
        case when reading in ('lookalike', 'within') then 'payment_line_repaired' else 'payment_line' end
            as location_evidence,
        case when precision = 'postcode' then place_id end as place_id,
        case
            when precision = 'postcode' then null
            when reading in ('several', 'not_listed') then reading
            when postcode is null then 'first_part_only'
            else 'in_no_authority'
        end as reason,
        written,
        reading,
        postcode,
        null::text as register_number,
        1 as place_count
    from own
    union all
    select
        supplier_record_id,
        institution_id,
        'partial',
        place_id,
        null,
        written,
        reading,
        postcode,
        null,
        1
    from own
    where precision in ('district', 'sector')
    union all
    -- A record with a sound postcode of its own needs none of its neighbours'.
    select
        record.supplier_record_id,
        record.institution_id,
        'same_institution',
        case when same_institution.spot_count = 1 then same_institution.place_id end,
        case when same_institution.spot_count > 1 then 'places_differ' end,
        null,
        null,
        case when same_institution.spot_count = 1 then same_institution.place_id end,
        null,
        same_institution.place_count
    from record
    inner join same_institution using (supplier_id, institution_id)
    left join own on record.supplier_record_id = own.supplier_record_id and own.precision = 'postcode'
    where own.supplier_record_id is null and not record.is_individual
    union all
    select
        record.supplier_record_id,
        record.institution_id,
        'other_institution',
        case when other_institution.spot_count = 1 then other_institution.place_id end,
        case when other_institution.spot_count > 1 then 'places_differ' end,
        null,
        null,
        case when other_institution.spot_count = 1 then other_institution.place_id end,
        null,
        other_institution.place_count
    from record
    inner join other_institution using (supplier_id, institution_id)
    where not record.is_individual
    union all
    select
        linked.supplier_record_id,
        linked.institution_id,
        'register_' || linked.register,
        case when not entry.is_shared_office then entry.place_id end,
        case
            when entry.is_shared_office then 'shared_office'
            when entry.place_id is not null then null
            when entry.written is null then 'no_postcode'
            when entry.reading in ('several', 'not_listed') then entry.reading
            when entry.postcode is null then 'first_part_only'
            else 'in_no_authority'
        end,
        entry.written,
        entry.reading,
        entry.postcode,
        linked.register_number,
        1
    from linked
    inner join entry on linked.register = entry.register and linked.register_number = entry.register_number
)

select
    evidence.supplier_record_id,
    evidence.institution_id,
    evidence.location_evidence,
    rung.position,
    evidence.place_id,
    evidence.reason,
    evidence.written,
    evidence.reading,
    evidence.postcode,
    evidence.register_number,
    evidence.place_count::integer as place_count
from evidence
inner join rung on evidence.location_evidence = rung.location_evidence
