{#- The condition that keeps a warehouse model to batches whose lines it does not hold yet, so that a release costs what is
    new. The ids are written into the statement as a list: the planner then reads only those block ranges of raw. -#}
{% macro unseen_batches(column) -%}
    {%- set held = adapter.get_relation(database=target.database, schema='warehouse', identifier=this.identifier) -%}
    {%- if execute and held -%}
        {%- set query -%}
            select batch.batch_id from {{ ref('stg_ops__batch') }} as batch
            where batch.status = 'loaded' and batch.is_spend
                and not exists (select from {{ held }} as done where done.batch_id = batch.batch_id)
        {%- endset -%}
        {%- set ids = run_query(query).columns[0].values() | list -%}
        {{ column }} in ({{ ids | join(', ') if ids else 'null' }})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
