-- One row per definition of a measure: of local, of SME and of the voluntary sector. A definition's rule stands in the
-- measure's own table.
{{ config(materialized='view') }}

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
