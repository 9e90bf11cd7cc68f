-- One row per definition of local, and one per version of it that is not in force, as `strategy@1`.
select
    definition_id,
    version,
    series_id,
    is_in_force,
    owner_institution_id,
    definition_name,
    rule,
    arguments,
    owner,
    valid_from,
    valid_to,
    source,
    note
from {{ ref('int_local__definition') }}
