-- One row per KPI on how institutions buy, institution (or `partnership`), financial year, quarter of the institution's
-- own year (null for the whole year) and definition.
-- Every figure is a sum over cases: a case is in what the KPI counts, is not, or nobody knows (is_in null). value goes
-- by what is known; value_low counts every unknown case against, value_high counts it for. A mean of days has no bounds
-- as soon as one case's days are unknown. A register that was sent and holds nothing of a quarter says zero.
{{ config(materialized='table') }}

with kpi as (select kpi_id, unit from {{ ref('kpi') }}),

opportunity as (select * from {{ ref('int_procurement__opportunity') }}),

route as (select route_id, must_invite_local from {{ ref('procurement_route') }}),

register as (select * from {{ ref('int_register__entry') }}),

supplier as (select supplier_record_id, supplier_id from {{ ref('int_supplier__resolved') }}),

institution as (select institution_id, financial_year_start from {{ ref('stg_ops__institution') }}),

batch as (select * from {{ ref('int_batch__counted') }}),

meaning as (select * from {{ ref('kpi_register') }}),

registered as (
    select
        meaning.kpi_id,
        register.institution_id,
        register.financial_year,
        register.quarter,
        'all' as definition_id,
        case
            when register.status = any(string_to_array(meaning.unknown_status, ' ')) then null
            when meaning.weighs = 'delivered' and register.delivered_amount is null then null
            when meaning.counted_status is null then true
            else register.status = any(string_to_array(meaning.counted_status, ' '))
        end as is_in,
        case meaning.weighs
            when 'one' then 1
            when 'amount' then coalesce(register.amount, 0)
            else coalesce(register.delivered_amount, register.amount, 0)
        end as weight,
        1 as line_count,
        array_remove(array[supplier.supplier_id], null) as supplier_ids,
        register.kind as basis
    from register
    inner join meaning on register.kind = meaning.kind
    left join supplier on register.supplier_record_id = supplier.supplier_record_id
    where (register.status = any(string_to_array(meaning.left_out_status, ' '))) is not true
),

cycle as (
    select
        'cycle_time_days' as kpi_id,
        opportunity.institution_id,
        opportunity.end_financial_year as financial_year,
        opportunity.end_quarter as quarter,
        opportunity.route_id as definition_id,
        case when opportunity.days is not null then true end as is_in,
        opportunity.days::numeric as weight,
        opportunity.line_count,
        array_remove(array[supplier.supplier_id], null) as supplier_ids,
        opportunity.provenance as basis
    from opportunity
    left join supplier on opportunity.supplier_record_id = supplier.supplier_record_id
    where opportunity.outcome = 'awarded' and opportunity.end_financial_year is not null
),

definition as (select definition_id from {{ ref('int_local__definition') }}),

-- A quote counts in the quarter it was published: the rule is about whom it asked.
quote as (
    select
        'quotes_with_local_pct' as kpi_id,
        opportunity.institution_id,
        opportunity.start_financial_year as financial_year,
        opportunity.start_quarter as quarter,
        definition.definition_id,
        invited.is_local_invited as is_in,
        1 as weight,
        opportunity.line_count,
        coalesce(invited.supplier_ids, '{}') as supplier_ids,
        opportunity.provenance as basis
    from opportunity
    inner join route on opportunity.route_id = route.route_id
    cross join definition
    left join {{ ref('int_procurement__invited') }} as invited
        on
            opportunity.institution_id = invited.institution_id
            and opportunity.opportunity_id = invited.opportunity_id
            and definition.definition_id = invited.definition_id
    where route.must_invite_local and opportunity.provenance = 'portal' and opportunity.start_financial_year is not null
),

-- What a portal could hold is known from elsewhere: from the contract register and from notices. A contract and a
-- notice of one process are one.
logged as (
    select
        institution_id,
        min(period_first) as heard_from,
        min(period_first) filter (where kind = 'portal') as logged_from
    from batch
    group by institution_id
),

contract as (
    select distinct on (batch.institution_id, contract.contract_ref)
        batch.institution_id,
        contract.contract_ref,
        contract.ocid,
        contract.start_date,
        contract.lead_body
    from {{ ref('stg_raw__contract') }} as contract
    inner join batch on contract.batch_id = batch.batch_id
    order by batch.institution_id asc, contract.contract_ref asc, batch.period_last desc, contract.batch_id desc
),

awarded_under as (
    select distinct
        institution_id,
        contract_ref
    from opportunity
    where contract_ref is not null
),

on_portal as (
    select
        institution_id,
        ocid
    from opportunity
    where provenance = 'portal' and ocid is not null
),

heard_of as (
    select
        contract.institution_id,
        contract.start_date as heard_on,
        case
            when awarded_under.contract_ref is not null or on_portal.ocid is not null then true
            -- What another body led may stand on that body's portal.
            when contract.lead_body is null then false
        end as is_in,
        'contract' as basis
    from contract
    left join awarded_under
        on contract.institution_id = awarded_under.institution_id and contract.contract_ref = awarded_under.contract_ref
    left join on_portal
        on contract.institution_id = on_portal.institution_id and contract.ocid = on_portal.ocid
    union all
    select
        opportunity.institution_id,
        opportunity.first_told_of,
        opportunity.provenance = 'portal',
        'notice'
    from opportunity
    left join contract as by_ocid
        on opportunity.institution_id = by_ocid.institution_id and opportunity.ocid = by_ocid.ocid
    left join contract as by_ref
        on opportunity.institution_id = by_ref.institution_id and opportunity.contract_ref = by_ref.contract_ref
    where opportunity.first_told_of is not null and by_ocid.institution_id is null and by_ref.institution_id is null
),

-- Without a log nobody can say what stood on the portal, and of what began before the log nobody can either.
published as (
    select
        'opportunities_on_portal_pct' as kpi_id,
        heard_of.institution_id,
        {{ financial_year('heard_of.heard_on', 'institution.financial_year_start') }} as financial_year,
        {{ financial_quarter('heard_of.heard_on', 'institution.financial_year_start') }} as quarter,
        'all' as definition_id,
        case when logged.logged_from is not null then heard_of.is_in end as is_in,
        1 as weight,
        1 as line_count,
        '{}'::uuid[] as supplier_ids,
        heard_of.basis
    from heard_of
    inner join institution on heard_of.institution_id = institution.institution_id
    inner join logged on heard_of.institution_id = logged.institution_id
    where heard_of.heard_on >= coalesce(logged.logged_from, logged.heard_from)
),

paid as (
    select
        'invoices_paid_in_30_days_pct' as kpi_id,
        invoice.institution_id,
        {{ financial_year('invoice.paid_date', 'institution.financial_year_start') }} as financial_year,
        {{ financial_quarter('invoice.paid_date', 'institution.financial_year_start') }} as quarter,
        'all' as definition_id,
        invoice.paid_date - invoice.received_date <= 30 as is_in,
        invoice.invoice_count as weight,
        invoice.invoice_count as line_count,
        '{}'::uuid[] as supplier_ids,
        'ledger' as basis
    from {{ ref('int_invoice__paid') }} as invoice
    inner join institution on invoice.institution_id = institution.institution_id
),

-- Quarters that a register was sent for, at nothing: a quarter without an event is a quarter with none.
sent as (
    select distinct
        meaning.kpi_id,
        batch.institution_id,
        {{ financial_year('month.first_day', 'institution.financial_year_start') }} as financial_year,
        {{ financial_quarter('month.first_day', 'institution.financial_year_start') }} as quarter,
        'all' as definition_id,
        true as is_in,
        0 as weight,
        0 as line_count,
        '{}'::uuid[] as supplier_ids,
        meaning.kind as basis
    from batch
    inner join meaning on batch.kind = meaning.kind
    inner join institution on batch.institution_id = institution.institution_id
    cross join
        lateral (
            select day::date as first_day
            from generate_series(batch.period_first, batch.period_last, interval '1 month') as day
        ) as month
    inner join kpi on meaning.kpi_id = kpi.kpi_id
    where kpi.unit <> 'share'
),

counted_case as (
    select * from registered
    union all
    select * from cycle
    union all
    select * from quote
    union all
    select * from published
    union all
    select * from paid
    union all
    select * from sent
),

summed as (
    select
        kpi_id,
        coalesce(institution_id, 'partnership') as institution_id,
        financial_year,
        quarter,
        definition_id,
        coalesce(sum(weight) filter (where is_in), 0) as counted,
        coalesce(sum(weight) filter (where not is_in), 0) as not_counted,
        coalesce(sum(greatest(weight, 0)) filter (where is_in is null), 0) as unknown_for,
        coalesce(sum(least(weight, 0)) filter (where is_in is null), 0) as unknown_against,
        count(*) filter (where is_in) as cases_counted,
        count(*) filter (where is_in is null) as cases_unknown,
        count(*) as cases,
        sum(line_count)::bigint as line_count,
        string_agg(distinct basis, '+' order by basis) as basis
    from counted_case
    group by grouping sets (
        (kpi_id, institution_id, financial_year, quarter, definition_id),
        (kpi_id, institution_id, financial_year, definition_id),
        (kpi_id, financial_year, quarter, definition_id),
        (kpi_id, financial_year, definition_id)
    )
),

suppliers_of as (
    select
        kpi_id,
        coalesce(institution_id, 'partnership') as institution_id,
        financial_year,
        quarter,
        definition_id,
        count(distinct supplier_id) as supplier_count,
        count(distinct supplier_id) filter (where is_in) as counted_supplier_count
    from counted_case
    cross join lateral unnest(supplier_ids) as named (supplier_id)
    group by grouping sets (
        (kpi_id, institution_id, financial_year, quarter, definition_id),
        (kpi_id, institution_id, financial_year, definition_id),
        (kpi_id, financial_year, quarter, definition_id),
        (kpi_id, financial_year, definition_id)
    )
),

figure as (
    select
        summed.*,
        kpi.unit,
        summed.counted + summed.not_counted as known,
        summed.counted + summed.not_counted + summed.unknown_for + summed.unknown_against as total,
        case when kpi.unit = 'days' then {{ share('summed.counted', 'summed.cases_counted') }} end as mean
    from summed
    inner join kpi on summed.kpi_id = kpi.kpi_id
)

select
    figure.kpi_id,
    figure.institution_id,
    figure.financial_year,
    figure.quarter,
    figure.definition_id,
    case figure.unit
        when 'days' then figure.mean
        when 'share' then {{ share('figure.counted', 'figure.known') }}
        else figure.counted
    end as value,
    case figure.unit
        when 'days' then case when figure.cases_unknown = 0 then figure.mean end
        when 'share' then {{ share('figure.counted', 'figure.total') }}
        else figure.counted + figure.unknown_against
    end as value_low,
    case figure.unit
        when 'days' then case when figure.cases_unknown = 0 then figure.mean end
        when 'share' then {{ share('figure.counted + figure.unknown_for', 'figure.total') }}
        else figure.counted + figure.unknown_for
    end as value_high,
    figure.counted as numerator,
    case figure.unit when 'days' then figure.cases_counted::numeric when 'share' then figure.known end as denominator,
    case when figure.unit = 'pounds' then figure.total end as total_amount,
    case
        when figure.cases_unknown = 0 then 1
        when figure.unit = 'days' then {{ share('figure.cases_counted::numeric', 'figure.cases') }}
        else {{ share('figure.known', 'figure.known + figure.unknown_for - figure.unknown_against') }}
    end as coverage,
    figure.basis,
    figure.line_count,
    suppliers_of.supplier_count,
    suppliers_of.counted_supplier_count
from figure
left join suppliers_of
    on
        figure.kpi_id = suppliers_of.kpi_id
        and figure.institution_id = suppliers_of.institution_id
        and figure.financial_year = suppliers_of.financial_year
        and figure.quarter is not distinct from suppliers_of.quarter
        and figure.definition_id = suppliers_of.definition_id
