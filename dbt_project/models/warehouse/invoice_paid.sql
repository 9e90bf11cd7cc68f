-- One row per invoice paid by a batch of a ledger: its lines of one supplier record, invoice number, day of receipt and
-- day of payment; warehouse.invoice_paid. Where there is no invoice number the payment's reference stands for it, and
-- where there is none either each line stands for itself. `line_no` is the first of its lines. Appended batch by batch:
-- it stands apart from the facts so that they need no new columns, and an installation that has none yet fills it once
-- from all its batches. Nothing published stands on it.
-- depends_on: {{ ref('stg_ops__batch') }}
{{
    config(
        schema='warehouse',
        indexes=[{'columns': ['batch_id', 'line_no'], 'unique': true}],
    )
}}

select
    batch_id,
    min(line_no) as line_no,
    institution_id,
    spend_date,
    date_basis,
    received_date,
    sum(amount) as amount,
    count(*) as line_count
from {{ ref('int_spend__line') }}
where basis = 'ledger' and {{ unseen_batches('batch_id') }}
group by
    batch_id, institution_id, supplier_record_id, spend_date, date_basis, received_date,
    coalesce(invoice_ref, transaction_ref), invoice_ref is null,
    case when invoice_ref is null and transaction_ref is null then line_no end
