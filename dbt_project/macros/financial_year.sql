{#- The label of the financial year a day falls in: `2017-18`, or `2017` where the year begins in January.
    Arguments: SQL expressions of a date and of the month (1 to 12) in which the institution's year begins. -#}
{% macro financial_year(day, start_month) -%}
    case
        when {{ start_month }} = 1 then to_char({{ day }}, 'YYYY')
        else
            to_char({{ day }} - make_interval(months => {{ start_month }} - 1), 'YYYY') || '-'
            || to_char({{ day }} - make_interval(months => {{ start_month }} - 1) + interval '1 year', 'YY')
    end
{%- endmacro %}

{#- The quarter, 1 to 4, of the financial year a day falls in. Arguments as above. -#}
{% macro financial_quarter(day, start_month) -%}
    mod(extract(month from {{ day }})::int - {{ start_month }} + 12, 12) / 3 + 1
{%- endmacro %}
