-- One row per definition of a measure: of local, of SME and of the voluntary sector, whose rules stand in the measure's
-- own table; procurement routes; and `all`, of what knows no definitions.
{{ config(materialized='table') }}

select
    'local' as measure,
    definition_id,
    version,
    definition_name,
    owner,
    valid_from,
    valid_to,
    source,
    note
from {{ ref('dim_local_definition') }}
union all
select 'sme', definition_id, version, definition_name, owner, valid_from, valid_to, source, note
from {{ ref('dim_sme_definition') }}
union all
select 'vcs', definition_id, version, definition_name, owner, valid_from, valid_to, source, note
from {{ ref('dim_vcs_definition') }}
union all
select 'route', route_id, 1, route_name, owner, null, null, source, note
from {{ ref('procurement_route') }}
union all
select
    'all',
    'all',
    1,
    'Everything the register holds',
    'Service manager - procurement',
    null,
    null,
    'no definition needed',
    null
