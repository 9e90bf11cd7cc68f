-- One row per definition of the voluntary sector and supplier record. Of the rules that fit, the first by position
-- decides, and exclusions stand before inclusions. Unknown is a value: no rule fits, or one that abstains.
with definition as (select definition_id, version from {{ ref('dim_vcs_definition') }}),

record as (select * from {{ ref('int_supplier__resolved') }}),

attribute as (select * from {{ ref('int_supplier__sector_attribute') }}),

rule as (select * from {{ ref('vcs_rule') }}),

probability as (select threshold from {{ ref('size_rule') }} where rule_id = 'register_probability'),

-- Patterns are tried once for each value, not once for each record that has it; so `fit` is not the planner's to move.
value_of as (
    select distinct
        attribute,
        value
    from attribute
),

fit as materialized (
    select
        value_of.attribute,
        value_of.value,
        rule.*
    from value_of
    inner join rule
        on value_of.attribute = rule.applies_to and (rule.pattern is null or value_of.value ~* rule.pattern)
    where nullif(rule.unless, '') is null or value_of.value !~* rule.unless
),

judged as (
    select
        fit.definition_id,
        fit.position,
        fit.rule_id,
        fit.kind,
        fit.vcs_status,
        fit.vcs_type,
        fit.certainty,
        fit.reason,
        attribute.supplier_record_id,
        attribute.evidence,
        attribute.stands_on
    from attribute
    inner join fit on attribute.attribute = fit.attribute and attribute.value = fit.value
),

chosen as (
    select distinct on (definition_id, supplier_record_id) *
    from judged
    order by definition_id, supplier_record_id, position, evidence
),

disputed as (
    select
        definition_id,
        supplier_record_id
    from judged
    where vcs_status <> 'unknown'
    group by definition_id, supplier_record_id
    having min(vcs_status) <> max(vcs_status)
)

select
    definition.definition_id,
    definition.version,
    record.supplier_record_id,
    record.institution_id,
    coalesce(chosen.vcs_status, 'unknown') as vcs_status,
    chosen.vcs_type,
    case
        when
            chosen.certainty = 'proven'
            and (
                chosen.stands_on = 'name'
                or (
                    chosen.stands_on = 'register'
                    and coalesce(record.register_probability, 0) < probability.threshold
                )
            )
            then 'likely'
        else chosen.certainty
    end as certainty,
    chosen.rule_id,
    chosen.kind as rule_kind,
    chosen.evidence,
    coalesce(chosen.reason, 'nothing is known of it that a rule asks for') as reason,
    disputed.supplier_record_id is not null as has_conflict
from definition
cross join record
cross join probability
left join chosen
    on
        definition.definition_id = chosen.definition_id
        and record.supplier_record_id = chosen.supplier_record_id
left join disputed
    on
        definition.definition_id = disputed.definition_id
        and record.supplier_record_id = disputed.supplier_record_id
