-- One row per commitment of social value under a contract: what was promised, and what was delivered. A private person
-- stands without name.
with entry as (select * from {{ ref('int_register__entry') }} where kind = 'social_value'),

supplier as (select supplier_record_id, record_name from {{ ref('dim_supplier') }})

select
    entry.institution_id,
    entry.batch_id,
    entry.line_no,
    entry.entry_ref as commitment_ref,
    entry.entry_date as recorded_date,
    entry.financial_year,
    entry.quarter,
    commitment.contract_ref,
    entry.supplier_record_id,
    supplier.record_name as supplier_name,
    commitment.measure,
    commitment.unit,
    commitment.promised_quantity,
    commitment.delivered_quantity,
    entry.amount as promised_amount,
    entry.delivered_amount,
    commitment.approved_by,
    commitment.sheet as source_sheet,
    commitment.source_row
from entry
inner join {{ ref('stg_raw__social_value') }} as commitment
    on entry.batch_id = commitment.batch_id and entry.line_no = commitment.line_no
left join supplier on entry.supplier_record_id = supplier.supplier_record_id
