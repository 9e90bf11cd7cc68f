-- One row per UK postcode ever in use, without its space.
select
    postcode,
    substring(postcode from '^[A-Z]+') as postcode_area,
    left(postcode, -3) as postcode_district,
    left(postcode, -2) as postcode_sector,
    authority_code,
    easting,
    northing
from {{ source('reference', 'postcode') }}
