{#- A Companies House number with the eight characters it has in the register: whoever keeps it as a number loses zeros. -#}
{% macro company_number(written) -%}
    case
        when {{ written }} ~ '^\s*\d{1,8}\s*$' then lpad(btrim({{ written }}), 8, '0')
        else nullif(upper(btrim({{ written }})), '')
    end
{%- endmacro %}

{#- What two writings of one company's name have in common, `Limited` and `Ltd` being one, hashed. -#}
{% macro company_name_key(written) -%}
    {{ name_key("regexp_replace(" ~ written ~ ", '\\mlimited\\M', 'ltd', 'gi')") }}
{%- endmacro %}
