-- One row per opportunity: one that an e-tendering portal's log tells of, or one that only notices tell of.
-- Where both do, the log's days count: a notice is written afterwards, and of what was not advertised it has no first
-- day. An opportunity's clock starts and ends with the events that seed procurement_route names, each taken the first
-- time it happened. A log says what is still open on the last day its files tell of, `observed_until`; a notice does
-- not: what became of a tender of which no award was published is unknown.
{{ config(materialized='table') }}

with batch as (
    select
        batch.batch_id,
        batch.institution_id,
        batch.kind,
        institution.financial_year_start,
        min(batch.period_first) over (partition by batch.institution_id, batch.kind) as observed_from,
        max(batch.period_last) over (partition by batch.institution_id, batch.kind) as observed_until
    from {{ ref('int_batch__counted') }} as batch
    inner join {{ ref('stg_ops__institution') }} as institution on batch.institution_id = institution.institution_id
    where batch.kind in ('portal', 'notice')
),

route as (select * from {{ ref('procurement_route') }}),

exclusion as (select * from {{ ref('procurement_exclusion') }}),

event as (
    select
        batch.institution_id,
        portal.*,
        {{ register_status('portal', 'portal.event') }} as event_id
    from {{ ref('stg_raw__portal') }} as portal
    inner join batch on portal.batch_id = batch.batch_id
),

logged as (
    select
        institution_id,
        opportunity_ref as opportunity_id,
        opportunity_ref,
        (array_agg(title order by event_date, batch_id, line_no) filter (where title is not null))[1] as title,
        (array_agg(route order by event_date, batch_id, line_no) filter (where route is not null))[1] as route_written,
        (
            array_agg(estimated_value order by event_date desc, batch_id desc, line_no desc)
            filter (where estimated_value is not null)
        )[1] as estimated_value,
        max(category_code) as category_code,
        max(organisational_unit) as organisational_unit,
        max(contract_ref) as contract_ref,
        case
            when bool_or(event_id = 'awarded') then 'awarded'
            when bool_or(event_id = 'cancelled') then 'cancelled'
            else 'open'
        end as outcome,
        count(*) as line_count
    from event
    group by institution_id, opportunity_ref
),

release as (
    select
        batch.institution_id,
        notice.*,
        {{ register_status('notice', 'notice.status') }} as status_id
    from {{ ref('stg_raw__notice') }} as notice
    inner join batch on notice.batch_id = batch.batch_id
),

process as (
    select
        institution_id,
        ocid,
        max(opportunity_ref) as opportunity_ref,
        (array_agg(title order by release_date desc, line_no desc) filter (where title is not null))[1] as title,
        (
            array_agg(procurement_method_details order by release_date desc, line_no desc)
            filter (where procurement_method_details is not null)
        )[1] as route_written,
        (
            array_agg(notice_value order by release_date desc, line_no desc) filter (where notice_value is not null)
        )[1] as estimated_value,
        min(published_date) as published_date,
        max(tender_end_date) as tender_end_date,
        min(award_date) as award_date,
        min(least(published_date, award_date, release_date)) as first_told_of,
        case
            when bool_or(award_date is not null) then 'awarded'
            when bool_or(status_id = 'cancelled') then 'cancelled'
            else 'unknown'
        end as outcome,
        count(*) as line_count
    from release
    group by institution_id, ocid
),

-- One opportunity may stand in several processes: the first told of is taken.
told as (
    select distinct on (process.institution_id, process.opportunity_ref)
        process.*
    from process
    inner join logged
        on process.institution_id = logged.institution_id and process.opportunity_ref = logged.opportunity_ref
    order by process.institution_id asc, process.opportunity_ref asc, process.first_told_of asc, process.ocid asc
),

found as (
    select
        'portal' as provenance,
        logged.*,
        told.ocid,
        told.first_told_of,
        null::date as published_date,
        null::date as tender_end_date,
        null::date as award_date
    from logged
    left join told
        on logged.institution_id = told.institution_id and logged.opportunity_ref = told.opportunity_ref
    union all
    select
        'notice',
        process.institution_id,
        process.ocid as opportunity_id,
        process.opportunity_ref,
        process.title,
        process.route_written,
        process.estimated_value,
        null,
        null,
        null,
        process.outcome,
        process.line_count,
        process.ocid,
        process.first_told_of,
        process.published_date,
        process.tender_end_date,
        process.award_date
    from process
    left join logged
        on process.institution_id = logged.institution_id and process.opportunity_ref = logged.opportunity_ref
    where logged.institution_id is null
),

routed as (
    select
        found.*,
        route.route_id,
        route.start_event,
        case when found.outcome = 'cancelled' then 'cancelled' else route.end_event end as end_event
    from found
    cross join lateral (
        select
            route.route_id,
            route.start_event,
            route.end_event
        from route
        where coalesce(found.route_written, '') ~* route.pattern
        order by route.position
        limit 1
    ) as route
),

-- The first time each thing happened to each opportunity, and the line that says so.
happened as (
    select distinct on (institution_id, opportunity_ref, event_id)
        'portal' as provenance,
        institution_id,
        opportunity_ref as opportunity_id,
        event_id,
        event_date,
        batch_id,
        sheet,
        source_row,
        raw.supplier_record_id(institution_id, null, supplier_name, supplier_postcode) as supplier_record_id,
        supplier_name is not null as has_supplier
    from event
    order by institution_id asc, opportunity_ref asc, event_id asc, event_date asc, batch_id asc, line_no asc
),

announced as (
    select distinct on (release.institution_id, release.ocid, day.event_id)
        'notice' as provenance,
        release.institution_id,
        release.ocid as opportunity_id,
        day.event_id,
        day.event_date,
        release.batch_id,
        release.sheet,
        release.source_row,
        raw.supplier_record_id(release.institution_id, null, release.supplier_name, null) as supplier_record_id,
        release.supplier_name is not null as has_supplier
    from release
    cross join
        lateral (
            values
            ('published', release.published_date),
            ('closed', release.tender_end_date),
            ('awarded', release.award_date)
        ) as day (event_id, event_date)
    where day.event_date is not null
    order by
        release.institution_id asc, release.ocid asc, day.event_id asc, day.event_date asc, release.batch_id asc,
        release.line_no asc
),

day as (
    select * from happened
    union all
    select * from announced
),

-- Where an opportunity without a start event stands: the first line that tells of it.
first_line as (
    select distinct on (provenance, institution_id, opportunity_id)
        provenance,
        institution_id,
        opportunity_id,
        batch_id,
        sheet,
        source_row
    from (
        select
            'portal' as provenance, institution_id, opportunity_ref as opportunity_id, event_date as told_on,
            batch_id, line_no, sheet, source_row
        from event
        union all
        select 'notice', institution_id, ocid, release_date, batch_id, line_no, sheet, source_row
        from release
    ) as line
    order by provenance asc, institution_id asc, opportunity_id asc, told_on asc, batch_id asc, line_no asc
),

clocked as (
    select
        routed.*,
        batch.financial_year_start,
        batch.observed_until,
        starts.event_date as start_date,
        ends.event_date as end_date,
        coalesce(starts.batch_id, first_line.batch_id) as batch_id,
        case when starts.batch_id is null then first_line.sheet else starts.sheet end as source_sheet,
        coalesce(starts.source_row, first_line.source_row) as source_row,
        ends.batch_id as end_batch_id,
        ends.sheet as end_source_sheet,
        ends.source_row as end_source_row,
        case when awarded.has_supplier then awarded.supplier_record_id end as supplier_record_id,
        case
            when starts.event_date is null then 'no_start'
            when routed.published_date >= routed.award_date then 'back_dated'
            when routed.published_date > routed.tender_end_date then 'published_after_close'
            when ends.event_date < starts.event_date then 'ends_before_start'
            when bundle.rule_id is not null then 'bundle'
        end as exclusion_id
    from routed
    inner join first_line using (provenance, institution_id, opportunity_id)
    inner join batch on first_line.batch_id = batch.batch_id
    left join day as starts
        on
            routed.provenance = starts.provenance
            and routed.institution_id = starts.institution_id
            and routed.opportunity_id = starts.opportunity_id
            and routed.start_event = starts.event_id
    left join day as ends
        on
            routed.provenance = ends.provenance
            and routed.institution_id = ends.institution_id
            and routed.opportunity_id = ends.opportunity_id
            and routed.end_event = ends.event_id
    left join day as awarded
        on
            routed.provenance = awarded.provenance
            and routed.institution_id = awarded.institution_id
            and routed.opportunity_id = awarded.opportunity_id
            and awarded.event_id = 'awarded'
    left join exclusion as bundle
        on routed.provenance = 'notice' and bundle.title_pattern is not null and routed.title ~* bundle.title_pattern
)

select
    institution_id,
    opportunity_id,
    provenance,
    opportunity_ref,
    ocid,
    first_told_of,
    title,
    route_id,
    route_written,
    start_event,
    start_date,
    end_event,
    end_date,
    outcome,
    case when outcome <> 'unknown' then outcome = 'open' end as is_open,
    exclusion_id,
    case when outcome = 'awarded' and exclusion_id is null then end_date - start_date end as days,
    case
        when exclusion_id is null and outcome = 'open' then observed_until - start_date
        when exclusion_id is null then end_date - start_date
    end as followed_days,
    observed_until,
    {{ financial_year('start_date', 'financial_year_start') }} as start_financial_year,
    {{ financial_quarter('start_date', 'financial_year_start') }} as start_quarter,
    {{ financial_year('end_date', 'financial_year_start') }} as end_financial_year,
    {{ financial_quarter('end_date', 'financial_year_start') }} as end_quarter,
    supplier_record_id,
    estimated_value,
    category_code,
    organisational_unit,
    contract_ref,
    line_count,
    batch_id,
    source_sheet,
    source_row,
    end_batch_id,
    end_source_sheet,
    end_source_row
from clocked
