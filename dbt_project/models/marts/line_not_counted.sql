-- One row per loaded spend line that is not in fct_spend, with the reason; with fct_spend, every loaded line once.
{{ config(materialized='view') }}

with line as (select * from {{ ref('spend_line') }}),

batch as (select * from {{ ref('feed_version') }} where status = 'loaded'),

basis as (select * from {{ ref('spend_basis') }}),

twin as (select * from {{ ref('line_twin') }}),

judged as (
    select
        line.batch_id,
        line.line_no,
        line.institution_id,
        line.feed_id,
        line.financial_year,
        line.basis,
        line.amount,
        case
            when batch.superseded_by_batch_id is not null then 'superseded'
            when batch.covered_by_batch_id is not null then 'covered'
            when batch.detail_of is not null then 'detail'
            when twin.batch_id is not null then twin.reason
            when not basis.is_counted then 'second_opinion'
        end as reason,
        twin.twin_batch_id,
        twin.twin_line_no
    from line
    inner join batch on line.batch_id = batch.batch_id
    left join basis
        on
            line.institution_id = basis.institution_id
            and line.financial_year = basis.financial_year
            and line.basis = basis.basis
    left join twin on line.batch_id = twin.batch_id and line.line_no = twin.line_no
)

select
    batch_id,
    line_no,
    institution_id,
    feed_id,
    financial_year,
    basis,
    amount,
    reason,
    twin_batch_id,
    twin_line_no
from judged
where reason is not null
