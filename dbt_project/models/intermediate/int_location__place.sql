-- One row per place that some evidence gives, and postcode of the ONS list in it: a postcode stands for itself, a
-- district or sector (`LU1*`) for all of its postcodes. `abroad` has none. Every rule on places is judged on these.
{{ config(materialized='table') }}

with place as (
    select distinct
        place_id,
        precision,
        postcode,
        postcode_district,
        postcode_sector
    from {{ ref('int_location__postcode') }}
    where place_id is not null
)

select
    place.place_id,
    place.precision,
    postcode.*
from (select distinct place_id, precision, postcode from place where precision = 'postcode') as place
inner join {{ ref('stg_reference__postcode') }} as postcode on place.postcode = postcode.postcode
union all
select
    place.place_id,
    place.precision,
    postcode.*
from (select distinct place_id, precision, postcode_district from place where precision = 'district') as place
inner join {{ ref('stg_reference__postcode') }} as postcode on place.postcode_district = postcode.postcode_district
union all
select
    place.place_id,
    place.precision,
    postcode.*
from (select distinct place_id, precision, postcode_sector from place where precision = 'sector') as place
inner join {{ ref('stg_reference__postcode') }} as postcode on place.postcode_sector = postcode.postcode_sector
