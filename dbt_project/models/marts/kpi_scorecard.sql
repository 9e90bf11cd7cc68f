-- One row per KPI, institution (or `partnership`), financial year and definition.
-- value: the share among pounds whose place is known. value_low counts every pound of unknown place against, value_high
-- counts it for; a supplier record with more credits than payments moves the bound the other way.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

status as (select * from {{ ref('supplier_local') }}),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }}),

target as (select * from {{ ref('kpi_target') }} where kind = 'target'),

definition as (select kpi_id, unit, polarity from {{ ref('kpi_definition') }}),

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

counted as (
    select
        spend.institution_id,
        spend.financial_year,
        spend.basis,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count,
        supplier.supplier_id,
        status.definition_id,
        status.local_status
    from spend
    inner join basis using (institution_id, financial_year, basis)
    inner join status on spend.supplier_record_id = status.supplier_record_id
    inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by
        spend.institution_id, spend.financial_year, spend.basis, spend.supplier_record_id, supplier.supplier_id,
        status.definition_id, status.local_status
),

summed as (
    select
        coalesce(institution_id, 'partnership') as institution_id,
        financial_year,
        definition_id,
        string_agg(distinct basis, '+' order by basis) as basis,
        coalesce(sum(amount) filter (where local_status = 'local'), 0) as local_amount,
        coalesce(sum(amount) filter (where local_status <> 'unknown'), 0) as known_amount,
        coalesce(sum(amount) filter (where local_status = 'unknown' and amount < 0), 0) as unknown_credit,
        coalesce(sum(amount) filter (where local_status = 'unknown' and amount > 0), 0) as unknown_debit,
        sum(amount) as total_amount,
        sum(line_count)::bigint as line_count,
        count(distinct supplier_id) as supplier_count,
        count(distinct supplier_id) filter (where local_status = 'local') as local_supplier_count
    from counted
    group by grouping sets ((institution_id, financial_year, definition_id), (financial_year, definition_id))
),

measured as (
    select
        *,
        'local_spend_pct' as kpi_id,
        {{ share('local_amount', 'known_amount') }} as value,
        {{ share('local_amount + unknown_credit', 'total_amount') }} as value_low,
        {{ share('local_amount + unknown_debit', 'total_amount') }} as value_high,
        known_amount as denominator
    from summed
    union all
    select
        *,
        'local_spend_gbp',
        local_amount,
        local_amount + unknown_credit,
        local_amount + unknown_debit,
        null
    from summed
)

select
    measured.kpi_id,
    measured.institution_id,
    measured.financial_year,
    measured.definition_id,
    measured.value,
    measured.value_low,
    measured.value_high,
    measured.local_amount as numerator,
    measured.denominator,
    measured.total_amount,
    {{ share('measured.known_amount', 'measured.total_amount') }} as coverage,
    target.target,
    coalesce(target.target_status, 'none') as target_status,
    case
        when measured.value is null then 'no_data'
        when target.target_status is null then 'no_target'
        when target.target_status = 'tbc' then 'tbc'
        when definition.polarity = 'higher' and measured.value_low >= target.target then 'met'
        when definition.polarity = 'higher' and measured.value_high < target.target then 'missed'
        when definition.polarity = 'lower' and measured.value_high <= target.target then 'met'
        when definition.polarity = 'lower' and measured.value_low > target.target then 'missed'
        else 'uncertain'
    end as status,
    measured.basis,
    measured.line_count,
    measured.supplier_count,
    measured.local_supplier_count,
    coalesce(completeness.missing_months, 0) as missing_months,
    completeness.is_complete
from measured
inner join definition on measured.kpi_id = definition.kpi_id
left join completeness
    on measured.institution_id = completeness.institution_id and measured.financial_year = completeness.financial_year
left join target
    on
        measured.kpi_id = target.kpi_id
        and measured.institution_id = target.institution_id
        and measured.definition_id = target.definition_id
        and measured.financial_year = target.financial_year
