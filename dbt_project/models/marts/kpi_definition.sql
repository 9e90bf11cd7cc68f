-- One row per KPI.
select
    kpi_id,
    kpi_name,
    unit,
    polarity,
    numerator,
    denominator,
    base,
    formula,
    owner,
    source,
    caveat
from {{ ref('kpi') }}
