-- One row per loaded batch of spend and financial year of payment, with what it loaded; warehouse.batch_year. Appended
-- batch by batch, so that every release can account for every batch without reading its lines again.
-- depends_on: {{ ref('stg_ops__batch') }}
{{
    config(
        schema='warehouse',
        indexes=[{'columns': ['batch_id', 'financial_year'], 'unique': true}],
    )
}}

select
    batch_id,
    institution_id,
    feed_id,
    basis,
    financial_year,
    count(*) as line_count,
    sum(amount) as amount
from {{ ref('spend_line') }}
where {{ unseen_batches('batch_id') }}
group by batch_id, institution_id, feed_id, basis, financial_year
