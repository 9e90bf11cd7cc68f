-- One row per spend line of a group of payments that may be one invoice paid more than once: for a person to look at,
-- nothing is left out of any figure for it. All lines of a group have one supplier record and one amount, and belong to
-- at least two payments; a payment is what shares its reference and day, so an invoice split over lines is none.
-- A line stands in one group only, by the first rule of the seed double_payment_rule that fits.
-- Regular payments are no double payments: equal pounds to one supplier record on at least so many days, evenly apart,
-- are not listed unless two fall on one day. A credit note of the same pounds, on or after the group's first day,
-- clears one line; groups wholly cleared are listed as such.
with batch as (select batch_id from {{ ref('dim_batch') }} where detail_of is null),

rule as (select * from {{ ref('double_payment_rule') }}),

guard as (
    select
        max(threshold) filter (where rule_id = 'regular_days') as regular_days,
        max(threshold) filter (where rule_id = 'regular_gap') as regular_gap
    from rule
),

key as not materialized (
    select line_key.*
    from {{ ref('line_key') }} as line_key
    inner join batch on line_key.batch_id = batch.batch_id
    where line_key.supplier_name_key is not null
),

-- Only what several payments have in common: lines of one payment are the bulk of what looks alike.
alike as materialized (
    select
        supplier_record_id,
        amount
    from key
    where invoice_key is not null and amount >= (select min(rule.threshold) from rule where rule.unit = 'pounds')
    group by supplier_record_id, amount, invoice_key
    having
        min(spend_date) <> max(spend_date)
        or min(coalesce(transaction_key, '')) <> max(coalesce(transaction_key, ''))
    union
    select
        supplier_record_id,
        amount
    from key
    where invoice_date is not null and amount >= (select min(rule.threshold) from rule where rule.unit = 'pounds')
    group by supplier_record_id, amount, invoice_date
    having
        min(spend_date) <> max(spend_date)
        or min(coalesce(transaction_key, '')) <> max(coalesce(transaction_key, ''))
),

-- `is true` keeps the planner from turning the condition into a join: it cannot know how few `alike` are, and would
-- sort every line.
wanted as materialized (
    select
        key.*,
        abs(key.amount) as pounds
    from key
    where
        ((key.supplier_record_id, abs(key.amount)) in (select alike.supplier_record_id, alike.amount from alike))
        is true
),

spend_line as (
    {{ counted_line() }}
),

counted as (
    select
        wanted.*,
        spend_line.financial_year
    from wanted
    inner join spend_line on wanted.batch_id = spend_line.batch_id and wanted.line_no = spend_line.line_no
),

-- Every payment and credit note of those pounds to those supplier records, as far as it counts. From here on all is
-- windows over these lines: joined with each other, steps whose size the planner cannot know would be nested loops.
line as (
    select
        batch_id,
        line_no,
        institution_id,
        financial_year,
        spend_date,
        supplier_record_id,
        pounds as amount,
        amount < 0 as is_credit,
        invoice_date,
        invoice_key,
        regexp_replace(invoice_key, '[A-Z]{1,2}$', '') as invoice_stem,
        concat_ws(' ', spend_date, transaction_key) as payment_key,
        count(*) filter (where amount < 0) over (
            partition by supplier_record_id, pounds order by spend_date desc
        ) as credits_from_here,
        spend_date - lag(spend_date) over (
            partition by supplier_record_id, pounds, sign(amount) order by spend_date
        ) as gap
    from counted
),

payment as (
    select
        *,
        count(*) filter (where gap > 0) over it + 1 as day_count,
        max(gap) filter (where gap > 0) over it - min(gap) filter (where gap > 0) over it as gap_spread
    from line
    where not is_credit
    window it as (partition by supplier_record_id, amount)
),

alternative as (
    select
        *,
        'same_invoice' as rule_id,
        invoice_key as what
    from payment
    where invoice_key is not null
    union all
    select
        *,
        'invoice_with_suffix' as rule_id,
        invoice_date || ' ' || invoice_stem as what
    from payment
    where invoice_date is not null and invoice_stem is not null
    union all
    select
        *,
        'invoice_without_reference' as rule_id,
        invoice_date::text as what
    from payment
    where invoice_date is not null
),

compared as (
    select
        *,
        min(payment_key) over its_group <> max(payment_key) over its_group
        and case rule_id
            when 'invoice_with_suffix'
                then
                    min(invoice_key) over its_group <> max(invoice_key) over its_group
                    and bool_or(invoice_key = invoice_stem) over its_group
            when 'invoice_without_reference' then bool_or(invoice_key is null) over its_group
            else true
        end as is_match
    from alternative
    window its_group as (partition by supplier_record_id, amount, rule_id, what)
),

chosen as (
    select distinct on (compared.batch_id, compared.line_no)
        compared.*,
        md5(concat_ws('|', compared.rule_id, compared.supplier_record_id, compared.amount, compared.what))::uuid
            as group_id
    from compared
    inner join rule on compared.rule_id = rule.rule_id and compared.amount >= rule.threshold
    where compared.is_match
    order by compared.batch_id asc, compared.line_no asc, rule.position asc
),

sized as (
    select
        *,
        count(*) over (partition by group_id, payment_key) as payment_lines
    from chosen
),

turned as (
    select
        *,
        dense_rank() over (partition by group_id order by payment_lines desc, payment_key asc) as turn,
        dense_rank() over (partition by group_id order by spend_date) as day_turn,
        row_number() over (partition by group_id order by batch_id, line_no) as line_turn
    from sized
),

grouped as (
    select
        *,
        max(turn) over its_group as payment_count,
        max(day_turn) over its_group as group_day_count,
        count(*) filter (where turn > 1) over its_group as lines_over,
        max(credits_from_here) over its_group as credit_count,
        min(spend_date) over its_group as first_day,
        max(spend_date) over its_group as last_day
    from turned
    window its_group as (partition by group_id)
),

listed as (
    select
        grouped.*,
        grouped.credit_count >= sum(case when grouped.line_turn = 1 then grouped.lines_over end) over (
            partition by grouped.supplier_record_id, grouped.amount order by grouped.first_day, grouped.group_id
        ) as is_cleared
    from grouped
    cross join guard
    where
        grouped.payment_count > 1
        and (
            (grouped.day_count >= guard.regular_days and grouped.gap_spread <= guard.regular_gap) is not true
            or grouped.group_day_count < grouped.payment_count
        )
)

select
    group_id,
    batch_id,
    line_no,
    institution_id,
    rule_id,
    case when is_cleared then 'cleared' else 'likely' end as status,
    supplier_record_id,
    financial_year,
    spend_date,
    invoice_date,
    amount,
    case when turn = 1 or is_cleared then 0 else amount end as amount_at_risk,
    payment_count,
    first_day,
    last_day
from listed
