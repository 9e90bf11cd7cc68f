-- One row per institution, financial year, claim of its observatory vendor (sme, local, charity), definition it is held
-- against, what the vendor says and what we say: yes, no or unknown.
with line as (
    select
        fact.institution_id,
        fact.financial_year,
        fact.supplier_record_id,
        fact.amount,
        observatory.claimed_sme,
        observatory.claimed_local,
        observatory.claimed_charity
    from {{ ref('stg_raw__observatory') }} as observatory
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
        claim.is_claimed
    from line
    cross join lateral (
        values ('sme', line.claimed_sme), ('local', line.claimed_local), ('charity', line.claimed_charity)
    ) as claim (claim, is_claimed)
),

ours as (
    select
        'sme' as claim,
        definition_id,
        supplier_record_id,
        case sme_status when 'sme' then 'yes' when 'not_sme' then 'no' else 'unknown' end as status
    from {{ ref('supplier_size') }}
    union all
    select
        'local',
        definition_id,
        supplier_record_id,
        case local_status when 'local' then 'yes' when 'not_local' then 'no' else 'unknown' end
    from {{ ref('supplier_local') }}
    union all
    select
        'charity',
        definition_id,
        supplier_record_id,
        case vcs_status when 'voluntary' then 'yes' when 'not_voluntary' then 'no' else 'unknown' end
    from {{ ref('supplier_sector') }}
)

select
    claimed.institution_id,
    claimed.financial_year,
    claimed.claim,
    ours.definition_id,
    case when claimed.is_claimed then 'yes' when not claimed.is_claimed then 'no' else 'unknown' end as claimed_status,
    ours.status as our_status,
    count(distinct claimed.supplier_record_id) as record_count,
    sum(claimed.amount) as amount
from claimed
inner join ours on claimed.claim = ours.claim and claimed.supplier_record_id = ours.supplier_record_id
group by claimed.institution_id, claimed.financial_year, claimed.claim, ours.definition_id, claimed_status, ours.status
