-- One row per opportunity whose portal logs whom it invited, and definition of local: how many suppliers were invited,
-- how many of them are local and of how many that is unknown. Where a supplier is stands in its record, as for one that
-- was paid. is_local_invited is three-valued: unknown where nobody invited is known to be local and somebody's place is
-- unknown.
{{ config(materialized='table') }}

with portal as (
    select
        batch.institution_id,
        portal.opportunity_ref as opportunity_id,
        portal.supplier_name,
        portal.supplier_postcode,
        portal.event
    from {{ ref('stg_raw__portal') }} as portal
    inner join {{ ref('int_batch__counted') }} as batch on portal.batch_id = batch.batch_id
),

-- A word's meaning is looked for once, not once for every line it stands on.
word as (
    select
        event,
        {{ register_status('portal', 'event') }} as event_id
    from (select distinct portal.event from portal) as written
),

-- An invitation that names nobody is one of a supplier in an unknown place.
invited as (
    select distinct
        portal.institution_id,
        portal.opportunity_id,
        case
            when portal.supplier_name is not null
                then
                    raw.supplier_record_id(
                        portal.institution_id, null, portal.supplier_name, portal.supplier_postcode
                    )
        end as supplier_record_id
    from portal
    inner join word on portal.event = word.event and word.event_id = 'invited'
),

record as (select supplier_record_id, place_id from {{ ref('int_supplier__located') }}),

supplier as (select supplier_record_id, supplier_id from {{ ref('int_supplier__resolved') }}),

judged as (
    select
        definition_id,
        place_id,
        case
            when postcodes_known > 0 and postcodes_inside = postcodes_known then true
            when postcodes_known > 0 and postcodes_inside = 0 then false
        end as is_local
    from {{ ref('int_local__judged') }}
),

definition as (select definition_id from {{ ref('int_local__definition') }}),

placed as (
    select
        invited.*,
        supplier.supplier_id,
        record.place_id
    from invited
    left join record on invited.supplier_record_id = record.supplier_record_id
    left join supplier on invited.supplier_record_id = supplier.supplier_record_id
)

select
    placed.institution_id,
    placed.opportunity_id,
    definition.definition_id,
    count(*) as invited_count,
    count(*) filter (where judged.is_local) as local_count,
    count(*) filter (where judged.is_local is null) as unknown_count,
    case when bool_or(judged.is_local) then true when bool_or(judged.is_local is null) then null else false end
        as is_local_invited,
    array_agg(distinct placed.supplier_id) filter (where placed.supplier_id is not null) as supplier_ids
from placed
cross join definition
left join judged on definition.definition_id = judged.definition_id and placed.place_id = judged.place_id
group by placed.institution_id, placed.opportunity_id, definition.definition_id
