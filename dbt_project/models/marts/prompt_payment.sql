-- One row per institution and period (half-year to 31 March or 30 September as Procurement Act 2023 s.69 reports;
-- financial year): how promptly it paid, counted as Procurement Regulations 2024 reg. 38 counts.
-- An invoice belongs to the period it was paid in; day 1 is the day after it was received. What became payable in a
-- period is what its 30th day fell in; of that, what was paid after the period's end was not paid within it. A ledger
-- holds what was paid: what has not been paid to this day is in no row, so the last shares are the least they can be,
-- and of a period after which no payment is known yet they are empty.
with invoice as (select * from {{ ref('int_invoice__paid') }}),

institution as (select institution_id, financial_year_start from {{ ref('dim_institution') }}),

dated as (
    select
        invoice.*,
        institution.financial_year_start,
        invoice.received_date + 30 as payable_date,
        invoice.paid_date - invoice.received_date as days,
        max(invoice.paid_date) over (partition by invoice.institution_id) as paid_until
    from invoice
    inner join institution on invoice.institution_id = institution.institution_id
),

-- For each day that matters, the periods it falls in.
in_period as (
    select
        dated.*,
        happening.is_payment,
        period.period_type,
        period.period_first,
        (period.period_first + period.months - interval '1 day')::date as period_last
    from dated
    cross join lateral (values (true, dated.paid_date), (false, dated.payable_date)) as happening (is_payment, day)
    cross join
        lateral (
            values
            (
                'half_year',
                (
                    date_trunc('month', happening.day)
                    - make_interval(months => (extract(month from happening.day)::integer + 8) % 6)
                )::date,
                interval '6 months'
            ),
            (
                'financial_year',
                (
                    date_trunc('month', happening.day)
                    - make_interval(
                        months => (extract(month from happening.day)::integer - dated.financial_year_start + 12) % 12
                    )
                )::date,
                interval '1 year'
            )
        ) as period (period_type, period_first, months)
    where happening.day is not null
)

select
    institution_id,
    period_type,
    period_first,
    period_last,
    coalesce(sum(invoice_count) filter (where is_payment), 0)::bigint as invoice_count,
    coalesce(sum(amount) filter (where is_payment), 0) as amount,
    coalesce(sum(invoice_count) filter (where is_payment and days is null), 0)::bigint as invoices_unknown,
    coalesce(sum(invoice_count) filter (where is_payment and days is not null), 0)::bigint as invoices_known,
    {{ share(
        'sum(invoice_count) filter (where is_payment and days is not null)', 'sum(invoice_count) filter (where is_payment)'
    ) }} as coverage,
    {{ share(
        'sum(days * invoice_count) filter (where is_payment)',
        'sum(invoice_count) filter (where is_payment and days is not null)'
    ) }} as days_mean,
    coalesce(sum(invoice_count) filter (where is_payment and days <= 30), 0)::bigint as paid_1_to_30,
    coalesce(sum(invoice_count) filter (where is_payment and days between 31 and 60), 0)::bigint as paid_31_to_60,
    coalesce(sum(invoice_count) filter (where is_payment and days > 60), 0)::bigint as paid_from_61,
    {{ share(
        'coalesce(sum(invoice_count) filter (where is_payment and days <= 30), 0)',
        'sum(invoice_count) filter (where is_payment and days is not null)'
    ) }} as share_1_to_30,
    {{ share(
        'coalesce(sum(invoice_count) filter (where is_payment and days between 31 and 60), 0)',
        'sum(invoice_count) filter (where is_payment and days is not null)'
    ) }} as share_31_to_60,
    {{ share(
        'coalesce(sum(invoice_count) filter (where is_payment and days > 60), 0)',
        'sum(invoice_count) filter (where is_payment and days is not null)'
    ) }} as share_from_61,
    coalesce(sum(invoice_count) filter (where not is_payment), 0)::bigint as invoices_payable,
    coalesce(sum(amount) filter (where not is_payment), 0) as amount_payable,
    case
        when max(paid_until) > period_last
            then coalesce(sum(invoice_count) filter (where not is_payment and paid_date > period_last), 0)::bigint
    end as payable_not_paid,
    case when max(paid_until) > period_last then {{ share(
        'coalesce(sum(invoice_count) filter (where not is_payment and paid_date > period_last), 0)',
        'sum(invoice_count) filter (where not is_payment)'
    ) }} end as share_payable_not_paid,
    case when max(paid_until) > period_last then {{ share(
        'coalesce(sum(amount) filter (where not is_payment and paid_date > period_last), 0)',
        'sum(amount) filter (where not is_payment)'
    ) }} end as share_of_sums_payable_not_paid
from in_period
group by institution_id, period_type, period_first, period_last
