-- One row per supplier record, with where it is and on which evidence. A postcode that is not in the ONS list, or that
-- the list puts in no authority, leaves the location unknown: nothing is guessed from part of one.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }}),

postcode as (select * from {{ ref('stg_reference__postcode') }})

select
    record.supplier_record_id,
    record.institution_id,
    record.supplier_postcode,
    case
        when record.supplier_postcode is null then 'no postcode'
        when postcode.postcode is null then 'postcode not in the ONS list'
        when postcode.authority_code is null then 'postcode in no authority'
        else 'payment line'
    end as location_evidence,
    postcode.authority_code is not null as is_located,
    case when postcode.authority_code is not null then postcode.postcode_area end as postcode_area,
    case when postcode.authority_code is not null then postcode.postcode_district end as postcode_district,
    postcode.authority_code,
    case when postcode.authority_code is not null then postcode.easting end as easting,
    case when postcode.authority_code is not null then postcode.northing end as northing
from record
left join postcode on record.supplier_postcode = postcode.postcode
