-- One row per spend line of every loaded batch; warehouse.fct_spend. Appended batch by batch and never changed: which
-- batches count, who the supplier is and whether it is local are opinions, kept in the release's dimensions. From a
-- figure down to its lines one goes by supplier record; the index is a hook so that tables from before get it too.
-- depends_on: {{ ref('stg_ops__batch') }}
{{
    config(
        alias='fct_spend',
        schema='warehouse',
        indexes=[{'columns': ['batch_id', 'line_no'], 'unique': true}],
        post_hook='create index if not exists fct_spend_by_supplier_record on {{ this }} (supplier_record_id)',
    )
}}

select
    batch_id,
    line_no,
    sheet,
    source_row,
    institution_id,
    feed_id,
    basis,
    vat_basis,
    spend_date,
    date_basis,
    financial_year,
    quarter,
    supplier_record_id,
    amount,
    organisational_unit,
    expense_type,
    category_code,
    category_label,
    contract_ref,
    transaction_ref
from {{ ref('int_spend__line') }}
where {{ unseen_batches('batch_id') }}
