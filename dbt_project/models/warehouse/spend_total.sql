-- One row per loaded batch of spend, financial year, quarter and month of payment, supplier record and heading;
-- warehouse.spend_total. Appended batch by batch, so that a release sums what it counts without reading its lines
-- again.
-- depends_on: {{ ref('stg_ops__batch') }}
{{
    config(
        schema='warehouse',
        indexes=[{'columns': ['batch_id']}],
    )
}}

select
    batch_id,
    institution_id,
    feed_id,
    basis,
    financial_year,
    quarter,
    date_trunc('month', spend_date)::date as month_first,
    supplier_record_id,
    category_code,
    category_label,
    expense_type,
    max(spend_date) as last_spend_date,
    count(*) as line_count,
    sum(amount) as amount
from {{ ref('spend_line') }}
where {{ unseen_batches('batch_id') }}
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
