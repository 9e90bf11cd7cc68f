-- One row per institution, financial year, supplier record, VAT basis and place of a payment's pounds among the
-- institution's thresholds and of its day among the days on which those change: the payments there, summed.
-- Kept from one release to the next: a year is summed again when what it is `made_of` has changed, which is the batches
-- that count, the lines of them that stand in another feed, the thresholds, and this query.
{{ config(materialized='table') }}

{% set columns = [
    'institution_id', 'financial_year', 'supplier_record_id', 'vat_basis', 'amount_place', 'day_place',
    'payment_count', 'line_count', 'amount', 'made_of'
] -%}
{%- set query -%}
    line as (
        {{ counted_line() }}
    ),

    payment as (
        select
            line.institution_id,
            line.financial_year,
            line.supplier_record_id,
            line.spend_date,
            line.vat_basis,
            sum(line.amount) as amount,
            count(*) as line_count
        from line
        inner join due on line.institution_id = due.institution_id and line.financial_year = due.financial_year
        where
            line.basis in ('ledger', 'card')
            and line.batch_id = any(array(select unnest(due.batches) from due))
        group by
            line.institution_id, line.financial_year, line.supplier_record_id, line.spend_date, line.vat_basis,
            line.transaction_ref, case when line.transaction_ref is null then line.batch_id end,
            case when line.transaction_ref is null then line.line_no end
    ),

    placed as (
        select
            payment.institution_id,
            payment.financial_year,
            payment.supplier_record_id,
            payment.vat_basis,
            width_bucket(payment.amount, edge.amounts) as amount_place,
            width_bucket(payment.spend_date, edge.days) as day_place,
            count(*) as payment_count,
            sum(payment.line_count)::bigint as line_count,
            sum(payment.amount) as amount
        from payment
        inner join edge on payment.institution_id = edge.institution_id
        group by
            payment.institution_id, payment.financial_year, payment.supplier_record_id, payment.vat_basis,
            amount_place, day_place
    )
{%- endset %}

with edge as (select distinct institution_id, amounts, days from {{ ref('int_threshold__band') }}),

twin as (
    select
        institution_id,
        financial_year,
        string_agg(batch_id || '.' || line_no, ' ' order by batch_id, line_no) as lines
    from {{ ref('int_spend__twin') }}
    group by institution_id, financial_year
),

year as (
    select
        accounted.institution_id,
        accounted.financial_year,
        array_agg(accounted.batch_id) as batches,
        md5(concat_ws(
            '|', '{{ local_md5(query) }}', accounted.institution_id, accounted.financial_year,
            string_agg(accounted.batch_id::text, ' ' order by accounted.batch_id), twin.lines, edge.amounts, edge.days
        ))::uuid as made_of
    from {{ ref('int_batch__accounted') }} as accounted
    inner join {{ ref('dim_batch') }} as batch on accounted.batch_id = batch.batch_id and batch.detail_of is null
    inner join {{ ref('spend_basis') }} as basis
        on
            accounted.institution_id = basis.institution_id
            and accounted.financial_year = basis.financial_year
            and accounted.basis = basis.basis
            and basis.is_counted
    inner join edge on accounted.institution_id = edge.institution_id
    left join twin
        on accounted.institution_id = twin.institution_id and accounted.financial_year = twin.financial_year
    where accounted.basis in ('ledger', 'card')
    group by accounted.institution_id, accounted.financial_year, twin.lines, edge.amounts, edge.days
),

due as (
    select * from year
    {%- if is_kept(columns) %}
        where made_of not in (select held.made_of from {{ this }} as held)
    {%- endif %}
),

{{ query }}

{% if is_kept(columns) -%}
    select {{ columns | join(', ') }}
    from {{ this }}
    where made_of in (select year.made_of from year)
    union all
{% endif -%}
select
    placed.institution_id,
    placed.financial_year,
    placed.supplier_record_id,
    placed.vat_basis,
    placed.amount_place,
    placed.day_place,
    placed.payment_count,
    placed.line_count,
    placed.amount,
    due.made_of
from placed
inner join due on placed.institution_id = due.institution_id and placed.financial_year = due.financial_year
