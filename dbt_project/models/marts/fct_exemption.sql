-- One row per request for exemption from the procurement rules. A private person stands without name.
with entry as (select * from {{ ref('int_register__entry') }} where kind = 'exemption'),

supplier as (select supplier_record_id, record_name from {{ ref('dim_supplier') }})

select
    entry.institution_id,
    entry.batch_id,
    entry.line_no,
    entry.entry_ref as exemption_ref,
    entry.entry_date as requested_date,
    entry.financial_year,
    entry.quarter,
    exemption.decided_date,
    entry.status as decision,
    exemption.decision as decision_written,
    exemption.approved_by,
    exemption.reason,
    entry.supplier_record_id,
    supplier.record_name as supplier_name,
    entry.amount as exemption_value,
    exemption.department,
    exemption.category_code,
    exemption.contract_ref,
    exemption.sheet as source_sheet,
    exemption.source_row
from entry
inner join {{ ref('stg_raw__exemption') }} as exemption
    on entry.batch_id = exemption.batch_id and entry.line_no = exemption.line_no
left join supplier on entry.supplier_record_id = supplier.supplier_record_id
