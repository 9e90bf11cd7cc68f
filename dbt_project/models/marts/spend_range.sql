-- One row per institution (or `partnership`) and financial year: its pounds as published, the part that is not net of
-- VAT, the part in small lines, and what the pounds may be with the lines that a publication threshold keeps back.
-- A ledger with a lower threshold shows what lies below: with N of its pounds in lines from the threshold to its double
-- and P in all lines from the threshold on, all its pounds are P * exp(k * N / P). Bodies' k are alike where their
-- ledgers have one shape at another scale; of the mean of ln k over those ledgers, Student's t gives the 90 % range for
-- one more ledger. Each ledger is one case, whatever its years.
with rule as (
    select
        max(value) filter (where rule_id = 'small_line') as small_line,
        max(value) filter (where rule_id = 'middle_line') as middle_line,
        max(value) filter (where rule_id = 'reference_threshold') as reference_threshold,
        max(value) filter (where rule_id = 'vat_rate') as vat_rate
    from {{ ref('comparison_rule') }}
),

feed as (
    select institution_id, feed_id, kind, publishes_over from {{ ref('stg_ops__feed') }}
),

cut as (
    select array_agg(distinct point order by point) as points
    from (
        select unnest(array[publishes_over, 2 * publishes_over]) as point
        from feed
        where publishes_over > 0
        union all
        select unnest(array[small_line, middle_line])
        from rule
    ) as every
),

batch as (select batch_id from {{ ref('dim_batch') }} where detail_of is null),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

-- The counted lines are summed by batch first and looked up in dimensions afterwards: line by line that is most of the
-- work. Which cuts a line reaches is all that is asked of its amount.
summed as materialized (
    select
        line.batch_id,
        line.institution_id,
        line.feed_id,
        line.basis,
        line.financial_year,
        line.vat_basis,
        width_bucket(abs(line.amount), cut.points) as band,
        sum(line.amount) as amount,
        count(*) as line_count
    from {{ ref('spend_line') }} as line
    cross join cut
    group by
        line.batch_id, line.institution_id, line.feed_id, line.basis, line.financial_year, line.vat_basis,
        width_bucket(abs(line.amount), cut.points)
    union all
    select
        line.batch_id,
        line.institution_id,
        line.feed_id,
        line.basis,
        line.financial_year,
        line.vat_basis,
        width_bucket(abs(line.amount), cut.points) as band,
        -line.amount as amount,
        -1 as line_count
    from {{ ref('spend_line') }} as line
    inner join {{ ref('line_twin') }} as twin on line.batch_id = twin.batch_id and line.line_no = twin.line_no
    cross join cut
),

-- An array, so that their lines are looked up by the index and the others left alone.
anchor as (
    select distinct supplier_record_id from {{ ref('int_spend__by_supplier') }} where scope = 'between_anchors'
),

between_anchors as materialized (
    select
        line.institution_id,
        line.feed_id,
        line.financial_year,
        line.vat_basis,
        width_bucket(abs(line.amount), cut.points) as band,
        sum(line.amount) as amount,
        count(*) as line_count
    from {{ ref('fct_spend') }} as line
    cross join cut
    where
        line.scope = 'between_anchors'
        and line.supplier_record_id = any(array(select anchor.supplier_record_id from anchor))
    group by
        line.institution_id, line.feed_id, line.financial_year, line.vat_basis,
        width_bucket(abs(line.amount), cut.points)
),

part as (
    select
        summed.institution_id,
        summed.feed_id,
        summed.financial_year,
        summed.vat_basis,
        false as is_between_anchors,
        summed.band,
        summed.amount,
        summed.line_count
    from summed
    inner join batch on summed.batch_id = batch.batch_id
    inner join basis
        on
            summed.institution_id = basis.institution_id
            and summed.financial_year = basis.financial_year
            and summed.basis = basis.basis
    union all
    select
        between_anchors.institution_id,
        between_anchors.feed_id,
        between_anchors.financial_year,
        between_anchors.vat_basis,
        side.is_between_anchors,
        between_anchors.band,
        side.sign * between_anchors.amount,
        side.sign * between_anchors.line_count
    from between_anchors
    cross join lateral (values (false, -1), (true, 1)) as side (is_between_anchors, sign)
),

banded as (
    select
        institution_id,
        feed_id,
        financial_year,
        vat_basis,
        is_between_anchors,
        band,
        sum(amount) as amount,
        sum(line_count) as line_count
    from part
    group by institution_id, feed_id, financial_year, vat_basis, is_between_anchors, band
    having sum(line_count) <> 0
),

floored as (
    select
        banded.*,
        coalesce(cut.points[banded.band], 0) as band_from
    from banded
    cross join cut
),

threshold as (select distinct publishes_over as threshold from feed where publishes_over > 0),

shape as (
    select
        threshold.threshold,
        ledger.institution_id,
        ledger.feed_id,
        ledger.publishes_over,
        floored.financial_year,
        coalesce(sum(floored.amount) filter (where floored.band_from < threshold.threshold), 0) as amount_below,
        coalesce(
            sum(floored.amount) filter (
                where floored.band_from >= threshold.threshold and floored.band_from < 2 * threshold.threshold
            ), 0
        ) as amount_next,
        coalesce(sum(floored.amount) filter (where floored.band_from >= threshold.threshold), 0) as amount_above
    from threshold
    inner join feed as ledger on threshold.threshold >= ledger.publishes_over and ledger.kind = 'ledger'
    inner join floored on ledger.institution_id = floored.institution_id and ledger.feed_id = floored.feed_id
    group by
        threshold.threshold, ledger.institution_id, ledger.feed_id, ledger.publishes_over, floored.financial_year
),

reference as (
    select
        shape.threshold,
        ln(
            ln((sum(shape.amount_below) + sum(shape.amount_above)) / sum(shape.amount_above))
            / (sum(shape.amount_next) / sum(shape.amount_above))
        ) as log_k
    from shape
    cross join rule
    where shape.publishes_over <= rule.reference_threshold * shape.threshold
    group by shape.threshold, shape.institution_id, shape.feed_id
    having sum(shape.amount_below) > 0 and sum(shape.amount_next) > 0 and sum(shape.amount_above) > 0
),

learned as (
    select
        reference.threshold,
        count(*) as reference_count,
        avg(reference.log_k) as log_k,
        sqrt(var_samp(reference.log_k) * (1 + 1 / count(*)::numeric)) as spread
    from reference
    group by reference.threshold
),

predicted as (
    select
        learned.threshold,
        learned.reference_count,
        exp(learned.log_k) as k,
        exp(learned.log_k - student.t_95 * learned.spread) as k_low,
        exp(learned.log_k + student.t_95 * learned.spread) as k_high
    from learned
    left join lateral (
        select table_row.t_95
        from {{ ref('student_t') }} as table_row
        where table_row.degrees_of_freedom <= learned.reference_count - 1
        order by table_row.degrees_of_freedom desc
        limit 1
    ) as student on true
),

-- What a threshold keeps back is never less than nothing, and what stands below it in the file is no longer kept back.
kept_back as (
    select
        shape.institution_id,
        shape.financial_year,
        sum(greatest({{ below_threshold('shape', 'predicted.k_low') }} - shape.amount_below, 0)) as hidden_low,
        sum(greatest({{ below_threshold('shape', 'predicted.k') }} - shape.amount_below, 0)) as hidden_estimate,
        sum(greatest({{ below_threshold('shape', 'predicted.k_high') }} - shape.amount_below, 0)) as hidden_high,
        min(predicted.reference_count) as reference_count,
        bool_and(predicted.k_low is not null) as has_range
    from shape
    left join predicted on shape.threshold = predicted.threshold
    where shape.publishes_over = shape.threshold
    group by shape.institution_id, shape.financial_year
),

published as (
    select
        shown.figure_of as institution_id,
        floored.financial_year,
        sum(floored.amount) as amount,
        sum(floored.line_count)::bigint as line_count,
        coalesce(sum(floored.amount) filter (where floored.vat_basis = 'gross'), 0) as amount_gross,
        coalesce(sum(floored.amount) filter (where floored.vat_basis = 'net'), 0) as amount_net,
        coalesce(sum(floored.amount) filter (where floored.vat_basis = 'unknown'), 0) as amount_vat_unknown,
        coalesce(sum(floored.amount) filter (where floored.band_from < rule.small_line), 0) as amount_under_500,
        coalesce(sum(floored.line_count) filter (where floored.band_from < rule.small_line), 0)::bigint
            as lines_under_500,
        coalesce(sum(floored.amount) filter (where floored.band_from < rule.middle_line), 0) as amount_under_25000,
        coalesce(sum(floored.line_count) filter (where floored.band_from < rule.middle_line), 0)::bigint
            as lines_under_25000,
        max(feed.publishes_over) as publishes_over,
        max(rule.vat_rate) as vat_rate
    from floored
    cross join rule
    left join feed on floored.institution_id = feed.institution_id and floored.feed_id = feed.feed_id
    cross join lateral (values (floored.institution_id), ('partnership')) as shown (figure_of)
    where shown.figure_of <> 'partnership' or not floored.is_between_anchors
    group by shown.figure_of, floored.financial_year
),

hidden as (
    select
        coalesce(institution_id, 'partnership') as institution_id,
        financial_year,
        case when bool_and(has_range) then sum(hidden_low) end as hidden_low,
        case when bool_and(reference_count is not null) then sum(hidden_estimate) end as hidden_estimate,
        case when bool_and(has_range) then sum(hidden_high) end as hidden_high,
        min(reference_count)::integer as reference_count
    from kept_back
    group by grouping sets ((institution_id, financial_year), (financial_year))
)

select
    published.institution_id,
    published.financial_year,
    published.amount,
    published.line_count,
    published.amount_net,
    published.amount_gross,
    published.amount_vat_unknown,
    published.amount
    - round((published.amount_gross + published.amount_vat_unknown) * (1 - 1 / (1 + published.vat_rate)), 2)
        as amount_low_net_of_vat,
    published.publishes_over,
    published.amount_under_500,
    published.lines_under_500,
    published.amount_under_25000,
    published.lines_under_25000,
    published.amount + case when hidden.institution_id is null then 0 else round(hidden.hidden_low, 2) end as total_low,
    published.amount + case when hidden.institution_id is null then 0 else round(hidden.hidden_estimate, 2) end
        as total_estimate,
    published.amount + case when hidden.institution_id is null then 0 else round(hidden.hidden_high, 2) end
        as total_high,
    hidden.reference_count
from published
left join hidden
    on published.institution_id = hidden.institution_id and published.financial_year = hidden.financial_year
