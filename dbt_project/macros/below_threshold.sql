{#- The pounds below a threshold by the pounds in lines from it on (`amount_above`) and from it to its double
    (`amount_next`): their ratio grows exponentially with the share of the latter, by a factor learned from ledgers. -#}
{% macro below_threshold(shape, factor) -%}
    {{ shape }}.amount_above
    * (exp({{ factor }} * {{ shape }}.amount_next / nullif({{ shape }}.amount_above, 0)) - 1)
{%- endmacro %}
