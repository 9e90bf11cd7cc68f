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

key as (
    select line_key.*
    from {{ ref('line_key') }} as line_key
    inner join batch on line_key.batch_id = batch.batch_id
    where line_key.supplier_name_key is not null
),

alike as (
    select
        supplier_record_id,
        amount
    from key
    where invoice_key is not null and amount >= (select min(rule.threshold) from rule where rule.unit = 'pounds')
    group by supplier_record_id, amount, invoice_key
    having count(*) > 1
    union
    select
        supplier_record_id,
        amount
    from key
    where invoice_date is not null and amount >= (select min(rule.threshold) from rule where rule.unit = 'pounds')
    group by supplier_record_id, amount, invoice_date
    having count(*) > 1
),

-- Every payment and credit note of those pounds to those supplier records, as far as it counts.
line as (
    select
        fact.batch_id,
        fact.line_no,
        fact.institution_id,
        fact.financial_year,
        fact.spend_date,
        key.supplier_record_id,
        alike.amount,
        key.amount < 0 as is_credit,
        key.invoice_date,
        key.invoice_key,
        regexp_replace(key.invoice_key, '[A-Z]{1,2}$', '') as invoice_stem,
        concat_ws(' ', fact.spend_date, key.transaction_key) as payment_key
    from key
    inner join alike on key.supplier_record_id = alike.supplier_record_id and abs(key.amount) = alike.amount
    inner join {{ ref('fct_spend') }} as fact on key.batch_id = fact.batch_id and key.line_no = fact.line_no
),

payment as (select * from line where not is_credit),

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
        'invoice_with_suffix',
        invoice_date || ' ' || invoice_stem
    from payment
    where invoice_date is not null and invoice_stem is not null
    union all
    select
        *,
        'invoice_without_reference',
        invoice_date::text
    from payment
    where invoice_date is not null
),

matched as (
    select
        supplier_record_id,
        amount,
        rule_id,
        what
    from alternative
    group by supplier_record_id, amount, rule_id, what
    having
        count(distinct payment_key) > 1
        and case rule_id
            when 'invoice_with_suffix' then count(distinct invoice_key) > 1 and bool_or(invoice_key = invoice_stem)
            when 'invoice_without_reference' then bool_or(invoice_key is null)
            else true
        end
),

chosen as (
    select distinct on (alternative.batch_id, alternative.line_no)
        alternative.*,
        md5(concat_ws('|', rule.rule_id, alternative.supplier_record_id, alternative.amount, alternative.what))::uuid
            as group_id
    from alternative
    inner join matched
        on
            alternative.supplier_record_id = matched.supplier_record_id
            and alternative.amount = matched.amount
            and alternative.rule_id = matched.rule_id
            and alternative.what = matched.what
    inner join rule on alternative.rule_id = rule.rule_id and alternative.amount >= rule.threshold
    order by alternative.batch_id asc, alternative.line_no asc, rule.position asc
),

by_payment as (
    select
        group_id,
        supplier_record_id,
        amount,
        payment_key,
        spend_date,
        count(*) as line_count,
        row_number() over (partition by group_id order by count(*) desc, payment_key asc) as turn
    from chosen
    group by group_id, supplier_record_id, amount, payment_key, spend_date
),

grouped as (
    select
        group_id,
        supplier_record_id,
        amount,
        count(*) as payment_count,
        count(distinct spend_date) as day_count,
        coalesce(sum(line_count) filter (where turn > 1), 0) as lines_over,
        min(spend_date) as first_day,
        max(spend_date) as last_day
    from by_payment
    group by group_id, supplier_record_id, amount
    having count(*) > 1
),

day as (
    select
        supplier_record_id,
        amount,
        spend_date - lag(spend_date) over (partition by supplier_record_id, amount order by spend_date) as gap
    from payment
    group by supplier_record_id, amount, spend_date
),

regular as (
    select
        day.supplier_record_id,
        day.amount
    from day
    cross join guard
    group by day.supplier_record_id, day.amount, guard.regular_days, guard.regular_gap
    having count(*) >= guard.regular_days and max(day.gap) - min(day.gap) <= guard.regular_gap
),

listed as (
    select
        grouped.*,
        sum(grouped.lines_over) over (
            partition by grouped.supplier_record_id, grouped.amount
            order by grouped.first_day, grouped.group_id
        ) as lines_over_so_far,
        (
            select count(*)
            from line as credit
            where
                credit.is_credit
                and credit.supplier_record_id = grouped.supplier_record_id
                and credit.amount = grouped.amount
                and credit.spend_date >= grouped.first_day
        ) as credit_count
    from grouped
    left join regular on grouped.supplier_record_id = regular.supplier_record_id and grouped.amount = regular.amount
    where regular.supplier_record_id is null or grouped.day_count < grouped.payment_count
)

select
    chosen.group_id,
    chosen.batch_id,
    chosen.line_no,
    chosen.institution_id,
    chosen.rule_id,
    case when listed.credit_count >= listed.lines_over_so_far then 'cleared' else 'likely' end as status,
    chosen.supplier_record_id,
    chosen.financial_year,
    chosen.spend_date,
    chosen.invoice_date,
    chosen.amount,
    case when by_payment.turn = 1 or listed.credit_count >= listed.lines_over_so_far then 0 else chosen.amount end
        as amount_at_risk,
    listed.payment_count,
    listed.first_day,
    listed.last_day
from listed
inner join chosen on listed.group_id = chosen.group_id
inner join by_payment on chosen.group_id = by_payment.group_id and chosen.payment_key = by_payment.payment_key
