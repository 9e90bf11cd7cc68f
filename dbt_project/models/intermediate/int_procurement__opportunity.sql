-- One row per opportunity: one that an e-tendering portal's log tells of, or one that only notices tell of.
-- Where both do, the log's days count: a notice is written afterwards, and of what was not advertised it has no first
-- day. An opportunity's clock starts and ends with the events that seed procurement_route names, each taken the first
-- time it happened. A log says what is still open on the last day its files tell of, `observed_until`; a notice does
-- not: what became of a tender of which no award was published is unknown.
-- All is windows and sums over lines: joined with each other, steps whose size the planner cannot know would be nested
-- loops.
{{ config(materialized='table') }}

with batch as (
    select
        batch.batch_id,
        batch.institution_id,
        batch.kind,
        institution.financial_year_start,
        max(batch.period_last) over (partition by batch.institution_id, batch.kind) as observed_until
    from {{ ref('int_batch__counted') }} as batch
    inner join {{ ref('stg_ops__institution') }} as institution on batch.institution_id = institution.institution_id
    where batch.kind in ('portal', 'notice')
),

route as (select * from {{ ref('procurement_route') }}),

exclusion as (select * from {{ ref('procurement_exclusion') }}),

-- A release tells of itself and of up to four days.
line as (
    select
        'portal' as provenance,
        batch.institution_id,
        batch.financial_year_start,
        batch.observed_until,
        portal.opportunity_ref,
        null as ocid,
        {{ register_status('portal', 'portal.event') }} as event_id,
        portal.event_date,
        true as is_line,
        portal.title,
        portal.route as route_written,
        portal.estimated_value,
        portal.category_code,
        portal.organisational_unit,
        portal.contract_ref,
        portal.supplier_name,
        portal.supplier_postcode,
        portal.batch_id,
        portal.line_no,
        portal.sheet,
        portal.source_row
    from {{ ref('stg_raw__portal') }} as portal
    inner join batch on portal.batch_id = batch.batch_id
    union all
    select
        'notice',
        batch.institution_id,
        batch.financial_year_start,
        batch.observed_until,
        max(notice.opportunity_ref) over (partition by batch.institution_id, notice.ocid),
        notice.ocid,
        told.event_id,
        told.event_date,
        told.event_id = 'released',
        notice.title,
        notice.procurement_method_details,
        notice.notice_value,
        null,
        null,
        null,
        case when told.event_id = 'awarded' then notice.supplier_name end,
        null,
        notice.batch_id,
        notice.line_no,
        notice.sheet,
        notice.source_row
    from {{ ref('stg_raw__notice') }} as notice
    inner join batch on notice.batch_id = batch.batch_id
    cross join
        lateral (
            values
            ('released', notice.release_date),
            ('published', notice.published_date),
            ('closed', notice.tender_end_date),
            ('awarded', notice.award_date),
            (
                case when {{ register_status('notice', 'notice.status') }} = 'cancelled' then 'cancelled' end,
                null::date
            )
        ) as told (event_id, event_date)
    where told.event_date is not null or told.event_id in ('released', 'cancelled')
),

-- Notices of what a log holds add their id to it and nothing else.
known as (
    select
        *,
        coalesce(opportunity_ref, ocid) as opportunity_id,
        provenance = 'portal'
        or not bool_or(provenance = 'portal') over (partition by institution_id, coalesce(opportunity_ref, ocid))
            as is_source
    from line
),

worded as (
    select
        *,
        coalesce(
            first_value(route_written) over (
                partition by institution_id, opportunity_id
                order by not is_source, route_written is null, event_date, batch_id, line_no
            ), ''
        ) as wording
    from known
),

meant as (
    select
        wording.wording,
        found.*
    from (select distinct wording from worded) as wording
    cross join
        lateral (
            select
                route.route_id,
                route.start_event,
                route.end_event
            from route
            where wording.wording ~* route.pattern
            order by route.position
            limit 1
        ) as found
),

routed as (
    select
        worded.*,
        meant.route_id,
        meant.start_event,
        case
            when
                bool_or(worded.event_id = 'cancelled') over its_lines
                and not bool_or(worded.event_id = 'awarded') over its_lines
                then 'cancelled'
            else meant.end_event
        end as end_event
    from worded
    inner join meant on worded.wording = meant.wording
    window its_lines as (partition by worded.institution_id, worded.opportunity_id, worded.is_source)
),

summed as (
    select
        institution_id,
        opportunity_id,
        max(provenance) filter (where is_source) as provenance,
        max(opportunity_ref) as opportunity_ref,
        min(ocid) as ocid,
        min(event_date) filter (where provenance = 'notice' and event_id <> 'closed') as first_told_of,
        {{ latest('title') }} as title,
        max(route_id) filter (where is_source) as route_id,
        nullif(max(wording) filter (where is_source), '') as route_written,
        max(start_event) filter (where is_source) as start_event,
        max(end_event) filter (where is_source) as end_event,
        {{ earliest('event_date', 'event_id = start_event') }} as start_date,
        {{ earliest('event_date', 'event_id = end_event') }} as end_date,
        case
            when bool_or(is_source and event_id = 'awarded') then 'awarded'
            when bool_or(is_source and event_id = 'cancelled') then 'cancelled'
            when bool_or(provenance = 'portal') then 'open'
            else 'unknown'
        end as outcome,
        max(event_date) filter (where is_source and provenance = 'notice' and event_id = 'closed') as tender_end_date,
        max(financial_year_start) as financial_year_start,
        max(observed_until) filter (where is_source) as observed_until,
        {{ earliest(
            'raw.supplier_record_id(institution_id, null, supplier_name, supplier_postcode)',
            "event_id = 'awarded' and supplier_name is not null"
        ) }} as supplier_record_id,
        {{ latest('estimated_value') }} as estimated_value,
        max(category_code) as category_code,
        max(organisational_unit) as organisational_unit,
        max(contract_ref) as contract_ref,
        count(*) filter (where is_source and is_line) as line_count,
        {{ earliest('batch_id', 'event_id = start_event') }} as start_batch_id,
        {{ earliest('sheet', 'event_id = start_event') }} as start_sheet,
        {{ earliest('source_row', 'event_id = start_event') }} as start_source_row,
        {{ earliest('batch_id', 'is_line') }} as first_batch_id,
        {{ earliest('sheet', 'is_line') }} as first_sheet,
        {{ earliest('source_row', 'is_line') }} as first_source_row,
        {{ earliest('batch_id', 'event_id = end_event') }} as end_batch_id,
        {{ earliest('sheet', 'event_id = end_event') }} as end_source_sheet,
        {{ earliest('source_row', 'event_id = end_event') }} as end_source_row
    from routed
    group by institution_id, opportunity_id
),

clocked as (
    select
        summed.*,
        coalesce(summed.start_batch_id, summed.first_batch_id) as batch_id,
        case when summed.start_batch_id is null then summed.first_sheet else summed.start_sheet end as source_sheet,
        coalesce(summed.start_source_row, summed.first_source_row) as source_row,
        case
            when summed.start_date is null then 'no_start'
            when summed.provenance = 'notice' and summed.start_date >= summed.end_date then 'back_dated'
            when summed.provenance = 'notice' and summed.start_date > summed.tender_end_date
                then 'published_after_close'
            when summed.end_date < summed.start_date then 'ends_before_start'
            when
                summed.provenance = 'notice'
                and exists (select from exclusion where summed.title ~* exclusion.title_pattern)
                then 'bundle'
        end as exclusion_id
    from summed
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
