-- One row per line left out because an earlier feed of its institution holds the same invoice.
-- Two lines are twins when they come by different feeds of one institution and agree in supplier name, pounds, day and
-- in a reference of the payment or, failing that, of the invoice. They are matched one to one: of k lines in one feed
-- and m in the other, min(k, m) are left out, all from the feed that stands later in the institution's file. Lines of
-- one feed are never compared with each other: they repeat, and are right.
{{ config(materialized='table') }}

with batch as (
    select batch_id, institution_id, feed_id
    from {{ ref('int_batch__counted') }}
    where kind in ('ledger', 'card') and detail_of is null
),

feed as (
    select
        batch.institution_id,
        batch.feed_id,
        row_number() over (
            partition by batch.institution_id order by min(feed.position) asc nulls last, batch.feed_id asc
        ) as turn
    from batch
    left join {{ ref('stg_ops__feed') }} as feed
        on batch.institution_id = feed.institution_id and batch.feed_id = feed.feed_id
    group by batch.institution_id, batch.feed_id
),

feed_pair as (
    select
        one.institution_id,
        one.feed_id,
        other.feed_id as later_feed_id,
        one.turn
    from feed as one
    inner join feed as other on one.institution_id = other.institution_id and one.turn < other.turn
),

-- What no two feeds have in common needs no comparing, and that is nearly all.
alike as materialized (
    select institution_id, supplier_name_key, amount, spend_date
    from {{ ref('line_key') }}
    where
        institution_id in (select feed_pair.institution_id from feed_pair)
        and supplier_name_key is not null
        and coalesce(transaction_key, invoice_key) is not null
    group by institution_id, supplier_name_key, amount, spend_date
    having min(feed_id) <> max(feed_id)
),

-- `is true` keeps the planner from turning the condition into a join: it cannot know how few `alike` are, and would
-- sort every line.
line as materialized (
    select key.*
    from {{ ref('line_key') }} as key
    inner join batch on key.batch_id = batch.batch_id
    where
        coalesce(key.transaction_key, key.invoice_key) is not null
        and (
            (key.institution_id, key.supplier_name_key, key.amount, key.spend_date) in (
                select alike.institution_id, alike.supplier_name_key, alike.amount, alike.spend_date from alike
            )
        ) is true
),

by_transaction as (
    select
        *,
        row_number() over (
            partition by institution_id, feed_id, supplier_name_key, amount, spend_date, transaction_key
            order by batch_id, line_no
        ) as turn_of_line
    from line
    where transaction_key is not null
),

same_transaction as (
    select
        later.batch_id,
        later.line_no,
        earlier.batch_id as twin_batch_id,
        earlier.line_no as twin_line_no,
        feed_pair.feed_id,
        feed_pair.later_feed_id,
        feed_pair.turn,
        'same_transaction' as reason
    from by_transaction as later
    inner join feed_pair on later.institution_id = feed_pair.institution_id and later.feed_id = feed_pair.later_feed_id
    inner join by_transaction as earlier
        on
            later.institution_id = earlier.institution_id
            and feed_pair.feed_id = earlier.feed_id
            and later.supplier_name_key = earlier.supplier_name_key
            and later.amount = earlier.amount
            and later.spend_date = earlier.spend_date
            and later.transaction_key = earlier.transaction_key
            and later.turn_of_line = earlier.turn_of_line
),

-- For the invoice: what the payments' references have not paired between the two feeds, on either side.
earlier_by_invoice as (
    select
        line.*,
        feed_pair.later_feed_id,
        feed_pair.turn,
        row_number() over (
            partition by
                line.institution_id, line.feed_id, feed_pair.later_feed_id, line.supplier_name_key, line.amount,
                line.spend_date, line.invoice_key
            order by line.batch_id, line.line_no
        ) as turn_of_line
    from line
    inner join feed_pair on line.institution_id = feed_pair.institution_id and line.feed_id = feed_pair.feed_id
    left join same_transaction as paired
        on
            line.batch_id = paired.twin_batch_id
            and line.line_no = paired.twin_line_no
            and feed_pair.later_feed_id = paired.later_feed_id
    where line.invoice_key is not null and paired.batch_id is null
),

later_by_invoice as (
    select
        line.*,
        feed_pair.feed_id as earlier_feed_id,
        row_number() over (
            partition by
                line.institution_id, line.feed_id, feed_pair.feed_id, line.supplier_name_key, line.amount,
                line.spend_date, line.invoice_key
            order by line.batch_id, line.line_no
        ) as turn_of_line
    from line
    inner join feed_pair on line.institution_id = feed_pair.institution_id and line.feed_id = feed_pair.later_feed_id
    left join same_transaction as paired
        on
            line.batch_id = paired.batch_id
            and line.line_no = paired.line_no
            and feed_pair.feed_id = paired.feed_id
    where line.invoice_key is not null and paired.batch_id is null
),

paired as (
    select batch_id, line_no, twin_batch_id, twin_line_no, turn, reason
    from same_transaction
    union all
    select
        later.batch_id,
        later.line_no,
        earlier.batch_id as twin_batch_id,
        earlier.line_no as twin_line_no,
        earlier.turn,
        'same_invoice' as reason
    from later_by_invoice as later
    inner join earlier_by_invoice as earlier
        on
            later.institution_id = earlier.institution_id
            and later.earlier_feed_id = earlier.feed_id
            and later.feed_id = earlier.later_feed_id
            and later.supplier_name_key = earlier.supplier_name_key
            and later.amount = earlier.amount
            and later.spend_date = earlier.spend_date
            and later.invoice_key = earlier.invoice_key
            and later.turn_of_line = earlier.turn_of_line
),

-- Where several feeds hold a line's twin, the one that stands first in the institution's file.
chosen as (
    select distinct on (batch_id, line_no) *
    from paired
    order by batch_id asc, line_no asc, turn asc, reason desc
)

select
    fact.batch_id,
    fact.line_no,
    fact.institution_id,
    fact.feed_id,
    fact.basis,
    fact.financial_year,
    fact.amount,
    chosen.reason,
    chosen.twin_batch_id,
    chosen.twin_line_no
from chosen
inner join {{ ref('spend_line') }} as fact on chosen.batch_id = fact.batch_id and chosen.line_no = fact.line_no
