{#- After a table is built: its statistics, without which the planner takes a fresh table for an empty one and joins it
    row by row. -#}
{% macro statistics() -%}
    {%- if model.config.materialized in ('table', 'incremental') -%} analyze {{ this }} {%- endif -%}
{%- endmacro %}
