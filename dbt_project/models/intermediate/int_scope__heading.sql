-- One row per heading an institution's lines stand under (category code, its label, expense type; empty text for none),
-- with the position of the first rule of scope that it matches. So rules are tried once per heading, not per line.
{{ config(materialized='table') }}

with total as (select * from {{ ref('spend_total') }}),

rule as (select * from {{ ref('int_scope__rule') }} where applies_to = 'heading'),

heading as (
    select
        institution_id,
        coalesce(category_code, '') as category_code,
        coalesce(category_label, '') as category_label,
        coalesce(expense_type, '') as expense_type,
        sum(line_count)::bigint as line_count
    from total
    group by institution_id, coalesce(category_code, ''), coalesce(category_label, ''), coalesce(expense_type, '')
),

labelled as (
    select
        *,
        regexp_replace(
            concat_ws(' | ', nullif(btrim(category_label), ''), nullif(btrim(expense_type), '')), '\s+', ' ', 'g'
        ) as label
    from heading
),

by_rule as (
    select
        heading.institution_id,
        heading.category_code,
        heading.category_label,
        heading.expense_type,
        min(rule.position) as scope_position
    from labelled as heading
    inner join rule
        on
            rule.institution_id is null
            and case rule.match_column
                when 'label' then heading.label
                when 'category_code' then heading.category_code
            end ~* rule.pattern
    group by heading.institution_id, heading.category_code, heading.category_label, heading.expense_type
),

by_hand as (
    select
        heading.institution_id,
        heading.category_code,
        heading.category_label,
        heading.expense_type,
        min(rule.position) as scope_position
    from heading
    inner join rule
        on
            heading.institution_id = rule.institution_id
            and lower(rule.pattern) = lower(
                case rule.match_column
                    when 'category_code' then heading.category_code
                    when 'category_label' then heading.category_label
                    when 'expense_type' then heading.expense_type
                end
            )
    group by heading.institution_id, heading.category_code, heading.category_label, heading.expense_type
)

select
    institution_id,
    category_code,
    category_label,
    expense_type,
    least(by_hand.scope_position, by_rule.scope_position) as scope_position,
    heading.line_count
from heading
left join by_rule using (institution_id, category_code, category_label, expense_type)
left join by_hand using (institution_id, category_code, category_label, expense_type)
