{#- The words of a title, each once, in small letters. -#}
{% macro title_words(title) -%}
    array(select distinct word from regexp_split_to_table(lower({{ title }}), '[^a-z0-9]+') as word where word <> '')
{%- endmacro %}

{#- The share of two titles' words that stand in both; null where neither has any. -#}
{% macro words_in_common(one, other) -%}
    {{ share(
        '(select count(*) from unnest(' ~ one ~ ') as word where word = any(' ~ other ~ '))::numeric',
        'cardinality(array(select unnest(' ~ one ~ ') union select unnest(' ~ other ~ ')))'
    ) }}
{%- endmacro %}
