-- One row per KPI, institution, definition and financial year for which the strategy states a baseline or a target.
select
    target.kpi_id,
    target.institution_id,
    target.definition_id,
    target.financial_year,
    target.kind,
    target.target_status,
    target.target,
    target.as_written,
    target.source,
    target.note
from {{ ref('strategy_target') }} as target
-- the strategy of an institution that is not here is nobody's
inner join {{ ref('dim_institution') }} as institution on target.institution_id = institution.institution_id
