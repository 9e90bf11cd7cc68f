{#- Passes when `expression` is true of every row; null counts as false, so that nothing passes by being absent. -#}
{% test expression_is_true(model, expression) %}
select *
from {{ model }}
where ({{ expression }}) is not true
{% endtest %}
