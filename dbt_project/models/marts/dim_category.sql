-- One row per category code an institution's lines carry, under the label most of them give it.
with line as (select * from {{ ref('spend_line') }} where category_code is not null)

select
    category_code,
    mode() within group (order by category_label) as category_label,
    count(*) as line_count
from line
group by category_code
