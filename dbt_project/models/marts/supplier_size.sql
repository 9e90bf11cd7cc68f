-- One row per SME definition and supplier record. The evidence of the highest rank that says yes or no decides; of two
-- pieces of one rank, the one against an SME. Unknown is a value: no evidence, or none that decides.
with definition as (select definition_id, version from {{ ref('dim_sme_definition') }}),

record as (select * from {{ ref('int_supplier__resolved') }}),

verdict as (select * from {{ ref('int_supplier__size_verdict') }}),

rule as (select threshold from {{ ref('size_rule') }} where rule_id = 'register_probability'),

chosen as (
    select distinct on (definition_id, supplier_id) *
    from verdict
    where sme_status <> 'unknown'
    order by definition_id, supplier_id, rank, sme_status, certainty, subject
),

-- What a supplier is (a public body, a person) does not contradict how many it employs.
disputed as (
    select
        definition_id,
        supplier_id
    from verdict
    where sme_status <> 'unknown' and is_size
    group by definition_id, supplier_id
    having min(sme_status) <> max(sme_status)
),

grouped as (
    select
        definition_id,
        supplier_id,
        bool_or(is_of_open_group) as is_of_open_group
    from verdict
    group by definition_id, supplier_id
)

select
    definition.definition_id,
    definition.version,
    record.supplier_record_id,
    record.institution_id,
    coalesce(chosen.sme_status, 'unknown') as sme_status,
    case
        when chosen.is_register and coalesce(record.register_probability, 0) < rule.threshold then 'likely'
        else chosen.certainty
    end as certainty,
    chosen.evidence_id,
    coalesce(
        chosen.evidence_detail,
        case
            when grouped.supplier_id is null then 'nothing is known of its size'
            when grouped.is_of_open_group then 'belongs to a group whose size is unknown'
            else 'what is known of it does not decide'
        end
    ) as evidence_detail,
    chosen.evidence_date,
    coalesce(chosen.size_band, 'unknown') as size_band,
    coalesce(disputed.supplier_id is not null and chosen.is_size, false) as has_conflict
from definition
cross join record
cross join rule
left join chosen
    on definition.definition_id = chosen.definition_id and record.supplier_id = chosen.supplier_id
left join disputed
    on definition.definition_id = disputed.definition_id and record.supplier_id = disputed.supplier_id
left join grouped
    on definition.definition_id = grouped.definition_id and record.supplier_id = grouped.supplier_id
