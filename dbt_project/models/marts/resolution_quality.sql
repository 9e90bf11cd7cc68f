-- One row per body of knowledge that the resolution of suppliers is measured against: the truth of the sample county,
-- where its records are loaded, and the decisions of people. Private persons, whom nothing links, are left out.
-- Precision is the share of linked pairs that are truly one supplier, recall the share of true pairs that are linked.
-- Decisions are of the pairs that were put to a person, which are the doubtful ones: their figures are worse than those
-- of all pairs.
with known as (select * from {{ ref('stg_reference__known_supplier') }}),

record as (select supplier_record_id, supplier_id from {{ ref('int_supplier__resolved') }} where not is_individual),

paid as (
    select
        supplier_record_id,
        sum(abs(amount)) as amount
    from {{ ref('int_spend__by_supplier') }}
    group by supplier_record_id
),

judged as (
    select
        record.supplier_id,
        known.true_supplier_id,
        count(*) as records,
        coalesce(sum(paid.amount), 0) as amount
    from known
    inner join record on known.supplier_record_id = record.supplier_record_id
    left join paid on record.supplier_record_id = paid.supplier_record_id
    group by record.supplier_id, known.true_supplier_id
),

linked as (
    select
        sum(records) as records,
        sum(amount) as amount,
        max(amount) as largest_amount
    from judged
    group by supplier_id
),

linked_total as (
    select
        sum(records) as records,
        sum(records * (records - 1) / 2) as pairs,
        sum(amount) as amount,
        sum(largest_amount) as right_amount
    from linked
),

true_supplier as (
    select sum(records) as records
    from judged
    group by true_supplier_id
),

true_total as (select sum(records * (records - 1) / 2) as pairs from true_supplier),

right_total as (select sum(records * (records - 1) / 2) as pairs from judged),

decision as (select * from {{ ref('stg_ops__supplier_decision') }} where kind in ('same', 'different')),

counted as (
    select
        'sample_truth' as measured_against,
        linked_total.records,
        linked_total.pairs as linked_pairs,
        true_total.pairs as true_pairs,
        right_total.pairs as right_pairs,
        1 - {{ share('linked_total.right_amount', 'linked_total.amount') }} as pound_error
    from linked_total
    cross join true_total
    cross join right_total
    where linked_total.records > 0
    union all
    select
        'decisions',
        null,
        count(*) filter (where were_linked),
        count(*) filter (where kind = 'same'),
        count(*) filter (where were_linked and kind = 'same'),
        null
    from decision
)

select
    measured_against,
    records::bigint as records,
    linked_pairs::bigint as linked_pairs,
    true_pairs::bigint as true_pairs,
    right_pairs::bigint as right_pairs,
    {{ share('right_pairs', 'linked_pairs') }} as precision,
    {{ share('right_pairs', 'true_pairs') }} as recall,
    pound_error
from counted
