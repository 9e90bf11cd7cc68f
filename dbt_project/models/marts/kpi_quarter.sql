-- One row per KPI, institution (or `partnership`), financial year, quarter of it and definition. A line is in the
-- quarter of its payment; lines that only a period longer than a quarter dates, as those of a yearly feed, are in none.
select
    kpi_id,
    institution_id,
    financial_year,
    quarter,
    definition_id,
    value,
    value_low,
    value_high,
    numerator,
    denominator,
    total_amount,
    coverage,
    basis,
    line_count,
    supplier_count,
    counted_supplier_count
from {{ ref('int_kpi__spend') }}
where quarter is not null
