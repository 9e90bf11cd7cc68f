{#- Passes when the column holds more than spaces in every row. -#}
{% test not_blank(model, column_name) %}
select *
from {{ model }}
where {{ column_name }} is null or btrim({{ column_name }}) = ''
{% endtest %}
