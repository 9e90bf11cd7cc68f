{#- Passes when every `column` of a row is found in `to` under the same institution: a key of one institution's book
    means nothing in another's. -#}
{% test relationship_within_institution(model, column, to, to_column) %}
select model.institution_id, model.{{ column }}
from {{ model }} as model
left join {{ to }} as other
    on model.institution_id = other.institution_id and model.{{ column }} = other.{{ to_column }}
where model.{{ column }} is not null and other.{{ to_column }} is null
{% endtest %}
