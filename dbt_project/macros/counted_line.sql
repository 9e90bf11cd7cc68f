{#- The spend lines that count: of the release's batches, on a counted basis of their institution and year, and not
    standing in another feed as well. What fct_spend shows, without the scope that it looks up for each. -#}
{% macro counted_line() -%}
    select line.*
    from {{ ref('spend_line') }} as line
    inner join {{ ref('dim_batch') }} as batch on line.batch_id = batch.batch_id and batch.detail_of is null
    inner join {{ ref('spend_basis') }} as basis
        on
            line.institution_id = basis.institution_id
            and line.financial_year = basis.financial_year
            and line.basis = basis.basis
            and basis.is_counted
    left join {{ ref('line_twin') }} as twin on line.batch_id = twin.batch_id and line.line_no = twin.line_no
    where twin.batch_id is null
{%- endmacro %}
