-- One row per KPI, institution, definition and financial year for which the strategy states a baseline or a target.
select
    kpi_id,
    institution_id,
    definition_id,
    financial_year,
    kind,
    target_status,
    target,
    as_written,
    source,
    note
from {{ ref('strategy_target') }}
