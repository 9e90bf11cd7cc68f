-- One row per rule of scope and per decision by hand. The lowest position that a line's payment, payee or heading
-- matches decides its scope. What a decision names stays unpublished: it can be a person's supplier number.
select
    position,
    rule_id,
    applies_to,
    match_column,
    case when institution_id is null then pattern end as pattern,
    institution_id,
    scope,
    reason,
    owner,
    source,
    decided_on
from {{ ref('int_scope__rule') }}
