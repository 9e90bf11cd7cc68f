-- One row per institution, financial year, quarter, basis, supplier record and scope, over the lines of the batches that
-- count, without feeds that detail another one and lines that came by another feed too. The one pass over the facts that
-- every KPI stands on.
{{ config(materialized='table') }}

with line as (select * from {{ ref('spend_line') }}),

batch as (
    select
        batch.batch_id,
        institution.financial_year_start,
        -- a line dated by the end of so long a period is in none of its quarters
        batch.period_last >= batch.period_first + interval '3 months' as is_long
    from {{ ref('int_batch__counted') }} as batch
    inner join {{ ref('stg_ops__institution') }} as institution on batch.institution_id = institution.institution_id
    where batch.detail_of is null
),

twin as (select batch_id, line_no from {{ ref('int_spend__twin') }}),

payee as (select supplier_record_id, scope_position from {{ ref('int_scope__payee') }}),

heading as (select * from {{ ref('int_scope__heading') }}),

decided as (select * from {{ ref('int_scope__line') }}),

rule as (select position, scope from {{ ref('int_scope__rule') }})

select
    line.institution_id,
    line.financial_year,
    case
        when line.date_basis = 'payment' or not batch.is_long
            then
                (
                    mod(extract(month from line.spend_date)::int - batch.financial_year_start + 12, 12) / 3 + 1
                )
    end as quarter,
    line.basis,
    line.supplier_record_id,
    rule.scope,
    sum(line.amount) as amount,
    count(*) as line_count
from line
inner join batch on line.batch_id = batch.batch_id
left join twin on line.batch_id = twin.batch_id and line.line_no = twin.line_no
left join payee on line.supplier_record_id = payee.supplier_record_id
left join heading
    on
        line.institution_id = heading.institution_id
        and coalesce(line.category_code, '') = heading.category_code
        and coalesce(line.category_label, '') = heading.category_label
        and coalesce(line.expense_type, '') = heading.expense_type
left join decided on line.batch_id = decided.batch_id and line.line_no = decided.line_no
left join rule on least(decided.scope_position, payee.scope_position, heading.scope_position) = rule.position
where twin.batch_id is null
group by 1, 2, 3, 4, 5, 6
