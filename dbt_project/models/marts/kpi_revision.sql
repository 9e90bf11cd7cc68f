-- One row per KPI, institution (or `partnership`), financial year and definition whose value is not the one published
-- before. While a candidate is built, `ops.published_scorecard` still shows the release that it will follow. The first
-- release follows none, and nothing in it is new.
with before as (
    select
        kpi_id,
        institution_id,
        financial_year,
        definition_id,
        value
    from {{ source('ops', 'published_scorecard') }}
),

now as (
    select
        kpi_id,
        institution_id,
        financial_year,
        definition_id,
        value
    from {{ ref('kpi_scorecard') }}
),

previous as (select count(*) > 0 as is_published from before)

select
    coalesce(now.kpi_id, before.kpi_id) as kpi_id,
    coalesce(now.institution_id, before.institution_id) as institution_id,
    coalesce(now.financial_year, before.financial_year) as financial_year,
    coalesce(now.definition_id, before.definition_id) as definition_id,
    case when before.kpi_id is null then 'new' when now.kpi_id is null then 'gone' else 'changed' end as kind,
    before.value as value_before,
    now.value,
    now.value - before.value as change
from now
full join before
    on
        now.kpi_id = before.kpi_id
        and now.institution_id = before.institution_id
        and now.financial_year = before.financial_year
        and now.definition_id = before.definition_id
cross join previous
where
    (now.kpi_id is null or before.kpi_id is null or now.value is distinct from before.value)
    and previous.is_published
