{#- The condition that keeps a warehouse model to batches whose lines `warehouse.fct_spend` does not hold yet, so that a
    release costs what is new. The ids are written into the statement as a list: the planner then reads only those block
    ranges of raw. Models that use it are built before `spend_line`, or are it. -#}
{% macro unseen_batches(column) -%}
    {%- set facts = adapter.get_relation(database=target.database, schema='warehouse', identifier='fct_spend') -%}
    {%- if execute and facts -%}
        {%- set query -%}
            select batch.batch_id from {{ ref('stg_ops__batch') }} as batch
            where batch.status = 'loaded'
                and not exists (select from {{ facts }} as done where done.batch_id = batch.batch_id)
        {%- endset -%}
        {%- set ids = run_query(query).columns[0].values() | list -%}
        {{ column }} in ({{ ids | join(', ') if ids else 'null' }})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
