-- One row per loaded or refused batch: whether its pounds are in the figures, and if not, why not. For batches of spend
-- every loaded line stands in exactly one of the columns counted, second opinion, detail, twin and replaced.
-- Why a file was refused is not repeated here: where its header is not found the reason quotes a line, payee and all.
with batch as (select * from {{ ref('int_batch__judged') }}),

accounted as (select * from {{ ref('int_batch__accounted') }}),

basis as (
    select institution_id, financial_year, basis, is_counted from {{ ref('spend_basis') }}
),

told as (
    select
        accounted.batch_id,
        accounted.financial_year,
        accounted.is_counted,
        basis.is_counted as basis_counts,
        accounted.lines_detail,
        accounted.amount_detail,
        accounted.lines_twin,
        accounted.amount_twin,
        accounted.line_count - accounted.lines_detail - accounted.lines_twin as lines_rest,
        accounted.amount - accounted.amount_detail - accounted.amount_twin as amount_rest,
        accounted.line_count,
        accounted.amount
    from accounted
    left join basis
        on
            accounted.institution_id = basis.institution_id
            and accounted.financial_year = basis.financial_year
            and accounted.basis = basis.basis
),

summed as (
    select
        batch_id,
        coalesce(sum(lines_rest) filter (where is_counted and basis_counts), 0)::bigint as lines_counted,
        coalesce(sum(amount_rest) filter (where is_counted and basis_counts), 0) as amount_counted,
        coalesce(sum(lines_rest) filter (where is_counted and not basis_counts), 0)::bigint as lines_second_opinion,
        coalesce(sum(amount_rest) filter (where is_counted and not basis_counts), 0) as amount_second_opinion,
        coalesce(sum(lines_detail) filter (where is_counted), 0)::bigint as lines_detail,
        coalesce(sum(amount_detail) filter (where is_counted), 0) as amount_detail,
        coalesce(sum(lines_twin) filter (where is_counted), 0)::bigint as lines_twin,
        coalesce(sum(amount_twin) filter (where is_counted), 0) as amount_twin,
        coalesce(sum(line_count) filter (where not is_counted), 0)::bigint as lines_replaced,
        coalesce(sum(amount) filter (where not is_counted), 0) as amount_replaced
    from told
    group by batch_id
),

joined as (
    select
        batch.*,
        case
            when batch.status = 'refused' then 'refused'
            when batch.superseded_by_batch_id is not null then 'superseded'
            when batch.covered_by_batch_id is not null then 'covered'
            when batch.is_spend and batch.detail_of is not null then 'detail'
            when summed.lines_counted = 0 and summed.lines_second_opinion > 0 then 'second_opinion'
            when summed.lines_counted = 0 and summed.lines_twin > 0 then 'twin'
        end as reason_code,
        summed.lines_counted,
        summed.amount_counted,
        summed.lines_second_opinion,
        summed.amount_second_opinion,
        summed.lines_detail,
        summed.amount_detail,
        summed.lines_twin,
        summed.amount_twin,
        summed.lines_replaced,
        summed.amount_replaced
    from batch
    left join summed on batch.batch_id = summed.batch_id
)

select
    batch_id,
    institution_id,
    feed_id,
    kind,
    period_label,
    period_first,
    period_last,
    file_name,
    sha256,
    landed_at,
    loaded_at,
    is_sample,
    status,
    reason_code is null as counted,
    reason_code,
    case reason_code
        when 'refused' then 'refused: ops.batch says why'
        when 'superseded' then 'superseded by batch ' || superseded_by_batch_id
        when 'covered' then 'covered by batch ' || covered_by_batch_id
        when 'detail' then 'its pounds are in the lines of ' || detail_of
        when 'second_opinion' then 'another basis counts in its year'
        when 'twin' then 'an earlier feed holds every line'
    end as why_not,
    superseded_by_batch_id,
    covered_by_batch_id,
    detail_of,
    lines_loaded,
    amount_loaded,
    lines_counted,
    amount_counted,
    lines_second_opinion,
    amount_second_opinion,
    lines_detail,
    amount_detail,
    lines_twin,
    amount_twin,
    lines_replaced,
    amount_replaced,
    replaced_batch_id,
    lines_added,
    amount_added,
    lines_removed,
    amount_removed,
    lines_changed,
    amount_before,
    amount_after,
    finding_count
from joined
