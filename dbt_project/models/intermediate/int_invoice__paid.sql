-- One row per institution, day of payment and day of receipt: the invoices that the counted ledgers paid, and their
-- pounds. Credit notes are no invoices, and what another feed holds too is counted once. received_date is null where no
-- day of receipt is known, or the stated one lies after the payment: such an invoice was paid in an unknown time, as is
-- one whose ledger dates its lines by the period.
{{ config(materialized='table') }}

with batch as (select batch_id from {{ ref('int_batch__counted') }} where detail_of is null),

twin as (select batch_id, line_no from {{ ref('int_spend__twin') }}),

invoice as (
    select
        batch_id,
        line_no,
        institution_id,
        spend_date as paid_date,
        case when date_basis = 'payment' and received_date <= spend_date then received_date end as received_date,
        amount
    from {{ ref('invoice_paid') }}
    where amount > 0
),

-- Twins are few: they are taken out of the sum of all.
part as (
    select
        batch_id,
        institution_id,
        paid_date,
        received_date,
        amount,
        1 as invoice_count
    from invoice
    union all
    select
        invoice.batch_id,
        invoice.institution_id,
        invoice.paid_date,
        invoice.received_date,
        -invoice.amount,
        -1
    from invoice
    inner join twin on invoice.batch_id = twin.batch_id and invoice.line_no = twin.line_no
),

-- Summed before the batches are asked for: the planner cannot tell how many of them count.
summed as materialized (
    select
        batch_id,
        institution_id,
        paid_date,
        received_date,
        sum(invoice_count) as invoice_count,
        sum(amount) as amount
    from part
    group by batch_id, institution_id, paid_date, received_date
)

select
    summed.institution_id,
    summed.paid_date,
    summed.received_date,
    sum(summed.invoice_count)::bigint as invoice_count,
    sum(summed.amount) as amount
from summed
inner join batch on summed.batch_id = batch.batch_id
group by summed.institution_id, summed.paid_date, summed.received_date
having sum(summed.invoice_count) > 0
