-- One row per KPI on spend, institution (or `partnership`), financial year, quarter (null for the whole year) and
-- definition. value: the share among pounds whose status is known. value_low counts every pound of unknown status
-- against, value_high counts it for; a supplier record with more credits than payments moves the bound the other way.
-- The partnership's figure holds a pound once: what its institutions pay each other is left out.
{{ config(materialized='table') }}

with spend as (
    select spend.*
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join {{ ref('spend_basis') }} as basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
    where basis.is_counted
),

scope_base as (select base, scope from {{ ref('scope_base') }}),

kpi as (select kpi_id, unit, measure, base from {{ ref('kpi') }} where base is not null),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }}),

profile_of as (select supplier_record_id, profile_no from {{ ref('int_kpi__profile_of') }}),

profile_status as (select profile_no, measure, definition_id, is_in from {{ ref('int_kpi__profile_status') }}),

-- Quarter 0 is the whole year, until the end: null joins nothing.
period as (
    select
        *,
        0 as period_quarter
    from spend
    union all
    select
        *,
        quarter as period_quarter
    from spend
    where quarter is not null
),

bases as (
    select
        coalesce(institution_id, 'partnership') as institution_id,
        financial_year,
        period_quarter,
        string_agg(distinct basis, '+' order by basis) as basis
    from period
    group by grouping sets (
        (institution_id, financial_year, period_quarter),
        (financial_year, period_quarter)
    )
),

paid as (
    select
        period.institution_id,
        period.financial_year,
        period.period_quarter,
        scope_base.base,
        period.scope = 'between_anchors' as is_between_anchors,
        period.supplier_record_id,
        supplier.supplier_id,
        sum(period.amount) as amount,
        sum(period.line_count)::bigint as line_count
    from period
    inner join scope_base on period.scope = scope_base.scope
    inner join supplier on period.supplier_record_id = supplier.supplier_record_id
    group by
        period.institution_id, period.financial_year, period.period_quarter, scope_base.base,
        period.scope = 'between_anchors', period.supplier_record_id, supplier.supplier_id
),

figure as (
    select
        institution_id, financial_year, period_quarter, base, supplier_record_id, supplier_id, amount, line_count
    from paid
    union all
    select
        'partnership', financial_year, period_quarter, base, supplier_record_id, supplier_id, amount, line_count
    from paid
    where not is_between_anchors
),

profiled as (
    select
        figure.*,
        profile_of.profile_no
    from figure
    inner join profile_of on figure.supplier_record_id = profile_of.supplier_record_id
),

amount_of as (
    select
        institution_id,
        financial_year,
        period_quarter,
        base,
        profile_no,
        coalesce(sum(amount) filter (where amount < 0), 0) as credit,
        coalesce(sum(amount) filter (where amount > 0), 0) as debit,
        sum(line_count)::bigint as line_count
    from profiled
    group by institution_id, financial_year, period_quarter, base, profile_no
),

-- A supplier counts when any of its records does; it is unknown when none does and one of them may.
suppliers_of as (
    select
        institution_id,
        financial_year,
        period_quarter,
        base,
        profiles,
        count(*) as supplier_count
    from (
        select
            institution_id,
            financial_year,
            period_quarter,
            base,
            array_agg(distinct profile_no) as profiles
        from profiled
        group by institution_id, financial_year, period_quarter, base, supplier_id
    ) as one
    group by institution_id, financial_year, period_quarter, base, profiles
),

profiles_status as (
    select
        mixed.profiles,
        profile_status.measure,
        profile_status.definition_id,
        case
            when bool_or(profile_status.is_in) then true
            when bool_and(profile_status.is_in is not null) then false
        end as is_in
    from (select distinct profiles from suppliers_of) as mixed
    inner join profile_status on profile_status.profile_no = any(mixed.profiles)
    group by mixed.profiles, profile_status.measure, profile_status.definition_id
),

-- Pounds and suppliers are summed in one pass: joined, the planner takes the two sums for one row each and loops.
tally as (
    select
        amount_of.institution_id,
        amount_of.financial_year,
        amount_of.period_quarter,
        amount_of.base,
        status.measure,
        status.definition_id,
        status.is_in,
        amount_of.credit,
        amount_of.debit,
        amount_of.line_count,
        0 as supplier_count
    from amount_of
    inner join profile_status as status on amount_of.profile_no = status.profile_no
    union all
    select
        suppliers_of.institution_id,
        suppliers_of.financial_year,
        suppliers_of.period_quarter,
        suppliers_of.base,
        status.measure,
        status.definition_id,
        status.is_in,
        0,
        0,
        0,
        suppliers_of.supplier_count
    from suppliers_of
    inner join profiles_status as status on suppliers_of.profiles = status.profiles
),

summed as (
    select
        institution_id,
        financial_year,
        period_quarter,
        base,
        measure,
        definition_id,
        coalesce(sum(credit + debit) filter (where is_in), 0) as counted_amount,
        coalesce(sum(credit + debit) filter (where is_in is not null), 0) as known_amount,
        coalesce(sum(credit) filter (where is_in is null), 0) as unknown_credit,
        coalesce(sum(debit) filter (where is_in is null), 0) as unknown_debit,
        sum(credit + debit) as total_amount,
        sum(line_count)::bigint as line_count,
        sum(supplier_count)::bigint as supplier_count,
        coalesce(sum(supplier_count) filter (where is_in), 0)::bigint as counted_supplier_count,
        coalesce(sum(supplier_count) filter (where is_in is null), 0)::bigint as unknown_supplier_count
    from tally
    group by institution_id, financial_year, period_quarter, base, measure, definition_id
)

select
    kpi.kpi_id,
    summed.institution_id,
    summed.financial_year,
    nullif(summed.period_quarter, 0) as quarter,
    summed.definition_id,
    case kpi.unit
        when 'share' then {{ share('summed.counted_amount', 'summed.known_amount') }}
        when 'count' then summed.counted_supplier_count
        else summed.counted_amount
    end as value,
    case kpi.unit
        when 'share' then {{ share('summed.counted_amount + summed.unknown_credit', 'summed.total_amount') }}
        when 'count' then summed.counted_supplier_count
        else summed.counted_amount + summed.unknown_credit
    end as value_low,
    case kpi.unit
        when 'share' then {{ share('summed.counted_amount + summed.unknown_debit', 'summed.total_amount') }}
        when 'count' then summed.counted_supplier_count + summed.unknown_supplier_count
        else summed.counted_amount + summed.unknown_debit
    end as value_high,
    case kpi.unit when 'count' then summed.counted_supplier_count else summed.counted_amount end as numerator,
    case kpi.unit when 'share' then summed.known_amount end as denominator,
    summed.total_amount,
    {{ share('summed.known_amount', 'summed.total_amount') }} as coverage,
    bases.basis,
    summed.line_count,
    summed.supplier_count,
    summed.counted_supplier_count
from summed
inner join kpi on summed.measure = kpi.measure and summed.base = kpi.base
inner join bases
    on
        summed.institution_id = bases.institution_id
        and summed.financial_year = bases.financial_year
        and summed.period_quarter = bases.period_quarter
