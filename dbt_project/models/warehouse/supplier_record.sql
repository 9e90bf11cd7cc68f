-- One row per supplier record of an institution ever seen, as first written; raw.supplier_record.
-- It holds payees' names as published, private persons' too, and so stays in raw, which nobody reads but the owner.
-- depends_on: {{ ref('stg_ops__batch') }}
{{
    config(
        schema='raw',
        indexes=[{'columns': ['supplier_record_id'], 'unique': true}],
    )
}}

with seen as (
    select distinct on (supplier_record_id)
        supplier_record_id,
        institution_id,
        supplier_ref,
        supplier_name,
        {{ clean_postcode('supplier_postcode') }} as supplier_postcode,
        batch_id
    from {{ ref('int_spend__line') }}
    where {{ unseen_batches('batch_id') }}
    order by supplier_record_id asc, batch_id asc, line_no asc
)

select * from seen
{% if is_incremental() %}
    where not exists (select from {{ this }} as known where known.supplier_record_id = seen.supplier_record_id)
{% endif %}
