-- One row per decision of a person about suppliers that is in force.
select
    decision_id,
    kind,
    were_linked
from {{ source('ops', 'supplier_decision') }}
where undone_at is null
