-- One row per KPI, institution (or `partnership`), financial year and definition.
-- value: the share among pounds whose status is known. value_low counts every pound of unknown status against,
-- value_high counts it for; a supplier record with more credits than payments moves the bound the other way. The
-- partnership's figure holds a pound once: what its institutions pay each other is left out.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

scope_base as (select base, scope from {{ ref('scope_base') }}),

kpi as (select kpi_id, unit, polarity, measure, base from {{ ref('kpi') }}),

status as (select measure, definition_id, supplier_record_id, is_in from {{ ref('supplier_status') }}),

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

counted as (select distinct measure, base from kpi),

summed as (
    select
        figure.institution_id,
        figure.financial_year,
        counted.measure,
        counted.base,
        status.definition_id,
        coalesce(sum(figure.amount) filter (where status.is_in), 0) as counted_amount,
        coalesce(sum(figure.amount) filter (where status.is_in is not null), 0) as known_amount,
        coalesce(sum(figure.amount) filter (where status.is_in is null and figure.amount < 0), 0) as unknown_credit,
        coalesce(sum(figure.amount) filter (where status.is_in is null and figure.amount > 0), 0) as unknown_debit,
        sum(figure.amount) as total_amount,
        sum(figure.line_count)::bigint as line_count,
        count(distinct figure.supplier_id) as supplier_count,
        count(distinct figure.supplier_id) filter (where status.is_in) as counted_supplier_count
    from figure
    inner join counted on figure.base = counted.base
    inner join status
        on counted.measure = status.measure and figure.supplier_record_id = status.supplier_record_id
    group by figure.institution_id, figure.financial_year, counted.measure, counted.base, status.definition_id
),

measured as (
    select
        kpi.kpi_id,
        kpi.polarity,
        summed.*,
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
