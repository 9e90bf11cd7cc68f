-- One row per scope of payments.
select
    scope,
    position,
    is_influenceable,
    description
from {{ ref('scope') }}
