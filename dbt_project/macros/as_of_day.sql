{#- The day a release judges by: what was due by then and did not come is missing. -#}
{% macro as_of_day() -%}
    {%- if var('as_of') -%} '{{ var('as_of') }}'::date {%- else -%} current_date {%- endif -%}
{%- endmacro %}
