-- One row per engagement event, planned, held or cancelled.
with entry as (select * from {{ ref('int_register__entry') }} where kind = 'event')

select
    entry.institution_id,
    entry.batch_id,
    entry.line_no,
    entry.entry_ref as event_ref,
    entry.entry_date as event_date,
    entry.financial_year,
    entry.quarter,
    entry.status,
    event.status as status_written,
    event.event_type,
    event.approved_by,
    event.title,
    event.venue,
    event.suppliers_attending,
    event.local_suppliers_attending,
    event.sheet as source_sheet,
    event.source_row
from entry
inner join {{ ref('stg_raw__event') }} as event
    on entry.batch_id = event.batch_id and entry.line_no = event.line_no
