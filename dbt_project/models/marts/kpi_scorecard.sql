-- One row per KPI, institution (or `partnership`), financial year and definition.
-- value: the share among pounds whose status is known. value_low counts every pound of unknown status against,
-- value_high counts it for; a supplier record with more credits than payments moves the bound the other way. The
-- partnership's figure holds a pound once: what its institutions pay each other is left out.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

scope_base as (select base, scope from {{ ref('scope_base') }}),

kpi as (select kpi_id, unit, polarity, measure, base from {{ ref('kpi') }}),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }}),

target as (select * from {{ ref('kpi_target') }} where kind = 'target'),

coverage as (select * from {{ ref('feed_coverage') }} where is_counted),

-- Nothing promised: whether all is there, nobody can say.
promised as (
    select
        institution_id,
        financial_year,
        count(*) filter (where status in ('missing', 'empty')) as missing_months,
        case
            when bool_and(status = 'not_promised') then null
            else bool_and(status not in ('missing', 'empty', 'not_due'))
        end as is_complete
    from coverage
    group by institution_id, financial_year
),

-- The partnership's figure misses the months of every institution, also of one that has no figure for the year.
completeness as (
    select * from promised
    union all
    select
        'partnership',
        financial_year,
        sum(missing_months)::bigint,
        case when bool_or(not is_complete) then false when bool_or(is_complete is null) then null else true end
    from promised
    group by financial_year
),

bases as (
    select
        coalesce(institution_id, 'partnership') as institution_id,
        financial_year,
        string_agg(distinct basis, '+' order by basis) as basis
    from basis
    group by grouping sets ((institution_id, financial_year), (financial_year))
),

paid as (
    select
        spend.institution_id,
        spend.financial_year,
        scope_base.base,
        spend.scope = 'between_anchors' as is_between_anchors,
        spend.supplier_record_id,
        supplier.supplier_id,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count
    from spend
    inner join basis using (institution_id, financial_year, basis)
    inner join scope_base on spend.scope = scope_base.scope
    inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by
        spend.institution_id, spend.financial_year, scope_base.base, spend.scope = 'between_anchors',
        spend.supplier_record_id, supplier.supplier_id
),

figure as (
    select
        institution_id, financial_year, base, supplier_record_id, supplier_id, amount, line_count
    from paid
    union all
    select
        'partnership', financial_year, base, supplier_record_id, supplier_id, amount, line_count
    from paid
    where not is_between_anchors
),

-- Records of one profile count alike under every definition. There are some hundred profiles, so pounds are summed by
-- profile and spread over the definitions afterwards: each record under each would be a hundred times the rows.
profile_of as (
    select
        supplier_record_id,
        dense_rank() over (order by profile) as profile_no,
        profile
    from (
        select
            supplier_record_id,
            array_agg(
                measure || ' ' || definition_id || ' ' || coalesce(is_in::text, 'unknown')
                order by measure, definition_id
            ) as profile
        from {{ ref('supplier_status') }}
        group by supplier_record_id
    ) as grouped
),

profile_status as (
    select
        one.profile_no,
        split_part(one.entry, ' ', 1) as measure,
        split_part(one.entry, ' ', 2) as definition_id,
        nullif(split_part(one.entry, ' ', 3), 'unknown')::boolean as is_in
    from (select distinct profile_no, unnest(profile) as entry from profile_of) as one
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
        base,
        profile_no,
        coalesce(sum(amount) filter (where amount < 0), 0) as credit,
        coalesce(sum(amount) filter (where amount > 0), 0) as debit,
        sum(line_count)::bigint as line_count
    from profiled
    group by institution_id, financial_year, base, profile_no
),

summed as (
    select
        amount_of.institution_id,
        amount_of.financial_year,
        amount_of.base,
        status.measure,
        status.definition_id,
        coalesce(sum(amount_of.credit + amount_of.debit) filter (where status.is_in), 0) as counted_amount,
        coalesce(sum(amount_of.credit + amount_of.debit) filter (where status.is_in is not null), 0) as known_amount,
        coalesce(sum(amount_of.credit) filter (where status.is_in is null), 0) as unknown_credit,
        coalesce(sum(amount_of.debit) filter (where status.is_in is null), 0) as unknown_debit,
        sum(amount_of.credit + amount_of.debit) as total_amount,
        sum(amount_of.line_count)::bigint as line_count
    from amount_of
    inner join profile_status as status on amount_of.profile_no = status.profile_no
    group by
        amount_of.institution_id, amount_of.financial_year, amount_of.base, status.measure, status.definition_id
),

-- A supplier counts when any of its records does.
suppliers_of as (
    select
        institution_id,
        financial_year,
        base,
        profiles,
        count(*) as supplier_count
    from (
        select
            institution_id,
            financial_year,
            base,
            array_agg(distinct profile_no) as profiles
        from profiled
        group by institution_id, financial_year, base, supplier_id
    ) as one
    group by institution_id, financial_year, base, profiles
),

supplier_counted as (
    select
        suppliers_of.institution_id,
        suppliers_of.financial_year,
        suppliers_of.base,
        status.measure,
        status.definition_id,
        sum(suppliers_of.supplier_count)::bigint as supplier_count,
        coalesce(sum(suppliers_of.supplier_count) filter (where status.is_in), 0)::bigint as counted_supplier_count
    from suppliers_of
    cross join
        lateral (
            select
                profile_status.measure,
                profile_status.definition_id,
                bool_or(profile_status.is_in) as is_in
            from profile_status
            where profile_status.profile_no = any(suppliers_of.profiles)
            group by profile_status.measure, profile_status.definition_id
        ) as status
    group by
        suppliers_of.institution_id, suppliers_of.financial_year, suppliers_of.base, status.measure,
        status.definition_id
),

measured as (
    select
        kpi.kpi_id,
        kpi.polarity,
        summed.*,
        supplier_counted.supplier_count,
        supplier_counted.counted_supplier_count,
        case kpi.unit
            when 'share' then {{ share('summed.counted_amount', 'summed.known_amount') }} else summed.counted_amount
        end as value,
        case kpi.unit
            when 'share' then {{ share('summed.counted_amount + summed.unknown_credit', 'summed.total_amount') }}
            else summed.counted_amount + summed.unknown_credit
        end as value_low,
        case kpi.unit
            when 'share' then {{ share('summed.counted_amount + summed.unknown_debit', 'summed.total_amount') }}
            else summed.counted_amount + summed.unknown_debit
        end as value_high,
        case kpi.unit when 'share' then summed.known_amount end as denominator
    from summed
    inner join kpi on summed.measure = kpi.measure and summed.base = kpi.base
    inner join supplier_counted
        on
            summed.institution_id = supplier_counted.institution_id
            and summed.financial_year = supplier_counted.financial_year
            and summed.base = supplier_counted.base
            and summed.measure = supplier_counted.measure
            and summed.definition_id = supplier_counted.definition_id
)

select
    measured.kpi_id,
    measured.institution_id,
    measured.financial_year,
    measured.definition_id,
    measured.value,
    measured.value_low,
    measured.value_high,
    measured.counted_amount as numerator,
    measured.denominator,
    measured.total_amount,
    {{ share('measured.known_amount', 'measured.total_amount') }} as coverage,
    target.target,
    coalesce(target.target_status, 'none') as target_status,
    case
        when measured.value is null then 'no_data'
        when target.target_status is null then 'no_target'
        when target.target_status = 'tbc' then 'tbc'
        when measured.polarity = 'higher' and measured.value_low >= target.target then 'met'
        when measured.polarity = 'higher' and measured.value_high < target.target then 'missed'
        when measured.polarity = 'lower' and measured.value_high <= target.target then 'met'
        when measured.polarity = 'lower' and measured.value_low > target.target then 'missed'
        else 'uncertain'
    end as status,
    bases.basis,
    measured.line_count,
    measured.supplier_count,
    measured.counted_supplier_count,
    coalesce(completeness.missing_months, 0) as missing_months,
    completeness.is_complete
from measured
inner join bases
    on measured.institution_id = bases.institution_id and measured.financial_year = bases.financial_year
left join completeness
    on measured.institution_id = completeness.institution_id and measured.financial_year = completeness.financial_year
left join target
    on
        measured.kpi_id = target.kpi_id
        and measured.institution_id = target.institution_id
        and measured.definition_id = target.definition_id
        and measured.financial_year = target.financial_year
