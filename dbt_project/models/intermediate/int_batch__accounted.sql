-- One row per loaded batch of spend and financial year: what it loaded, and what of that stands twice in the county's
-- files and is left out, as a detail of another feed or line by line. Whether the rest counts is the basis's decision.
{{ config(materialized='table') }}

with loaded as (
    select
        batch_id,
        institution_id,
        feed_id,
        basis,
        financial_year,
        sum(line_count)::bigint as line_count,
        sum(amount) as amount
    from {{ ref('spend_total') }}
    group by batch_id, institution_id, feed_id, basis, financial_year
),

batch as (select batch_id, detail_of, is_counted from {{ ref('int_batch__judged') }}),

twin as (
    select
        batch_id,
        financial_year,
        count(*) as line_count,
        sum(amount) as amount
    from {{ ref('int_spend__twin') }}
    group by batch_id, financial_year
)

select
    loaded.batch_id,
    loaded.institution_id,
    loaded.feed_id,
    loaded.basis,
    loaded.financial_year,
    batch.is_counted,
    loaded.line_count,
    loaded.amount,
    case when batch.detail_of is not null then loaded.line_count else 0 end as lines_detail,
    case when batch.detail_of is not null then loaded.amount else 0 end as amount_detail,
    coalesce(twin.line_count, 0) as lines_twin,
    coalesce(twin.amount, 0) as amount_twin
from loaded
inner join batch on loaded.batch_id = batch.batch_id
left join twin on loaded.batch_id = twin.batch_id and loaded.financial_year = twin.financial_year
