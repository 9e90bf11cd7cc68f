{#- The key of an institution's own supplier record: its number, name and postcode as written, case and spacing apart.
    The same record has the same key in every batch and every release. -#}
{% macro supplier_record_id(institution_id, ref, name, postcode) -%}
    md5(
        concat_ws(
            '|', {{ institution_id }}, coalesce(upper({{ ref }}), ''),
            coalesce(upper(regexp_replace({{ name }}, '\s+', ' ', 'g')), ''), coalesce({{ clean_postcode(postcode) }}, '')
        )
    )::uuid
{%- endmacro %}

{#- A postcode without spaces and marks, in capitals; empty becomes null. -#}
{% macro clean_postcode(postcode) -%}
    nullif(upper(regexp_replace({{ postcode }}, '[^A-Za-z0-9]', '', 'g')), '')
{%- endmacro %}
