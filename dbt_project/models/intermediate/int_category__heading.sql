-- One row per heading an institution's lines stand under, with the code of what was bought: the line's own, else the
-- one its label or its type of expense stands for. Null where neither tells.
with heading as (select * from {{ ref('int_scope__heading') }}),

label as (select * from {{ ref('int_category__label') }})

select
    heading.institution_id,
    heading.category_code,
    heading.category_label,
    heading.expense_type,
    heading.scope_position,
    heading.line_count,
    coalesce(nullif(heading.category_code, ''), by_label.category_code, by_type.category_code) as bought_code,
    case
        when heading.category_code <> '' then 'code'
        when by_label.category_code is not null then by_label.category_basis
        when by_type.category_code is not null then 'expense_type'
        else 'unknown'
    end as category_basis
from heading
left join label as by_label on {{ label_key('heading.category_label') }} = by_label.label_key
left join label as by_type on {{ label_key('heading.expense_type') }} = by_type.label_key
