{#- Whether the model's table stands from an earlier release and has these columns, so that rows of it can be taken
    over. -#}
{% macro is_kept(columns) -%}
    {%- set held = load_cached_relation(this) if execute else none -%}
    {{ return(held and adapter.get_columns_in_relation(held) | map(attribute='name') | list == columns) }}
{%- endmacro %}
