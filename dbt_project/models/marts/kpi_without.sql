-- One row per share KPI on spend, institution (or `partnership`), financial year, definition and supplier or contract,
-- of those with most pounds: the figure without that one, worked out again from the pounds that are left.
-- A contract is one institution's reference; two institutions' equal references are two contracts.
with figure as materialized (
    select
        score.*,
        concat_ws(
            ' ', score.institution_id, score.financial_year, kpi.base, kpi.measure, score.definition_id
        ) as figure_key
    from {{ ref('kpi_scorecard') }} as score
    inner join {{ ref('kpi') }} as kpi on score.kpi_id = kpi.kpi_id
    where kpi.unit = 'share' and kpi.base is not null
),

rule as (
    select
        max(value) filter (where rule_id = 'top_suppliers') as top_suppliers,
        max(value) filter (where rule_id = 'moves_figure') as moves_figure
    from {{ ref('comparison_rule') }}
),

profile_of as (select supplier_record_id, profile_no from {{ ref('int_kpi__profile_of') }}),

profile_status as (select profile_no, measure, definition_id, is_in from {{ ref('int_kpi__profile_status') }}),

by_record as (
    select
        'supplier' as left_out,
        spend.institution_id,
        spend.financial_year,
        spend.scope,
        spend.supplier_record_id,
        supplier.supplier_id,
        null::text as contract_institution_id,
        null::text as contract_ref,
        spend.amount
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join {{ ref('spend_basis') }} as basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
            and basis.is_counted
    inner join {{ ref('dim_supplier') }} as supplier on spend.supplier_record_id = supplier.supplier_record_id
    union all
    select
        'contract',
        institution_id,
        financial_year,
        scope,
        supplier_record_id,
        null,
        institution_id as contract_of,
        contract_ref,
        sum(amount)
    from {{ ref('fct_spend') }}
    where contract_ref is not null
    group by institution_id, financial_year, scope, supplier_record_id, contract_ref
),

-- One key of the figure and what is left out of it: two contracts of one reference are of two institutions.
part as materialized (
    select
        concat_ws(
            ' ', by_record.left_out, shown.figure_of, by_record.financial_year, scope_base.base, by_record.supplier_id,
            by_record.contract_institution_id, by_record.contract_ref
        ) as part_key,
        by_record.left_out,
        shown.figure_of as institution_id,
        by_record.financial_year,
        scope_base.base,
        by_record.supplier_id,
        by_record.contract_institution_id,
        by_record.contract_ref,
        by_record.supplier_record_id,
        sum(by_record.amount) as amount
    from by_record
    inner join {{ ref('scope_base') }} as scope_base on by_record.scope = scope_base.scope
    cross join lateral (values (by_record.institution_id), ('partnership')) as shown (figure_of)
    where shown.figure_of <> 'partnership' or by_record.scope <> 'between_anchors'
    group by
        by_record.left_out, shown.figure_of, by_record.financial_year, scope_base.base, by_record.supplier_id,
        by_record.contract_institution_id, by_record.contract_ref, by_record.supplier_record_id
),

ranked as (
    select
        part_key,
        left_out,
        institution_id,
        financial_year,
        base,
        supplier_id,
        contract_institution_id,
        contract_ref,
        sum(amount) as amount,
        row_number() over (
            partition by left_out, institution_id, financial_year, base
            order by sum(amount) desc, part_key asc
        ) as rank
    from part
    group by
        part_key, left_out, institution_id, financial_year, base, supplier_id, contract_institution_id, contract_ref
),

top as materialized (
    select ranked.*
    from ranked
    inner join rule on ranked.rank <= rule.top_suppliers
),

counted as materialized (
    select
        part.part_key,
        status.measure,
        status.definition_id,
        coalesce(sum(part.amount) filter (where status.is_in), 0) as counted_amount,
        coalesce(sum(part.amount) filter (where status.is_in is not null), 0) as known_amount
    from part
    inner join profile_of on part.supplier_record_id = profile_of.supplier_record_id
    inner join profile_status as status on profile_of.profile_no = status.profile_no
    where part.part_key in (select top.part_key from top)
    group by part.part_key, status.measure, status.definition_id
),

-- Before it meets the figures: by measure and definition alone each part would meet the figures of every year.
left_out_of as materialized (
    select
        top.*,
        counted.measure,
        counted.definition_id,
        counted.counted_amount,
        counted.known_amount,
        concat_ws(
            ' ', top.institution_id, top.financial_year, top.base, counted.measure, counted.definition_id
        ) as figure_key
    from top
    inner join counted on top.part_key = counted.part_key
),

named as materialized (select distinct supplier_id, supplier_name from {{ ref('dim_supplier') }}),

compared as (
    select
        figure.kpi_id,
        figure.institution_id,
        figure.financial_year,
        figure.definition_id,
        one.left_out,
        one.rank,
        one.supplier_id,
        one.contract_institution_id,
        one.contract_ref,
        one.amount,
        figure.value,
        {{ share('figure.numerator - one.counted_amount', 'figure.denominator - one.known_amount') }} as value_without
    from left_out_of as one
    inner join figure on one.figure_key = figure.figure_key
)

select
    compared.kpi_id,
    compared.institution_id,
    compared.financial_year,
    compared.definition_id,
    compared.left_out,
    compared.rank::integer as rank,
    compared.supplier_id,
    named.supplier_name,
    compared.contract_institution_id,
    compared.contract_ref,
    compared.amount,
    compared.value,
    compared.value_without,
    trim_scale(compared.value_without - compared.value) as difference,
    abs(compared.value_without - compared.value) > rule.moves_figure as moves_figure
from compared
cross join rule
left join named on compared.supplier_id = named.supplier_id
