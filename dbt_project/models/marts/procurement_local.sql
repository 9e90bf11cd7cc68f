-- One row per opportunity to which the portal's log invites suppliers, and definition of local: how many it invited,
-- how many are local, of how many that is unknown, and so whether a local supplier was invited.
select
    institution_id,
    opportunity_id,
    definition_id,
    invited_count,
    local_count,
    unknown_count,
    is_local_invited
from {{ ref('int_procurement__invited') }}
