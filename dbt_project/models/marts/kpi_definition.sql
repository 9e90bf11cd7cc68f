-- One row per KPI.
select
    kpi_id,
    kpi_name,
    unit,
    polarity,
    measure,
    base,
    headline_definition,
    numerator,
    denominator,
    formula,
    owner,
    source,
    caveat
from {{ ref('kpi') }}
