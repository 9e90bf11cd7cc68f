-- One row per institution, financial year, KPI and step from everything its files hold down to the KPI's denominator.
-- Changes add up to the subtotals, which are each summed by a way of their own; so a step that loses a pound shows.
with basis as (select * from {{ ref('spend_basis') }}),

spend as (
    select spend.*
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join basis using (institution_id, financial_year, basis)
    where basis.is_counted
),

scope as (select * from {{ ref('dim_scope') }}),

scope_base as (select base, scope from {{ ref('scope_base') }}),

kpi as (select kpi_id, measure, base, headline_definition from {{ ref('kpi') }} where base is not null),

status as (select measure, definition_id, supplier_record_id, is_in from {{ ref('supplier_status') }}),

book as (
    select
        institution_id,
        financial_year,
        sum(amount + amount_detail + amount_twin) as loaded,
        sum(line_count + lines_detail + lines_twin)::bigint as lines_loaded,
        sum(amount_detail) as detail,
        sum(lines_detail)::bigint as lines_detail,
        sum(amount_twin) as twin,
        sum(lines_twin)::bigint as lines_twin,
        coalesce(sum(amount) filter (where not is_counted), 0) as second_opinion,
        coalesce(sum(line_count) filter (where not is_counted), 0)::bigint as lines_second_opinion,
        coalesce(sum(amount) filter (where is_counted), 0) as counted,
        coalesce(sum(line_count) filter (where is_counted), 0)::bigint as lines_counted
    from basis
    group by institution_id, financial_year
),

by_scope as (
    select
        institution_id,
        financial_year,
        scope,
        sum(amount) as amount,
        sum(line_count)::bigint as line_count
    from spend
    group by institution_id, financial_year, scope
),

-- Every scope of every institution and year, at no pounds where there are none.
scoped as (
    select
        book.institution_id,
        book.financial_year,
        scope.scope,
        scope.position,
        scope.is_influenceable,
        scope.description,
        coalesce(by_scope.amount, 0) as amount,
        coalesce(by_scope.line_count, 0) as line_count
    from book
    cross join scope
    left join by_scope
        on
            book.institution_id = by_scope.institution_id
            and book.financial_year = by_scope.financial_year
            and scope.scope = by_scope.scope
),

based as (
    select
        scoped.institution_id,
        scoped.financial_year,
        scope_base.base,
        sum(scoped.amount) as amount,
        sum(scoped.line_count)::bigint as line_count
    from scoped
    inner join scope_base on scoped.scope = scope_base.scope
    group by scoped.institution_id, scoped.financial_year, scope_base.base
),

judged as (
    select
        measure,
        headline_definition,
        (row_number() over ())::int as judged_no
    from (select distinct kpi.measure, kpi.headline_definition from kpi) as one
),

-- Quarters are summed before each record meets its statuses, and KPIs of one measure read the same sums.
by_record as materialized (
    select
        institution_id,
        financial_year,
        scope,
        supplier_record_id,
        sum(amount) as amount,
        sum(line_count) as line_count
    from spend
    group by institution_id, financial_year, scope, supplier_record_id
),

by_status as (
    select
        by_record.institution_id,
        by_record.financial_year,
        by_record.scope,
        judged.judged_no,
        status.is_in is not null as is_known,
        sum(by_record.amount) as amount,
        sum(by_record.line_count) as line_count
    from by_record
    inner join status on by_record.supplier_record_id = status.supplier_record_id
    inner join judged on status.measure = judged.measure and status.definition_id = judged.headline_definition
    group by
        by_record.institution_id, by_record.financial_year, by_record.scope, judged.judged_no,
        status.is_in is not null
),

known as (
    select
        by_status.institution_id,
        by_status.financial_year,
        kpi.kpi_id,
        coalesce(sum(by_status.amount) filter (where not by_status.is_known), 0) as unknown,
        coalesce(sum(by_status.line_count) filter (where not by_status.is_known), 0)::bigint as lines_unknown,
        coalesce(sum(by_status.amount) filter (where by_status.is_known), 0) as known,
        coalesce(sum(by_status.line_count) filter (where by_status.is_known), 0)::bigint as lines_known
    from by_status
    inner join judged on by_status.judged_no = judged.judged_no
    inner join scope_base on by_status.scope = scope_base.scope
    inner join kpi
        on
            scope_base.base = kpi.base
            and judged.measure = kpi.measure
            and judged.headline_definition = kpi.headline_definition
    group by by_status.institution_id, by_status.financial_year, kpi.kpi_id
),

step as (
    select
        book.institution_id,
        book.financial_year,
        kpi.kpi_id,
        part.step_no,
        part.step,
        part.description,
        null as scope,
        part.is_subtotal,
        part.amount,
        part.line_count
    from book
    cross join kpi
    cross join
        lateral (
            values
            (100, 'loaded', 'all lines of the files that count', false, book.loaded, book.lines_loaded),
            (
                110, 'detail', 'less: feeds that detail another feed',
                false, -book.detail, -book.lines_detail
            ),
            (120, 'twin', 'less: lines that came by another feed too', false, -book.twin, -book.lines_twin),
            (
                130, 'second_opinion', 'less: bases that are a second opinion',
                false, -book.second_opinion, -book.lines_second_opinion
            ),
            (200, 'counted', 'counted spend', true, book.counted, book.lines_counted)
        ) as part (step_no, step, description, is_subtotal, amount, line_count)

    union all

    select
        scoped.institution_id,
        scoped.financial_year,
        kpi.kpi_id,
        part.step_no + scoped.position,
        part.step || scoped.scope,
        part.description || scoped.description,
        scoped.scope,
        false,
        part.sign * scoped.amount,
        part.sign * scoped.line_count
    from scoped
    cross join kpi
    left join scope_base on kpi.base = scope_base.base and scoped.scope = scope_base.scope
    inner join
        (
            values
            (200, 'less_', 'less: ', -1),
            (300, 'plus_', 'plus, as the KPI counts it: ', 1),
            (300, 'less_', 'less, as the KPI does not count it: ', -1)
        ) as part (step_no, step, description, sign)
        on case
            when part.step_no = 200 then not scoped.is_influenceable
            when part.sign = 1 then not scoped.is_influenceable and scope_base.scope is not null
            else scoped.is_influenceable and scope_base.scope is null
        end

    union all

    select
        scoped.institution_id,
        scoped.financial_year,
        kpi.kpi_id,
        300,
        'influenceable',
        'spend that can be influenced',
        null,
        true,
        sum(scoped.amount),
        sum(scoped.line_count)::bigint
    from scoped
    cross join kpi
    where scoped.is_influenceable
    group by scoped.institution_id, scoped.financial_year, kpi.kpi_id

    union all

    select
        based.institution_id,
        based.financial_year,
        kpi.kpi_id,
        400,
        'base',
        'base of the KPI: ' || kpi.base,
        null,
        true,
        based.amount,
        based.line_count
    from based
    inner join kpi on based.base = kpi.base

    union all

    select
        known.institution_id,
        known.financial_year,
        known.kpi_id,
        part.step_no,
        part.step,
        part.description,
        null,
        part.is_subtotal,
        part.amount,
        part.line_count
    from known
    cross join
        lateral (
            values
            (410, 'unknown', 'less: paid to suppliers of unknown status', false, -known.unknown, -known.lines_unknown),
            (500, 'denominator', 'denominator of the KPI', true, known.known, known.lines_known)
        ) as part (step_no, step, description, is_subtotal, amount, line_count)
)

select
    institution_id,
    financial_year,
    kpi_id,
    step_no,
    step,
    description,
    scope,
    is_subtotal,
    amount,
    line_count,
    sum(case when is_subtotal then 0 else amount end) over downwards as running_amount,
    (sum(case when is_subtotal then 0 else line_count end) over downwards)::bigint as running_lines
from step
window
    downwards as (
        partition by institution_id, financial_year, kpi_id
        order by step_no
        rows between unbounded preceding and current row
    )
