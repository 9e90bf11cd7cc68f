-- One row per pair of columns by which two published tables are joined: every test of a relationship between two
-- marts, read from the project itself. Views have no foreign keys for a tool to find, and on the tables beneath them
-- each would be checked row by row on every release.
{%- set joins = [] -%}
{%- if execute -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'test' and node.test_metadata and node.attached_node -%}
        {%- set name, given = node.test_metadata.name, node.test_metadata.kwargs -%}
        {%- if name in ('relationships', 'relationship_within_institution') -%}
            {%- set below = graph.nodes[node.attached_node] -%}
            {%- set above = graph.nodes.get('model.' ~ project_name ~ '.' ~ given.to.split("'")[1]) -%}
            {%- if above and below.fqn[1] == 'marts' and above.fqn[1] == 'marts' -%}
                {%- set column, field = given.column or given.column_name, given.to_column or given.field -%}
                {%- set one = [field] == above.config.meta.key -%}
                {%- set cardinality = 'many_to_many' if not one
                    else 'one_to_one' if [column] == below.config.meta.key else 'many_to_one' -%}
                {%- do joins.append((below.name, column, above.name, field, cardinality)) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif %}

select
    from_table,
    from_column,
    to_table,
    to_column,
    cardinality
from (
    values
    {% for join in joins | sort -%}
        ('{{ join | join("', '") }}'){{ ',' if not loop.last }}
    {% else -%}
        (null, null, null, null, null)
    {% endfor -%}
) as declared (from_table, from_column, to_table, to_column, cardinality)
