-- One row per saving, planned or made.
with entry as (select * from {{ ref('int_register__entry') }} where kind = 'saving')

select
    entry.institution_id,
    entry.batch_id,
    entry.line_no,
    entry.entry_ref as saving_ref,
    entry.entry_date as saving_date,
    entry.financial_year,
    entry.quarter,
    entry.status,
    saving.status as status_written,
    entry.amount as saving_amount,
    saving.saving_type,
    saving.approved_by,
    saving.department,
    saving.contract_ref,
    saving.sheet as source_sheet,
    saving.source_row
from entry
inner join {{ ref('stg_raw__saving') }} as saving
    on entry.batch_id = saving.batch_id and entry.line_no = saving.line_no
