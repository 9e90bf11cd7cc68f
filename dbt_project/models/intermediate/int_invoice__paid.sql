-- One row per institution, day of payment and day of receipt: the invoices that the counted ledgers paid, and their
-- pounds. Credit notes are no invoices, and what another feed holds too is counted once. received_date is null where no
-- day of receipt is known, or the stated one lies after the payment: such an invoice was paid in an unknown time, as is
-- one whose ledger dates its lines by the period.
{{ config(materialized='table') }}

with batch as (select batch_id from {{ ref('int_batch__counted') }} where detail_of is null),

twin as (select batch_id, line_no from {{ ref('int_spend__twin') }}),

invoice as (
    select
        invoice.institution_id,
        invoice.spend_date as paid_date,
        case
            when invoice.date_basis = 'payment' and invoice.received_date <= invoice.spend_date
                then invoice.received_date
        end as received_date,
        invoice.amount
    from {{ ref('invoice_paid') }} as invoice
    inner join batch on invoice.batch_id = batch.batch_id
    left join twin on invoice.batch_id = twin.batch_id and invoice.line_no = twin.line_no
    where twin.batch_id is null and invoice.amount > 0
)

select
    institution_id,
    paid_date,
    received_date,
    count(*) as invoice_count,
    sum(amount) as amount
from invoice
group by institution_id, paid_date, received_date
