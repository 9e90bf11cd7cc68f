-- One row per institution, and one for all of them together, `partnership`.
select
    institution_id,
    institution_name,
    institution_type,
    gss_code,
    financial_year_start,
    active_from,
    active_to,
    predecessors
from {{ ref('stg_ops__institution') }}
union all
select 'partnership', 'Countywide partnership', 'partnership', null, 4, null, null, ''
