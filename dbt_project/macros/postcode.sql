{#- The shape of a whole UK postcode without its space, as a regular expression; what stands in the ONS list, apart from
    GIR 0AA and Newport's old NPT, has it. -#}
{% macro postcode_shape() -%} [A-Z]{1,2}[0-9][0-9A-Z]?[0-9][A-Z]{2} {%- endmacro %}

{#- The shape of an outward code, the part of a postcode before its space. -#}
{% macro outward_shape() -%} [A-Z]{1,2}[0-9][0-9A-Z]? {%- endmacro %}

{#- What two writings of one address line have in common: capital letters and digits. -#}
{% macro address_key(line) -%}
    nullif(upper(regexp_replace({{ line }}, '[^A-Za-z0-9]', '', 'g')), '')
{%- endmacro %}
