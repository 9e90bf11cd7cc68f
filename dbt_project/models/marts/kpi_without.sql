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

asked as (select distinct measure, base from {{ ref('kpi') }} where unit = 'share' and base is not null),

basis as materialized (
    select
        institution_id,
        financial_year,
        basis,
        (dense_rank() over (order by institution_id, financial_year))::int as year_no
    from {{ ref('spend_basis') }}
    where is_counted
),

institution_year as (select distinct institution_id, financial_year, year_no from basis),

scope_base as (
    select
        base,
        scope,
        (dense_rank() over (order by scope))::int as scope_no
    from {{ ref('scope_base') }}
),

scope as (select distinct scope, scope_no from scope_base),

contract_line as (
    select
        institution_id,
        financial_year,
        scope,
        supplier_record_id,
        contract_ref,
        sum(amount) as amount
    from {{ ref('fct_spend') }}
    where contract_ref is not null
    group by institution_id, financial_year, scope, supplier_record_id, contract_ref
),

-- Year and scope are one number: of a join by two keys the planner expects a handful of rows, and loops.
by_record as (
    select
        'supplier' as left_out,
        1000 * basis.year_no + scope.scope_no as source_no,
        spend.supplier_record_id,
        supplier.supplier_id,
        null::text as contract_institution_id,
        null::text as contract_ref,
        sum(spend.amount) as amount
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
    inner join scope on spend.scope = scope.scope
    inner join {{ ref('dim_supplier') }} as supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by 1000 * basis.year_no + scope.scope_no, spend.supplier_record_id, supplier.supplier_id
    union all
    select
        'contract',
        1000 * institution_year.year_no + scope.scope_no,
        contract_line.supplier_record_id,
        null,
        contract_line.institution_id,
        contract_line.contract_ref,
        contract_line.amount
    from contract_line
    inner join institution_year
        on
            contract_line.institution_id = institution_year.institution_id
            and contract_line.financial_year = institution_year.financial_year
    inner join scope on contract_line.scope = scope.scope
),

-- Two contracts of one reference are of two institutions.
part as materialized (
    select
        *,
        dense_rank() over (
            order by left_out, supplier_id, concat_ws(' ', contract_institution_id, contract_ref)
        ) as part_no
    from by_record
),

part_of_figure as materialized (
    select
        1000 * institution_year.year_no + scope_base.scope_no as source_no,
        shown.figure_of as institution_id,
        institution_year.financial_year,
        scope_base.base,
        dense_rank() over (order by shown.figure_of, institution_year.financial_year, scope_base.base) as figure_no
    from institution_year
    cross join scope_base
    cross join lateral (values (institution_year.institution_id), ('partnership')) as shown (figure_of)
    where
        (shown.figure_of <> 'partnership' or scope_base.scope <> 'between_anchors')
        and scope_base.base in (select asked.base from asked)
),

ranked as (
    select
        part_of_figure.figure_no,
        part.part_no,
        sum(part.amount) as amount,
        row_number() over (
            partition by part_of_figure.figure_no, part.left_out
            order by sum(part.amount) desc, part.part_no asc
        ) as rank
    from part
    inner join part_of_figure on part.source_no = part_of_figure.source_no
    group by part_of_figure.figure_no, part.left_out, part.part_no
),

top as materialized (
    select ranked.*
    from ranked
    inner join rule on ranked.rank <= rule.top_suppliers
),

profile_of as (select supplier_record_id, profile_no from {{ ref('int_kpi__profile_of') }}),

profile_status as (select profile_no, measure, definition_id, is_in from {{ ref('int_kpi__profile_status') }}),

counted as materialized (
    select
        top.figure_no,
        top.part_no,
        top.rank,
        top.amount,
        status.measure,
        status.definition_id,
        coalesce(sum(part.amount) filter (where status.is_in), 0) as counted_amount,
        coalesce(sum(part.amount) filter (where status.is_in is not null), 0) as known_amount
    from part
    inner join part_of_figure on part.source_no = part_of_figure.source_no
    inner join top on part_of_figure.figure_no = top.figure_no and part.part_no = top.part_no
    inner join profile_of on part.supplier_record_id = profile_of.supplier_record_id
    inner join profile_status as status on profile_of.profile_no = status.profile_no
    where part.part_no in (select one.part_no from top as one)
    group by top.figure_no, top.part_no, top.rank, top.amount, status.measure, status.definition_id
),

what as (
    select distinct
        part_no,
        left_out,
        supplier_id,
        contract_institution_id,
        contract_ref
    from part
),

figure_name as (select distinct figure_no, institution_id, financial_year, base from part_of_figure),

-- Before it meets the figures: by measure and definition alone each part would meet the figures of every year.
left_out_of as materialized (
    select
        what.left_out,
        what.supplier_id,
        what.contract_institution_id,
        what.contract_ref,
        counted.rank,
        counted.amount,
        counted.counted_amount,
        counted.known_amount,
        concat_ws(
            ' ', figure_name.institution_id, figure_name.financial_year, figure_name.base, counted.measure,
            counted.definition_id
        ) as figure_key
    from counted
    inner join what on counted.part_no = what.part_no
    inner join figure_name on counted.figure_no = figure_name.figure_no
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
