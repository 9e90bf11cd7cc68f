-- One row per definition of the voluntary and community sector.
select
    definition_id,
    version,
    definition_name,
    owner,
    valid_from,
    valid_to,
    source,
    note
from {{ ref('vcs_definition') }}
