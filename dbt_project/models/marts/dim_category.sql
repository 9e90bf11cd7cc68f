-- One row per category code an institution's lines carry, under the label most of them give it.
with labelled as (
    select
        category_code,
        category_label,
        sum(line_count)::bigint as line_count
    from {{ ref('spend_total') }}
    where category_code is not null
    group by category_code, category_label
)

select
    category_code,
    (
        array_agg(category_label order by line_count desc, category_label asc)
        filter (where category_label is not null)
    )[1] as category_label,
    sum(line_count)::bigint as line_count
from labelled
group by category_code
