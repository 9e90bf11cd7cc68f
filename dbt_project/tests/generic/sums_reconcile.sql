{#- Passes when, for each `group_by`, the model's lines and pounds equal those another table states. A group missing from
    either side fails: a comparison with null would pass in silence. `lines` is a column of totals' line counts. -#}
{% test sums_reconcile(model, group_by, amount, to, to_amount, to_lines, to_where='true', lines='1') %}
with ours as (
    select {{ group_by }}, sum({{ amount }}) as amount, sum({{ lines }}) as line_count
    from {{ model }}
    group by {{ group_by }}
),

theirs as (
    select {{ group_by }}, sum({{ to_amount }}) as amount, sum({{ to_lines }}) as line_count
    from {{ to }}
    where {{ to_where }}
    group by {{ group_by }}
    having sum({{ to_lines }}) > 0
)

select
    coalesce(ours.{{ group_by }}, theirs.{{ group_by }}) as {{ group_by }},
    ours.amount,
    theirs.amount as stated_amount,
    ours.line_count,
    theirs.line_count as stated_line_count
from ours
full join theirs on ours.{{ group_by }} = theirs.{{ group_by }}
where ours.amount is distinct from theirs.amount or ours.line_count is distinct from theirs.line_count
{% endtest %}
