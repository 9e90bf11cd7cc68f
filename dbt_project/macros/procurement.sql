{#- The quarter (1 to 4) of an institution's own financial year that a day falls in.
    Arguments: SQL expressions of a date and of the month (1 to 12) in which the institution's year begins. -#}
{% macro financial_quarter(day, start_month) -%}
    ((extract(month from {{ day }})::integer - {{ start_month }} + 12) % 12) / 3 + 1
{%- endmacro %}

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
