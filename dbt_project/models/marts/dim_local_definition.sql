-- One row per definition of local.
select
    definition_id,
    version,
    definition_name,
    rule,
    arguments,
    owner,
    valid_from,
    valid_to,
    source,
    note
from {{ ref('local_definition') }}
