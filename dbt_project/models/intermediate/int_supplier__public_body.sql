-- One row per supplier record that is a public body by the register it is linked to.
with body as (
    select distinct on (body_id)
        body_id,
        body_type
    from {{ ref('stg_raw__public_body') }}
    order by body_id, body_type
)

select
    record.supplier_record_id,
    record.institution_id,
    record.supplier_id,
    body.body_type,
    'register' as evidence,
    'in the list of public bodies' as reason,
    null::text as anchor_institution_id
from {{ ref('int_supplier__resolved') }} as record
inner join body on record.register = 'public_body' and record.register_number = body.body_id
