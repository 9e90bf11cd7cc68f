{#- What two writings of one reference have in common: capital letters and digits, the letter O taken for a zero, without
    leading zeros. Null where no digit stands in it: `N/A` and `various` refer to nothing. -#}
{% macro reference_key(reference) -%}
    case
        when {{ reference }} ~ '\d'
            then
                nullif(
                    ltrim(translate(upper(regexp_replace({{ reference }}, '[^A-Za-z0-9]', '', 'g')), 'O', '0'), '0'), ''
                )
    end
{%- endmacro %}

{#- What two writings of one supplier's name have in common, letters and digits, hashed: it stands where names may not. -#}
{% macro name_key(supplier_name) -%}
    md5(nullif(upper(regexp_replace({{ supplier_name }}, '[^[:alnum:]]', '', 'g')), ''))::uuid
{%- endmacro %}

{#- What two writings of one public body's name have in common: capital letters and digits, without "the", the words of a
    company form and a second name it trades under. -#}
{% macro body_key(name) -%}
    regexp_replace(
        regexp_replace(
            upper(replace({{ name }}, '&', ' and ')), '\m(THE|LTD|LIMITED)\M|\s(T/?A|TRADING AS)\s.*$', '', 'g'
        ),
        '[^A-Z0-9]', '', 'g'
    )
{%- endmacro %}

{#- What two writings of one category's label have in common: small letters and digits. -#}
{% macro label_key(label) -%}
    lower(regexp_replace({{ label }}, '[^A-Za-z0-9]', '', 'g'))
{%- endmacro %}
