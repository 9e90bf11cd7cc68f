-- One row per contract and supplier of an institution's register, as its newest version has it. Contracts that several
-- partners report and that are one have one joint_contract_id: each partner's row stays, and of one institution, the
-- lead's where it is known, else that of the highest value, the rows are counted (is_counted_once).
with recursive contract as (
    select
        *,
        {{ title_words('title') }} as words,
        {{ reference_key('contract_ref') }} as ref_key
    from {{ ref('int_contract__standing') }}
),

supplier as (select supplier_record_id, supplier_name from {{ ref('dim_supplier') }}),

rule as (select rule_id, position, title_share, value_within, days_apart from {{ ref('joint_contract_rule') }}),

category as (select category_code, category_label from {{ ref('dim_category') }}),

pair as (
    select
        one.contract_id as one_id,
        other.contract_id as other_id,
        rule.position
    from contract as one
    inner join contract as other on one.ocid = other.ocid and one.institution_id < other.institution_id
    inner join rule on rule.rule_id = 'same_ocid'

    union all

    select
        one.contract_id as one_id,
        other.contract_id as other_id,
        rule.position
    from contract as one
    inner join contract as other
        on
            one.ref_key = other.ref_key
            and one.supplier_id = other.supplier_id
            and one.institution_id < other.institution_id
    inner join rule on rule.rule_id = 'same_reference'

    union all

    select
        one.contract_id as one_id,
        other.contract_id as other_id,
        rule.position
    from contract as one
    inner join contract as other
        on
            one.lead_institution_id = other.lead_institution_id
            and one.institution_id < other.institution_id
            and one.start_date <= coalesce(other.end_date, 'infinity')
            and other.start_date <= coalesce(one.end_date, 'infinity')
    inner join rule
        on
            rule.rule_id = 'named_together'
            and abs(one.start_date - other.start_date) <= rule.days_apart
            and {{ words_in_common('one.words', 'other.words') }} >= rule.title_share

    union all

    select
        one.contract_id as one_id,
        other.contract_id as other_id,
        rule.position
    from contract as one
    inner join contract as other
        on
            one.supplier_id = other.supplier_id
            and one.institution_id < other.institution_id
            and one.start_date <= coalesce(other.end_date, 'infinity')
            and other.start_date <= coalesce(one.end_date, 'infinity')
    inner join rule
        on
            rule.rule_id = 'same_terms'
            and abs(one.start_date - other.start_date) <= rule.days_apart
            and abs(one.contract_value - other.contract_value)
            <= rule.value_within * greatest(one.contract_value, other.contract_value)
            and {{ words_in_common('one.words', 'other.words') }} >= rule.title_share
),

edge as (
    select one_id, other_id from pair
    union
    select other_id, one_id from pair
),

-- Every contract that a contract hangs together with, over however many pairs.
walk as (
    select
        one_id as contract_id,
        one_id as reached_id
    from edge
    union
    select
        walk.contract_id,
        edge.other_id
    from walk
    inner join edge on walk.reached_id = edge.one_id
),

reached as (
    select
        contract_id,
        min(reached_id) as joint_contract_id
    from walk
    group by contract_id
),

ruled as (
    select
        edge_end.contract_id,
        min(pair.position) as position
    from pair
    cross join lateral (values (pair.one_id), (pair.other_id)) as edge_end (contract_id)
    group by edge_end.contract_id
),

joined as (
    select
        contract.*,
        reached.joint_contract_id,
        rule.rule_id as joint_rule_id
    from contract
    left join reached on contract.contract_id = reached.contract_id
    left join ruled on contract.contract_id = ruled.contract_id
    left join rule on ruled.position = rule.position
),

counted as (
    select distinct on (joint_contract_id)
        joint_contract_id,
        institution_id
    from joined
    where joint_contract_id is not null
    order by
        joint_contract_id asc, coalesce(institution_id = lead_institution_id, false) desc,
        contract_value desc nulls last, institution_id asc
),

partners as (
    select
        joint_contract_id,
        count(distinct institution_id)::integer as joint_institutions
    from joined
    where joint_contract_id is not null
    group by joint_contract_id
)

select
    joined.contract_id,
    joined.institution_id,
    joined.contract_ref,
    joined.supplier_record_id,
    joined.supplier_id,
    supplier.supplier_name,
    case when joined.is_individual then '(title withheld)' else joined.title end as title,
    joined.contract_type,
    joined.organisational_unit,
    joined.category_code,
    coalesce(category.category_label, joined.category_label) as category_label,
    joined.category_basis,
    joined.cpv_code,
    joined.process_type,
    joined.route,
    joined.start_date,
    joined.end_date,
    joined.review_date,
    joined.last_extension_date,
    joined.contract_value,
    round(joined.contract_value * 365 / nullif(joined.end_date - joined.start_date + 1, 0), 2) as annual_value,
    joined.lead_body,
    joined.lead_institution_id,
    joined.partner_bodies,
    joined.claimed_sme,
    joined.claimed_vcse,
    joined.ocid,
    joined.register_day,
    joined.is_current,
    joined.joint_contract_id,
    joined.joint_rule_id,
    partners.joint_institutions,
    joined.joint_contract_id is null or joined.institution_id = counted.institution_id as is_counted_once,
    joined.version_count,
    joined.batch_id,
    joined.line_no,
    joined.sheet as source_sheet,
    joined.source_row
from joined
left join supplier on joined.supplier_record_id = supplier.supplier_record_id
left join category on joined.category_code = category.category_code
left join counted on joined.joint_contract_id = counted.joint_contract_id
left join partners on joined.joint_contract_id = partners.joint_contract_id
