-- One row per institution, financial year, base of a KPI, whether one anchor paid another, heading, measure and
-- definition: the counted pounds, those of known status, and those the definition counts in.
{{ config(materialized='table') }}

with profile_of as (select supplier_record_id, profile_no from {{ ref('int_kpi__profile_of') }}),

profile_status as (select profile_no, measure, definition_id, is_in from {{ ref('int_kpi__profile_status') }}),

scope_base as (
    select distinct scope_base.scope, scope_base.base, kpi.measure
    from {{ ref('scope_base') }} as scope_base
    inner join {{ ref('kpi') }} as kpi on scope_base.base = kpi.base and kpi.unit = 'share'
),

-- Pounds are summed by profile and spread over bases and definitions afterwards.
line as materialized (
    select
        line.institution_id,
        line.financial_year,
        line.scope,
        line.heading,
        profile_of.profile_no,
        sum(line.amount) as amount
    from {{ ref('int_spend__by_category') }} as line
    inner join {{ ref('spend_basis') }} as spent
        on
            line.institution_id = spent.institution_id
            and line.financial_year = spent.financial_year
            and line.basis = spent.basis
            and spent.is_counted
    inner join profile_of on line.supplier_record_id = profile_of.supplier_record_id
    group by line.institution_id, line.financial_year, line.scope, line.heading, profile_of.profile_no
)

select
    line.institution_id,
    line.financial_year,
    scope_base.base,
    line.scope = 'between_anchors' as is_between_anchors,
    line.heading,
    profile_status.measure,
    profile_status.definition_id,
    sum(line.amount) as total_amount,
    coalesce(sum(line.amount) filter (where profile_status.is_in is not null), 0) as known_amount,
    coalesce(sum(line.amount) filter (where profile_status.is_in), 0) as counted_amount
from line
inner join scope_base on line.scope = scope_base.scope
inner join profile_status on line.profile_no = profile_status.profile_no and scope_base.measure = profile_status.measure
group by
    line.institution_id, line.financial_year, scope_base.base, line.scope = 'between_anchors', line.heading,
    profile_status.measure, profile_status.definition_id
