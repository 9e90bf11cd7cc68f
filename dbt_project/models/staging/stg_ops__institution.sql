-- One row per institution file of an anchor institution; who keeps a register of the outside world is none.
select
    institution_id,
    institution_name,
    institution_type,
    gss_code,
    financial_year_start,
    active_from,
    active_to,
    array_to_string(predecessors, ' ') as predecessors
from {{ source('ops', 'institution') }}
where institution_type <> 'register'
