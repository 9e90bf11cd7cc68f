-- One row per opportunity: by which route, from which event to which, how long it took, what came of it, and from where
-- it is known. Where its clock cannot be trusted `days` is empty and `exclusion_id` says why. The supplier is the one
-- awarded; a private person stands without name.
with opportunity as (select * from {{ ref('int_procurement__opportunity') }}),

invited as (
    select distinct
        institution_id,
        opportunity_id,
        invited_count
    from {{ ref('int_procurement__invited') }}
),

route as (select * from {{ ref('procurement_route') }}),

exclusion as (select rule_id, reason from {{ ref('procurement_exclusion') }}),

supplier as (select supplier_record_id, record_name from {{ ref('dim_supplier') }})

select
    opportunity.institution_id,
    opportunity.opportunity_id,
    opportunity.provenance,
    opportunity.opportunity_ref,
    opportunity.ocid,
    opportunity.title,
    opportunity.route_id,
    route.route_name,
    opportunity.route_written,
    opportunity.start_event,
    opportunity.start_date,
    opportunity.start_financial_year,
    opportunity.start_quarter,
    opportunity.end_event,
    opportunity.end_date,
    opportunity.end_financial_year,
    opportunity.end_quarter,
    opportunity.outcome,
    opportunity.is_open,
    opportunity.days,
    opportunity.followed_days,
    opportunity.observed_until,
    opportunity.exclusion_id,
    exclusion.reason as exclusion_reason,
    coalesce(invited.invited_count, 0) as invited_count,
    opportunity.supplier_record_id,
    supplier.record_name as supplier_name,
    opportunity.estimated_value,
    opportunity.category_code,
    opportunity.organisational_unit,
    opportunity.contract_ref,
    opportunity.line_count,
    opportunity.batch_id,
    opportunity.source_sheet,
    opportunity.source_row,
    opportunity.end_batch_id,
    opportunity.end_source_sheet,
    opportunity.end_source_row
from opportunity
inner join route on opportunity.route_id = route.route_id
left join exclusion on opportunity.exclusion_id = exclusion.rule_id
left join invited
    on opportunity.institution_id = invited.institution_id and opportunity.opportunity_id = invited.opportunity_id
left join supplier on opportunity.supplier_record_id = supplier.supplier_record_id
