{#- A KPI's value as a person writes it, by its unit: a share in per cent, pounds with a sign. -#}
{% macro as_written(value, unit) -%}
    case {{ unit }}
        when 'share' then trim_scale(round(100 * {{ value }}, 1)) || ' %'
        when 'pounds' then '£' || to_char({{ value }}, 'FM999,999,999,990')
        else trim_scale(round({{ value }}, 2))::text
    end
{%- endmacro %}
