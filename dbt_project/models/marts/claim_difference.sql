-- One row per institution, financial year, claim of its observatory vendor (sme, local, charity), definition it is held
-- against, what the vendor says and what we say: yes, no or unknown.
with observatory as materialized (
    -- read as one: the planner expects few batches to count, and would look for the lines of each
    select
        batch_id,
        line_no,
        claimed_sme,
        claimed_local,
        claimed_charity
    from {{ ref('stg_raw__observatory') }}
),

line as (
    select
        fact.institution_id,
        fact.financial_year,
        fact.supplier_record_id,
        fact.amount,
        observatory.claimed_sme,
        observatory.claimed_local,
        observatory.claimed_charity
    from observatory
    inner join {{ ref('int_batch__counted') }} as batch on observatory.batch_id = batch.batch_id
    inner join {{ ref('spend_line') }} as fact
        on observatory.batch_id = fact.batch_id and observatory.line_no = fact.line_no
),

claimed as (
    select
        line.institution_id,
        line.financial_year,
        line.supplier_record_id,
        line.amount,
        claim.claim,
        case when claim.is_claimed then 'yes' when not claim.is_claimed then 'no' else 'unknown' end as claimed_status
    from line
    cross join
        lateral (
            values ('sme', line.claimed_sme), ('local', line.claimed_local), ('charity', line.claimed_charity)
        ) as claim (claim, is_claimed)
),

-- One row per record and claim, and a number for all that is claimed alike: so that under every definition records are
-- counted without sorting them.
numbered as materialized (
    select
        institution_id,
        financial_year,
        claim,
        claimed_status,
        supplier_record_id,
        sum(amount) as amount,
        (dense_rank() over (order by institution_id, financial_year, claim, claimed_status))::int as claim_no
    from claimed
    group by institution_id, financial_year, claim, claimed_status, supplier_record_id
),

held as (
    select
        numbered.claim_no,
        numbered.amount,
        ours.definition_id,
        case ours.sme_status when 'sme' then 'yes' when 'not_sme' then 'no' else 'unknown' end as our_status
    from numbered
    inner join {{ ref('supplier_size') }} as ours on numbered.supplier_record_id = ours.supplier_record_id
    where numbered.claim = 'sme'
    union all
    select
        numbered.claim_no,
        numbered.amount,
        ours.definition_id,
        case ours.local_status when 'local' then 'yes' when 'not_local' then 'no' else 'unknown' end
    from numbered
    inner join {{ ref('supplier_local') }} as ours on numbered.supplier_record_id = ours.supplier_record_id
    where numbered.claim = 'local'
    union all
    select
        numbered.claim_no,
        numbered.amount,
        ours.definition_id,
        case ours.vcs_status when 'voluntary' then 'yes' when 'not_voluntary' then 'no' else 'unknown' end
    from numbered
    inner join {{ ref('supplier_sector') }} as ours on numbered.supplier_record_id = ours.supplier_record_id
    where numbered.claim = 'charity'
),

counted as (
    select
        claim_no,
        definition_id,
        our_status,
        count(*) as record_count,
        sum(amount) as amount
    from held
    group by claim_no, definition_id, our_status
),

claim as (
    select distinct
        claim_no,
        institution_id,
        financial_year,
        claim,
        claimed_status
    from numbered
)

select
    claim.institution_id,
    claim.financial_year,
    claim.claim,
    counted.definition_id,
    claim.claimed_status,
    counted.our_status,
    counted.record_count,
    counted.amount
from counted
inner join claim on counted.claim_no = claim.claim_no
