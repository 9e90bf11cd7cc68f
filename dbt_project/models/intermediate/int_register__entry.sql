-- One row per entry of the registers of exemptions, savings, engagement events and social value that counts: when, in
-- which state and for how many pounds. An entry that several files hold, told by its reference and day, is taken as the
-- newest one has it. `amount` is what was exempted, saved or promised, `delivered_amount` what came of a promise.
{{ config(materialized='table') }}

with entry as (
    select
        'exemption' as kind,
        batch_id,
        line_no,
        exemption_ref as entry_ref,
        requested_date as entry_date,
        {{ register_status('exemption', 'exemption.decision') }} as status,
        exemption_value as amount,
        null::numeric as delivered_amount,
        supplier_name,
        supplier_postcode
    from {{ ref('stg_raw__exemption') }} as exemption
    union all
    select
        'saving',
        batch_id,
        line_no,
        saving_ref,
        saving_date,
        {{ register_status('saving', 'saving.status') }},
        saving_amount,
        null,
        null,
        null
    from {{ ref('stg_raw__saving') }} as saving
    union all
    select
        'event',
        batch_id,
        line_no,
        event_ref,
        event_date,
        {{ register_status('event', 'event.status') }},
        null,
        null,
        null,
        null
    from {{ ref('stg_raw__event') }} as event
    union all
    select
        'social_value',
        batch_id,
        line_no,
        commitment_ref,
        recorded_date,
        'recorded',
        promised_amount,
        delivered_amount,
        supplier_name,
        supplier_postcode
    from {{ ref('stg_raw__social_value') }}
),

dated as (
    select
        entry.*,
        batch.institution_id,
        institution.financial_year_start,
        max(entry.batch_id) over (
            partition by batch.institution_id, entry.kind, entry.entry_ref, entry.entry_date
        ) as newest_batch_id
    from entry
    inner join {{ ref('int_batch__counted') }} as batch on entry.batch_id = batch.batch_id
    inner join {{ ref('stg_ops__institution') }} as institution on batch.institution_id = institution.institution_id
)

select
    kind,
    batch_id,
    line_no,
    institution_id,
    entry_ref,
    entry_date,
    {{ financial_year('entry_date', 'financial_year_start') }} as financial_year,
    {{ financial_quarter('entry_date', 'financial_year_start') }} as quarter,
    status,
    amount,
    delivered_amount,
    case
        when supplier_name is not null
            then raw.supplier_record_id(institution_id, null, supplier_name, supplier_postcode)
    end as supplier_record_id
from dated
where batch_id = newest_batch_id
