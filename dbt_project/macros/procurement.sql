{#- What a register's own word means: the status of the first rule of seed register_status that it matches, else
    `unknown`. Arguments: the kind of register, and the SQL expression of the word. -#}
{% macro register_status(kind, written) -%}
    coalesce(
        (
            select rule.status
            from {{ ref('register_status') }} as rule
            where rule.kind = '{{ kind }}' and coalesce({{ written }}, '') ~* rule.pattern
            order by rule.position
            limit 1
        ),
        'unknown'
    )
{%- endmacro %}

{#- Of the lines of an opportunity that its story is taken from: a column of the earliest that meets a condition. -#}
{% macro earliest(column, condition) -%}
    (array_agg({{ column }} order by event_date, batch_id, line_no) filter (where is_source and {{ condition }}))[1]
{%- endmacro %}

{#- Of the same lines: a column of the latest that has it. -#}
{% macro latest(column) -%}
    (
        array_agg({{ column }} order by event_date desc, batch_id desc, line_no desc)
        filter (where is_source and {{ column }} is not null)
    )[1]
{%- endmacro %}
