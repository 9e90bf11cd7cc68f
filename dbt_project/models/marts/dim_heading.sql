-- One row per heading an institution's lines stand under (category code, its label, expense type; empty text for none),
-- with the first rule of scope that it matches, and the category it stands for.
select
    institution_id,
    category_code,
    category_label,
    expense_type,
    scope_position,
    line_count,
    bought_code,
    category_basis
from {{ ref('int_category__heading') }}
