-- One row per institution, financial year, quarter, basis, supplier record, scope, category bought and heading that the
-- lines stand under (empty text where unknown), over the lines of the batches that count, without feeds that detail
-- another one and lines that came by another feed too. What every KPI on spend stands on. Read from the batches'
-- totals; only lines left out or decided by hand are taken from them one by one.
{{ config(materialized='table') }}

with batch as (select batch_id from {{ ref('int_batch__counted') }} where detail_of is null),

payee as (select supplier_record_id, scope_position from {{ ref('int_scope__payee') }}),

heading as (select * from {{ ref('int_category__heading') }}),

rule as (select position, scope from {{ ref('int_scope__rule') }}),

-- The lines that do not go with their total: taken out of it, and put back on their own where they count.
single as (
    select
        batch_id,
        line_no,
        null as scope_position,
        -1 as sign
    from {{ ref('int_spend__twin') }}
    union all
    select
        decided.batch_id,
        decided.line_no,
        part.scope_position,
        part.sign
    from {{ ref('int_scope__line') }} as decided
    left join {{ ref('int_spend__twin') }} as twin
        on decided.batch_id = twin.batch_id and decided.line_no = twin.line_no
    cross join lateral (values (null, -1), (decided.scope_position, 1)) as part (scope_position, sign)
    where twin.batch_id is null
),

-- Which batches count is asked of each part on its own: of both together the planner knows no batches, and expects few.
part as (
    select
        total.institution_id, total.financial_year, total.quarter, total.basis, total.supplier_record_id,
        total.category_code, total.category_label, total.expense_type, total.amount, total.line_count,
        null as scope_position
    from {{ ref('spend_total') }} as total
    inner join batch on total.batch_id = batch.batch_id
    union all
    select
        line.institution_id, line.financial_year, line.quarter, line.basis, line.supplier_record_id,
        line.category_code, line.category_label, line.expense_type, single.sign * line.amount, single.sign,
        single.scope_position
    from single
    inner join batch on single.batch_id = batch.batch_id
    inner join {{ ref('spend_line') }} as line on single.batch_id = line.batch_id and single.line_no = line.line_no
)

select
    part.institution_id,
    part.financial_year,
    part.quarter,
    part.basis,
    part.supplier_record_id,
    rule.scope,
    coalesce(heading.bought_code, '') as category_code,
    coalesce(part.category_code, part.category_label, part.expense_type, '') as heading,
    sum(part.amount) as amount,
    sum(part.line_count)::bigint as line_count
from part
left join payee on part.supplier_record_id = payee.supplier_record_id
-- one key of four: of several the planner expects most rows to be alike, and sorts them all
left join heading
    on
        array[
            part.institution_id, coalesce(part.category_code, ''), coalesce(part.category_label, ''),
            coalesce(part.expense_type, '')
        ] = array[heading.institution_id, heading.category_code, heading.category_label, heading.expense_type]
left join rule on least(part.scope_position, payee.scope_position, heading.scope_position) = rule.position
group by 1, 2, 3, 4, 5, 6, 7, 8
having sum(part.line_count) <> 0
