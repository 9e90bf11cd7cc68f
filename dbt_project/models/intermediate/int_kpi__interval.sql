-- One row per KPI on spend, institution (or `partnership`), financial year and definition, of KPIs that count pounds
-- by place, size or sector: the least and the most it can be, and where it lies nine times in ten;
-- docs/explanation/bounds.md.
-- A status is right with the reliability of its evidence; else it says nothing, and the supplier is as any other, like
-- those of unknown status: counted with the figure's own share. So a record counts with probability
--     reliability * status + (1 - reliability) * share
-- and a supplier is one draw, whatever its records: its standard deviations add up, those of suppliers are independent.
{{ config(materialized='table') }}

with kpi as (select kpi_id, unit, measure, base from {{ ref('kpi') }} where unit in ('share', 'pounds')),

sure as (select value as reliability from {{ ref('comparison_rule') }} where rule_id = 'sure_reliability'),

rule as (
    select
        measure,
        coalesce(evidence, '') as evidence,
        coalesce(certainty, '') as certainty,
        coalesce(stands_on, '') as stands_on,
        reliability
    from {{ ref('status_reliability') }}
),

supplier as (
    select supplier_record_id, supplier_id, link_probability, register_probability from {{ ref('dim_supplier') }}
),

judged as materialized (
    select
        measure,
        definition_id,
        (row_number() over (order by measure, definition_id))::int as judged_no
    from (
        select distinct
            'local' as measure,
            definition_id
        from {{ ref('supplier_local') }}
        union all
        select distinct
            'sme' as measure,
            definition_id
        from {{ ref('supplier_size') }}
        union all
        select distinct
            'vcs' as measure,
            definition_id
        from {{ ref('supplier_sector') }}
    ) as one
),

-- The status as a number: 1 in, 0 out, between them the share of a district that is in.
stated as (
    select
        'local' as measure,
        place.definition_id,
        place.supplier_record_id,
        place.local_probability as status,
        rule.reliability * case rule.stands_on
            when 'link' then supplier.link_probability
            when 'register' then supplier.register_probability
            else 1
        end as reliability
    from {{ ref('supplier_local') }} as place
    inner join supplier on place.supplier_record_id = supplier.supplier_record_id
    left join rule on rule.measure = 'local' and place.location_evidence = rule.evidence
    union all
    select
        'sme',
        size.definition_id,
        size.supplier_record_id,
        case size.sme_status when 'sme' then 1 when 'not_sme' then 0 end,
        coalesce(special.reliability, general.reliability)
    from {{ ref('supplier_size') }} as size
    left join rule as special
        on special.measure = 'sme' and size.evidence_id = special.evidence and size.certainty = special.certainty
    left join rule as general
        on general.measure = 'sme' and general.evidence = '' and size.certainty = general.certainty
    union all
    select
        'vcs',
        sector.definition_id,
        sector.supplier_record_id,
        case sector.vcs_status when 'voluntary' then 1 when 'not_voluntary' then 0 end,
        general.reliability
    from {{ ref('supplier_sector') }} as sector
    left join rule as general
        on general.measure = 'vcs' and general.evidence = '' and sector.certainty = general.certainty
),

-- What is said of a record under a definition, as one number, for numbers are soon sorted: the definition's, then
-- in four digits each the thousandths of the status (9999 where it is unknown) and of its reliability.
said as (
    select
        stated.supplier_record_id,
        judged.judged_no * 100000000::bigint + case
            when stated.status is null then 99990000
            else (1000 * round(stated.status, 3))::int * 10000 + coalesce((1000 * round(stated.reliability, 3))::int, 0)
        end as answer
    from stated
    inner join judged on stated.measure = judged.measure and stated.definition_id = judged.definition_id
),

-- Records of one profile count alike under every definition of every measure.
profile_of as materialized (
    select
        supplier_record_id,
        answers,
        (dense_rank() over (order by answers))::int as profile_no
    from (
        select
            supplier_record_id,
            array_agg(answer order by answer) as answers
        from said
        group by supplier_record_id
    ) as grouped
),

profile_answer as materialized (
    select
        one.profile_no,
        one.answer,
        judged.measure,
        judged.judged_no
    from (select distinct profile_no, unnest(answers) as answer from profile_of) as one
    inner join judged on one.answer / 100000000 = judged.judged_no
),

-- Profiles of one part count alike under every definition of its measure.
profile_part as materialized (
    select
        profile_no,
        measure,
        answers,
        (dense_rank() over (order by answers))::int as part_no
    from (
        select
            profile_no,
            measure,
            array_agg(answer order by answer) as answers
        from profile_answer
        group by profile_no, measure
    ) as grouped
),

part_status as materialized (
    select
        one.part_no,
        one.judged_no,
        one.status,
        one.reliability,
        one.status in (0, 1) and one.reliability >= sure.reliability as is_sure
    from (
        select distinct
            part_no,
            answer / 100000000 as judged_no,
            trim_scale(nullif(answer / 10000 % 10000, 9999) / 1000.0) as status,
            trim_scale(answer % 10000 / 1000.0) as reliability
        from (select distinct part_no, unnest(answers) as answer from profile_part) as answered
    ) as one
    cross join sure
),

record as (
    select
        supplier.supplier_record_id,
        supplier.supplier_id,
        profile_of.profile_no
    from supplier
    inner join profile_of on supplier.supplier_record_id = profile_of.supplier_record_id
),

-- Numbers rather than names are what all rows are grouped by.
paid_supplier as (
    select
        supplier_id,
        (row_number() over ())::int as supplier_no,
        min(profile_no) = max(profile_no) as is_of_one_profile
    from record
    group by supplier_id
),

basis as materialized (
    select
        institution_id,
        financial_year,
        basis,
        (row_number() over ())::int as basis_no
    from {{ ref('spend_basis') }}
    where is_counted
),

scope_base as (
    select
        base,
        scope,
        (dense_rank() over (order by scope))::int as scope_no
    from {{ ref('scope_base') }}
),

scope as (select distinct scope, scope_no from scope_base),

-- The figures that the pounds of a basis and scope are counted in: of the institution and of the partnership. Here and
-- below two keys are one number: of a join by two the planner expects a handful of rows, and loops.
figure as materialized (
    select
        1000 * basis.basis_no + scope_base.scope_no as source_no,
        shown.figure_of as institution_id,
        basis.financial_year,
        scope_base.base,
        (dense_rank() over (order by shown.figure_of, basis.financial_year, scope_base.base))::int as figure_no
    from basis
    cross join scope_base
    cross join lateral (values (basis.institution_id), ('partnership')) as shown (figure_of)
    where
        (shown.figure_of <> 'partnership' or scope_base.scope <> 'between_anchors')
        and scope_base.base in (select kpi.base from kpi)
),

figure_name as (select distinct figure_no, institution_id, financial_year, base from figure),

paid as (
    select
        1000 * basis.basis_no + scope.scope_no as source_no,
        spend.supplier_record_id,
        sum(spend.amount) as amount
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
    inner join scope on spend.scope = scope.scope
    group by 1000 * basis.basis_no + scope.scope_no, spend.supplier_record_id
),

spend as materialized (
    select
        paid.source_no,
        paid.supplier_record_id,
        record.profile_no,
        paid_supplier.supplier_no,
        paid_supplier.is_of_one_profile,
        paid.amount
    from paid
    inner join record on paid.supplier_record_id = record.supplier_record_id
    inner join paid_supplier on record.supplier_id = paid_supplier.supplier_id
),

-- Payments of a record are set off against its credits; a record without one needs no row of its own.
credited as (select distinct supplier_record_id from spend where amount < 0),

by_profile as (
    select
        spend.source_no,
        spend.profile_no,
        credited.supplier_record_id,
        sum(spend.amount) as amount
    from spend
    left join credited on spend.supplier_record_id = credited.supplier_record_id
    group by spend.source_no, spend.profile_no, credited.supplier_record_id
),

set_off as (
    select
        figure.figure_no,
        by_profile.profile_no,
        sum(by_profile.amount) as amount
    from by_profile
    inner join figure on by_profile.source_no = figure.source_no
    group by figure.figure_no, by_profile.profile_no, by_profile.supplier_record_id
),

pounds as (
    select
        figure_no,
        profile_no,
        sum(amount) as amount,
        coalesce(sum(amount) filter (where amount > 0), 0) as debit,
        coalesce(sum(amount) filter (where amount < 0), 0) as credit
    from set_off
    group by figure_no, profile_no
),

of_one as (
    select
        figure_no,
        profile_no,
        sum(amount * amount) as squares
    from (
        select
            figure.figure_no,
            spend.supplier_no,
            spend.profile_no,
            sum(spend.amount) as amount
        from spend
        inner join figure on spend.source_no = figure.source_no
        where spend.is_of_one_profile
        group by figure.figure_no, spend.supplier_no, spend.profile_no
    ) as one
    group by figure_no, profile_no
),

of_many as (
    select
        figure.figure_no,
        spend.supplier_no,
        spend.profile_no,
        sum(spend.amount) as amount
    from spend
    inner join figure on spend.source_no = figure.source_no
    where not spend.is_of_one_profile
    group by figure.figure_no, spend.supplier_no, spend.profile_no
),

part as materialized (
    select
        of_many.figure_no,
        profile_part.measure,
        profile_part.part_no,
        of_many.supplier_no,
        sum(of_many.amount) as amount,
        1000000000::bigint * of_many.figure_no + profile_part.part_no as figure_part_no,
        count(*) over (partition by of_many.figure_no, profile_part.measure, of_many.supplier_no) as parts_of_supplier
    from of_many
    inner join profile_part on of_many.profile_no = profile_part.profile_no
    group by of_many.figure_no, profile_part.measure, profile_part.part_no, of_many.supplier_no
),

-- Suppliers of one profile are summed as they are; of the others each is looked at.
summed as materialized (
    select
        figure_no,
        part_no,
        sum(amount) as amount,
        sum(debit) as debit,
        sum(credit) as credit,
        sum(squares) as squares
    from (
        select
            pounds.figure_no,
            profile_part.part_no,
            pounds.amount,
            pounds.debit,
            pounds.credit,
            0 as squares
        from pounds
        inner join profile_part on pounds.profile_no = profile_part.profile_no
        union all
        select
            of_one.figure_no,
            profile_part.part_no,
            0,
            0,
            0,
            of_one.squares
        from of_one
        inner join profile_part on of_one.profile_no = profile_part.profile_no
        union all
        select
            figure_no,
            part_no,
            0,
            0,
            0,
            amount * amount
        from part
        where parts_of_supplier = 1
    ) as one
    group by figure_no, part_no
),

total as materialized (
    select
        summed.figure_no,
        part_status.judged_no,
        sum(summed.amount) as amount,
        coalesce(sum(summed.amount) filter (where part_status.status = 1), 0)
        / nullif(sum(summed.amount) filter (where part_status.status in (0, 1)), 0) as share,
        sum(summed.amount * part_status.reliability * coalesce(part_status.status, 0)) as relied_on,
        sum(summed.amount * (1 - part_status.reliability)) as not_relied_on,
        coalesce(sum(summed.amount) filter (where part_status.is_sure and part_status.status = 1), 0) as sure_amount,
        coalesce(sum(summed.debit) filter (where not part_status.is_sure), 0) as unsure_debit,
        coalesce(sum(summed.credit) filter (where not part_status.is_sure), 0) as unsure_credit
    from summed
    inner join part_status on summed.part_no = part_status.part_no
    group by summed.figure_no, part_status.judged_no
),

drawn as (
    select
        summed.figure_no,
        part_status.judged_no,
        summed.part_no,
        summed.squares,
        part_status.reliability * coalesce(part_status.status, 0)
        + (1 - part_status.reliability) * least(greatest(coalesce(total.share, 0.5), 0), 1) as probability
    from summed
    inner join part_status on summed.part_no = part_status.part_no
    inner join total on summed.figure_no = total.figure_no and part_status.judged_no = total.judged_no
),

chance as materialized (
    select
        figure_no,
        judged_no,
        1000000000::bigint * figure_no + part_no as figure_part_no,
        squares,
        probability * (1 - probability) as variance
    from drawn
),

variance_of as (
    select
        figure_no,
        judged_no,
        sum(variance) as variance
    from (
        select
            figure_no,
            judged_no,
            squares * variance as variance
        from chance
        union all
        select
            part.figure_no,
            chance.judged_no,
            sum(part.amount * sqrt(chance.variance)) * sum(part.amount * sqrt(chance.variance))
        from part
        inner join chance on part.figure_part_no = chance.figure_part_no
        where part.parts_of_supplier > 1
        group by part.figure_no, chance.judged_no, part.supplier_no
    ) as of_supplier
    group by figure_no, judged_no
),

ranged as materialized (
    select
        total.figure_no,
        total.judged_no,
        total.amount,
        total.sure_amount + total.unsure_credit as least_amount,
        total.sure_amount + total.unsure_debit as most_amount,
        total.relied_on + total.not_relied_on * coalesce(total.share, 0.5) as expected_amount,
        -- 1.645 standard deviations either way hold nine tenths of a normal distribution
        1.645 * sqrt(variance_of.variance) as reach
    from total
    inner join variance_of on total.figure_no = variance_of.figure_no and total.judged_no = variance_of.judged_no
),

bounded as materialized (
    select
        *,
        least(greatest(expected_amount - reach, least_amount), most_amount) as p05_amount,
        least(greatest(expected_amount + reach, least_amount), most_amount) as p95_amount
    from ranged
)

select
    kpi.kpi_id,
    figure_name.institution_id,
    figure_name.financial_year,
    judged.definition_id,
    case kpi.unit
        when 'share' then {{ share('bounded.least_amount', 'bounded.amount') }} else round(bounded.least_amount, 2)
    end as value_min,
    case kpi.unit
        when 'share' then {{ share('bounded.p05_amount', 'bounded.amount') }} else round(bounded.p05_amount, 2)
    end as value_p05,
    case kpi.unit
        when 'share' then {{ share('bounded.p95_amount', 'bounded.amount') }} else round(bounded.p95_amount, 2)
    end as value_p95,
    case kpi.unit
        when 'share' then {{ share('bounded.most_amount', 'bounded.amount') }} else round(bounded.most_amount, 2)
    end as value_max
from bounded
inner join judged on bounded.judged_no = judged.judged_no
inner join figure_name on bounded.figure_no = figure_name.figure_no
inner join kpi on figure_name.base = kpi.base and judged.measure = kpi.measure
