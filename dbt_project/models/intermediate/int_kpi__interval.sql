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

-- Records of one profile count alike under every definition of a measure.
profile_of as materialized (
    select
        measure,
        supplier_record_id,
        dense_rank() over (order by measure, profile) as profile_no,
        profile
    from (
        select
            measure,
            supplier_record_id,
            array_agg(
                definition_id || ' ' || coalesce(trim_scale(round(status, 3))::text, 'unknown') || ' '
                || case when status is null then '0' else trim_scale(round(coalesce(reliability, 0), 3))::text end
                order by definition_id
            ) as profile
        from stated
        group by measure, supplier_record_id
    ) as grouped
),

profile_status as materialized (
    select
        one.profile_no,
        split_part(one.entry, ' ', 1) as definition_id,
        nullif(split_part(one.entry, ' ', 2), 'unknown')::numeric as status,
        split_part(one.entry, ' ', 3)::numeric as reliability,
        split_part(one.entry, ' ', 2) in ('0', '1') and split_part(one.entry, ' ', 3)::numeric >= sure.reliability
            as is_sure
    from (select distinct profile_no, unnest(profile) as entry from profile_of) as one
    cross join sure
),

paid as (
    select
        spend.institution_id,
        spend.financial_year,
        spend.scope,
        spend.supplier_record_id,
        sum(spend.amount) as amount
    from {{ ref('int_spend__by_supplier') }} as spend
    inner join {{ ref('spend_basis') }} as basis
        on
            spend.institution_id = basis.institution_id
            and spend.financial_year = basis.financial_year
            and spend.basis = basis.basis
            and basis.is_counted
    group by spend.institution_id, spend.financial_year, spend.scope, spend.supplier_record_id
),

figure_record as (
    select
        shown.figure_of as institution_id,
        paid.financial_year,
        scope_base.base,
        paid.supplier_record_id,
        sum(paid.amount) as amount
    from paid
    inner join {{ ref('scope_base') }} as scope_base on paid.scope = scope_base.scope
    cross join lateral (values (paid.institution_id), ('partnership')) as shown (figure_of)
    where
        (shown.figure_of <> 'partnership' or paid.scope <> 'between_anchors')
        and scope_base.base in (select kpi.base from kpi)
    group by shown.figure_of, paid.financial_year, scope_base.base, paid.supplier_record_id
),

part as materialized (
    select
        figure_record.institution_id || ' ' || figure_record.financial_year || ' ' || figure_record.base || ' '
        || profile_of.measure as figure,
        profile_of.profile_no,
        supplier.supplier_id,
        sum(figure_record.amount) as amount,
        coalesce(sum(figure_record.amount) filter (where figure_record.amount > 0), 0) as debit,
        coalesce(sum(figure_record.amount) filter (where figure_record.amount < 0), 0) as credit,
        count(*) over (
            partition by
                figure_record.institution_id, figure_record.financial_year, figure_record.base, profile_of.measure,
                supplier.supplier_id
        ) as profiles_of_supplier
    from figure_record
    inner join supplier on figure_record.supplier_record_id = supplier.supplier_record_id
    inner join profile_of on figure_record.supplier_record_id = profile_of.supplier_record_id
    group by
        figure_record.institution_id, figure_record.financial_year, figure_record.base, profile_of.measure,
        profile_of.profile_no, supplier.supplier_id
),

-- Suppliers of one profile are summed as they are; of the others each is looked at.
summed as materialized (
    select
        figure,
        profile_no,
        sum(amount) as amount,
        sum(debit) as debit,
        sum(credit) as credit,
        coalesce(sum(amount * amount) filter (where profiles_of_supplier = 1), 0) as squares
    from part
    group by figure, profile_no
),

total as materialized (
    select
        summed.figure,
        profile_status.definition_id,
        sum(summed.amount) as amount,
        coalesce(sum(summed.amount) filter (where profile_status.status = 1), 0)
        / nullif(sum(summed.amount) filter (where profile_status.status in (0, 1)), 0) as share,
        sum(summed.amount * profile_status.reliability * coalesce(profile_status.status, 0)) as relied_on,
        sum(summed.amount * (1 - profile_status.reliability)) as not_relied_on,
        coalesce(sum(summed.amount) filter (where profile_status.is_sure and profile_status.status = 1), 0)
            as sure_amount,
        coalesce(sum(summed.debit) filter (where not profile_status.is_sure), 0) as unsure_debit,
        coalesce(sum(summed.credit) filter (where not profile_status.is_sure), 0) as unsure_credit
    from summed
    inner join profile_status on summed.profile_no = profile_status.profile_no
    group by summed.figure, profile_status.definition_id
),

drawn as (
    select
        summed.figure,
        profile_status.definition_id,
        summed.profile_no,
        summed.squares,
        profile_status.reliability * coalesce(profile_status.status, 0)
        + (1 - profile_status.reliability) * least(greatest(coalesce(total.share, 0.5), 0), 1) as probability
    from summed
    inner join profile_status on summed.profile_no = profile_status.profile_no
    inner join total on summed.figure = total.figure and profile_status.definition_id = total.definition_id
),

chance as materialized (
    select
        figure,
        definition_id,
        profile_no,
        squares,
        probability * (1 - probability) as variance
    from drawn
),

of_many_profiles as materialized (
    select
        figure,
        definition_id,
        sum(deviation * deviation) as variance
    from (
        select
            part.figure,
            chance.definition_id,
            sum(part.amount * sqrt(chance.variance)) as deviation
        from part
        inner join chance on part.figure = chance.figure and part.profile_no = chance.profile_no
        where part.profiles_of_supplier > 1
        group by part.figure, chance.definition_id, part.supplier_id
    ) as supplier_deviation
    group by figure, definition_id
),

of_one_profile as materialized (
    select
        figure,
        definition_id,
        sum(squares * variance) as variance
    from chance
    group by figure, definition_id
),

ranged as materialized (
    select
        split_part(total.figure, ' ', 1) as institution_id,
        split_part(total.figure, ' ', 2) as financial_year,
        split_part(total.figure, ' ', 3) as base,
        split_part(total.figure, ' ', 4) as measure,
        total.definition_id,
        total.amount,
        total.sure_amount + total.unsure_credit as least_amount,
        total.sure_amount + total.unsure_debit as most_amount,
        total.relied_on + total.not_relied_on * coalesce(total.share, 0.5) as expected_amount,
        -- 1.645 standard deviations either way hold nine tenths of a normal distribution
        1.645 * sqrt(of_one_profile.variance + coalesce(of_many_profiles.variance, 0)) as reach
    from total
    inner join of_one_profile
        on total.figure = of_one_profile.figure and total.definition_id = of_one_profile.definition_id
    left join of_many_profiles
        on total.figure = of_many_profiles.figure and total.definition_id = of_many_profiles.definition_id
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
    bounded.institution_id,
    bounded.financial_year,
    bounded.definition_id,
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
inner join kpi on bounded.base = kpi.base and bounded.measure = kpi.measure
