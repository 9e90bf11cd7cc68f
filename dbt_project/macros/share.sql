{#- A part of a whole as a fraction of eight decimals; null where the whole is zero. -#}
{% macro share(part, whole) -%}
    trim_scale(round(({{ part }}) / nullif({{ whole }}, 0), 8))
{%- endmacro %}
