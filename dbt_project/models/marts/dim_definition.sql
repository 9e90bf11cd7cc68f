-- One row per definition of a measure. The rule of one of local, of SME and of the voluntary sector stands in the
-- measure's own table; a local SME is local under one of local's and an SME under the headline's.
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
select
    'local_sme',
    place.definition_id || '_sme',
    place.version,
    place.definition_name || ', and SME: ' || size.definition_name,
    place.owner,
    place.valid_from,
    place.valid_to,
    place.source,
    place.note
from {{ ref('dim_local_definition') }} as place
inner join {{ ref('kpi_definition') }} as headline on headline.kpi_id = 'sme_spend_pct'
inner join {{ ref('dim_sme_definition') }} as size on headline.headline_definition = size.definition_id
union all
select measure, definition_id, version, definition_name, owner, valid_from, valid_to, source, note
from {{ ref('measure_definition') }}
