-- One row per KPI on spend, institution (or `partnership`), financial year, quarter (null for the whole year) and
-- definition. value: the share among pounds whose status is known. value_low counts every pound of unknown status
-- against, value_high counts it for; a supplier record with more credits than payments moves the bound the other way.
-- The partnership's figure holds a pound once: what its institutions pay each other is left out.
{{ config(materialized='table') }}

with basis as materialized (
    select
        institution_id,
        financial_year,
        basis,
        (row_number() over ())::int as basis_no
    from {{ ref('spend_basis') }}
    where is_counted
),

kpi as (select kpi_id, unit, measure, base from {{ ref('kpi') }} where base is not null),

-- Each base is a bit: so a supplier's lines are looked at once for all bases.
scope_base as (
    select
        base,
        scope,
        1 << (dense_rank() over (order by base))::int as base_bit
    from {{ ref('scope_base') }}
),

base as (select distinct base, base_bit from scope_base),

scope_bits as (
    select
        scope,
        bit_or(base_bit) as base_bits
    from scope_base
    group by scope
),

record as materialized (
    select
        supplier.supplier_record_id,
        supplier.supplier_id,
        profile_of.profile_no
    from {{ ref('dim_supplier') }} as supplier
    inner join {{ ref('int_kpi__profile_of') }} as profile_of
        on supplier.supplier_record_id = profile_of.supplier_record_id
),

-- Numbers rather than names are what all rows are grouped by.
supplier as (
    select
        supplier_id,
        (row_number() over ())::int as supplier_no,
        min(profile_no) = max(profile_no) as is_of_one_profile
    from record
    group by supplier_id
),

profile_status as (select profile_no, measure, definition_id, is_in from {{ ref('int_kpi__profile_status') }}),

spend as materialized (
    select
        basis.basis_no,
        coalesce(spend.quarter, 0) as quarter,
        spend.scope,
        scope_bits.base_bits,
        spend.supplier_record_id,
        record.profile_no,
        supplier.supplier_no,
        supplier.is_of_one_profile,
        spend.amount,
        spend.line_count
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
    inner join record on spend.supplier_record_id = record.supplier_record_id
    inner join supplier on record.supplier_id = supplier.supplier_id
    inner join scope_bits on spend.scope = scope_bits.scope
),

basis_quarter as (select distinct basis_no, quarter from spend),

-- The figures that pounds of a basis and quarter are counted in: of the institution and of the partnership, of the
-- quarter and of the year. Quarter 0 is the whole year, until the end: null joins nothing.
figure as materialized (
    select
        basis_quarter.basis_no,
        basis_quarter.quarter,
        basis.basis,
        shown.figure_of as institution_id,
        basis.financial_year,
        period.period_quarter,
        (dense_rank() over (order by shown.figure_of, basis.financial_year, period.period_quarter))::int as figure_no
    from basis_quarter
    inner join basis on basis_quarter.basis_no = basis.basis_no
    cross join lateral (values (basis.institution_id), ('partnership')) as shown (figure_of)
    cross join lateral (values (0), (nullif(basis_quarter.quarter, 0))) as period (period_quarter)
    where period.period_quarter is not null
),

figure_name as (
    select
        figure_no,
        institution_id,
        financial_year,
        period_quarter,
        string_agg(distinct basis, '+' order by basis) as basis
    from figure
    group by figure_no, institution_id, financial_year, period_quarter
),

-- Payments of a record are set off against its credits; a record without one needs no row of its own.
credited as (select distinct supplier_record_id from spend where amount < 0),

paid as materialized (
    select
        spend.basis_no,
        spend.quarter,
        spend.scope,
        spend.profile_no,
        credited.supplier_record_id,
        sum(spend.amount) as amount,
        sum(spend.line_count) as line_count
    from spend
    left join credited on spend.supplier_record_id = credited.supplier_record_id
    group by spend.basis_no, spend.quarter, spend.scope, spend.profile_no, credited.supplier_record_id
),

set_off as (
    select
        figure.figure_no,
        scope_base.base,
        paid.profile_no,
        sum(paid.amount) as amount,
        sum(paid.line_count) as line_count
    from paid
    inner join figure on paid.basis_no = figure.basis_no and paid.quarter = figure.quarter
    inner join scope_base on paid.scope = scope_base.scope
    where figure.institution_id <> 'partnership' or paid.scope <> 'between_anchors'
    group by
        figure.figure_no, scope_base.base, paid.profile_no, paid.supplier_record_id, paid.scope = 'between_anchors'
),

amount_of as (
    select
        figure_no,
        base,
        array[profile_no] as profiles,
        coalesce(sum(amount) filter (where amount < 0), 0) as credit,
        coalesce(sum(amount) filter (where amount > 0), 0) as debit,
        sum(line_count) as line_count,
        0 as supplier_count
    from set_off
    group by figure_no, base, profile_no
),

-- Nearly all suppliers have records of one profile; only of the others must the profiles be brought together.
of_one_profile as (
    select
        figure_no,
        base_bits,
        array[profile_no] as profiles,
        count(*) as supplier_count
    from (
        select
            figure.figure_no,
            spend.profile_no,
            bit_or(spend.base_bits) as base_bits
        from spend
        inner join figure on spend.basis_no = figure.basis_no and spend.quarter = figure.quarter
        where
            spend.is_of_one_profile
            and (figure.institution_id <> 'partnership' or spend.scope <> 'between_anchors')
        group by figure.figure_no, spend.supplier_no, spend.profile_no
    ) as one
    group by figure_no, base_bits, profile_no
),

of_many_profiles as (
    select
        figure.figure_no,
        scope_base.base,
        array_agg(distinct spend.profile_no) as profiles,
        1 as supplier_count
    from spend
    inner join figure on spend.basis_no = figure.basis_no and spend.quarter = figure.quarter
    inner join scope_base on spend.scope = scope_base.scope
    where
        not spend.is_of_one_profile
        and (figure.institution_id <> 'partnership' or spend.scope <> 'between_anchors')
    group by figure.figure_no, scope_base.base, spend.supplier_no
),

-- Pounds and suppliers are summed in one pass: joined, the planner takes the two sums for one row each and loops.
tally as materialized (
    select
        figure_no,
        base,
        profiles,
        sum(credit) as credit,
        sum(debit) as debit,
        sum(line_count) as line_count,
        sum(supplier_count) as supplier_count
    from (
        select * from amount_of
        union all
        select
            of_one_profile.figure_no,
            base.base,
            of_one_profile.profiles,
            0,
            0,
            0,
            of_one_profile.supplier_count
        from of_one_profile
        inner join base on (of_one_profile.base_bits & base.base_bit) > 0
        union all
        select
            figure_no,
            base,
            profiles,
            0,
            0,
            0,
            supplier_count
        from of_many_profiles
    ) as part
    group by figure_no, base, profiles
),

-- A supplier counts when any of its records does; it is unknown when none does and one of them may.
status as (
    select
        mixed.profiles,
        profile_status.measure,
        profile_status.definition_id,
        case
            when bool_or(profile_status.is_in) then true
            when bool_and(profile_status.is_in is not null) then false
        end as is_in
    from (select distinct profiles from tally) as mixed
    cross join lateral unnest(mixed.profiles) as one (profile_no)
    inner join profile_status on one.profile_no = profile_status.profile_no
    group by mixed.profiles, profile_status.measure, profile_status.definition_id
),

-- What has the same status under every definition of a measure is summed before it is spread over the definitions.
answer_of as materialized (
    select
        measure,
        profiles,
        definitions,
        statuses,
        (dense_rank() over (order by measure, definitions, statuses))::int as answer_no
    from (
        select
            measure,
            profiles,
            array_agg(definition_id order by definition_id) as definitions,
            array_agg(is_in order by definition_id) as statuses
        from status
        group by measure, profiles
    ) as answered
),

asked as (select distinct measure, base from kpi),

answered as (
    select
        tally.figure_no,
        tally.base,
        answer_of.answer_no,
        sum(tally.credit) as credit,
        sum(tally.debit) as debit,
        sum(tally.line_count) as line_count,
        sum(tally.supplier_count) as supplier_count
    from tally
    inner join answer_of on tally.profiles = answer_of.profiles
    inner join asked on tally.base = asked.base and answer_of.measure = asked.measure
    group by tally.figure_no, tally.base, answer_of.answer_no
),

answer as (
    select distinct
        answer_of.answer_no,
        answer_of.measure,
        one.definition_id,
        one.is_in
    from answer_of
    cross join lateral unnest(answer_of.definitions, answer_of.statuses) as one (definition_id, is_in)
),

summed as (
    select
        answered.figure_no,
        answered.base,
        answer.measure,
        answer.definition_id,
        coalesce(sum(answered.credit + answered.debit) filter (where answer.is_in), 0) as counted_amount,
        coalesce(sum(answered.credit + answered.debit) filter (where answer.is_in is not null), 0) as known_amount,
        coalesce(sum(answered.credit) filter (where answer.is_in is null), 0) as unknown_credit,
        coalesce(sum(answered.debit) filter (where answer.is_in is null), 0) as unknown_debit,
        sum(answered.credit + answered.debit) as total_amount,
        sum(answered.line_count)::bigint as line_count,
        sum(answered.supplier_count)::bigint as supplier_count,
        coalesce(sum(answered.supplier_count) filter (where answer.is_in), 0)::bigint as counted_supplier_count,
        coalesce(sum(answered.supplier_count) filter (where answer.is_in is null), 0)::bigint as unknown_supplier_count
    from answered
    inner join answer on answered.answer_no = answer.answer_no
    group by answered.figure_no, answered.base, answer.measure, answer.definition_id
)

select
    kpi.kpi_id,
    figure_name.institution_id,
    figure_name.financial_year,
    nullif(figure_name.period_quarter, 0) as quarter,
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
    figure_name.basis,
    summed.line_count,
    summed.supplier_count,
    summed.counted_supplier_count
from summed
inner join kpi on summed.measure = kpi.measure and summed.base = kpi.base
inner join figure_name on summed.figure_no = figure_name.figure_no
