-- One row per spend line of a loaded batch, whatever the kind of its feed, dated in its institution's financial year.
-- An observatory line is a year's total, so it is dated on the last day of its period.
with ledger as (select * from {{ ref('stg_raw__ledger') }}),

card as (select * from {{ ref('stg_raw__card') }}),

observatory as (select * from {{ ref('stg_raw__observatory') }}),

batch as (select * from {{ ref('stg_ops__batch') }} where status = 'loaded' and is_spend),

institution as (select * from {{ ref('stg_ops__institution') }}),

unioned as (
    select
        batch_id, line_no, sheet, source_row, spend_date, supplier_ref, supplier_name, supplier_postcode, amount,
        organisational_unit, expense_type, category_code, category_label, contract_ref, transaction_ref, invoice_ref,
        invoice_date, received_date
    from ledger
    union all
    select
        batch_id, line_no, sheet, source_row, spend_date, null, supplier_name, null, amount,
        organisational_unit, null, category_code, category_label, null, transaction_ref, null,
        null, null
    from card
    union all
    select
        batch_id, line_no, sheet, source_row, null, supplier_ref, supplier_name, supplier_postcode, amount,
        null, null, category_code, category_label, null, null, null,
        null, null
    from observatory
),

dated as (
    select
        batch.institution_id,
        batch.feed_id,
        batch.kind as basis,
        batch.vat_basis,
        institution.financial_year_start,
        unioned.*,
        coalesce(unioned.spend_date, batch.period_last) as dated_on,
        case when unioned.spend_date is null then 'period_end' else 'payment' end as date_basis,
        -- the end of so long a period says nothing of the quarter
        unioned.spend_date is not null or batch.period_last < batch.period_first + interval '3 months' as has_quarter
    from unioned
    inner join batch on unioned.batch_id = batch.batch_id
    inner join institution on batch.institution_id = institution.institution_id
)

select
    batch_id,
    line_no,
    sheet,
    source_row,
    institution_id,
    feed_id,
    basis,
    vat_basis,
    dated_on as spend_date,
    date_basis,
    {{ financial_year('dated_on', 'financial_year_start') }} as financial_year,
    case when has_quarter then {{ financial_quarter('dated_on', 'financial_year_start') }} end as quarter,
    raw.supplier_record_id(institution_id, supplier_ref, supplier_name, supplier_postcode) as supplier_record_id,
    supplier_ref,
    supplier_name,
    supplier_postcode,
    amount,
    organisational_unit,
    expense_type,
    category_code,
    category_label,
    contract_ref,
    transaction_ref,
    invoice_ref,
    invoice_date,
    received_date
from dated
