-- One row per ledger or card line of every loaded batch, with what tells that two lines are of one invoice;
-- warehouse.line_key. Appended batch by batch. It stands apart from the facts so that they need no new columns: an
-- installation that has none yet fills it once from all its batches. Nothing published stands on it: after a change of
-- the macros in match_key.sql, drop the table.
-- depends_on: {{ ref('stg_ops__batch') }}
{{
    config(
        schema='warehouse',
        indexes=[{'columns': ['batch_id', 'line_no'], 'unique': true}],
    )
}}

select
    batch_id,
    line_no,
    institution_id,
    feed_id,
    supplier_record_id,
    spend_date,
    amount,
    {{ name_key('supplier_name') }} as supplier_name_key,
    {{ reference_key('transaction_ref') }} as transaction_key,
    {{ reference_key('invoice_ref') }} as invoice_key,
    invoice_date
from {{ ref('int_spend__line') }}
where basis in ('ledger', 'card') and {{ unseen_batches('batch_id') }}
