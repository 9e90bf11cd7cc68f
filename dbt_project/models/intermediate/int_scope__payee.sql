-- One row per supplier record, with what kind of payee it is, on which evidence, and the position of the first rule of
-- scope that its kind matches. Nothing is guessed from a name that looks like a person's: such a payee is `unknown`.
{{ config(materialized='table', indexes=[{'columns': ['supplier_record_id'], 'unique': true}]) }}

with record as (select * from {{ ref('int_supplier__resolved') }}),

body as (select * from {{ ref('int_supplier__public_body') }}),

pattern as (select * from {{ ref('payee_pattern') }}),

individual_pattern as (select * from {{ ref('individual_pattern') }}),

rule as (select * from {{ ref('int_scope__rule') }} where applies_to = 'payee'),

name as (
    select distinct supplier_name as name from record
    where supplier_name is not null
),

told as (
    select distinct on (name.name)
        name.name,
        pattern.pattern_id,
        pattern.payee_type,
        pattern.redaction
    from name
    inner join pattern on regexp_replace(btrim(name.name), '\s+', ' ', 'g') ~* pattern.pattern
    order by name.name, pattern.position
),

typed as (
    select
        record.supplier_record_id,
        record.institution_id,
        record.supplier_ref,
        case
            when body.supplier_record_id is not null then 'public_body'
            when told.payee_type = 'not_named' or record.supplier_name is null then 'not_named'
            when told.payee_type = 'sole_trader' and record.register is null then 'sole_trader'
            when record.is_individual then 'private_person'
            when record.register is not null or told.payee_type = 'organisation' then 'organisation'
            else 'unknown'
        end as payee_type,
        case
            when body.supplier_record_id is not null then body.evidence || ': ' || body.reason
            when told.payee_type = 'not_named' then 'name: ' || told.pattern_id
            when record.supplier_name is null then 'no name'
            when told.payee_type = 'sole_trader' and record.register is null then 'name: ' || told.pattern_id
            when record.is_individual then 'name: ' || record.individual_pattern_id
            when record.register is not null then 'register: ' || record.register
            when told.payee_type = 'organisation' then 'name: ' || told.pattern_id
            else 'no evidence'
        end as payee_reason,
        body.body_type,
        body.anchor_institution_id,
        coalesce(nullif(told.redaction, ''), nullif(individual.redaction, '')) as redaction
    from record
    left join body on record.supplier_record_id = body.supplier_record_id
    left join told on record.supplier_name = told.name
    left join individual_pattern as individual on record.individual_pattern_id = individual.pattern_id
),

kind as (select distinct payee_type, body_type, anchor_institution_id from typed),

by_rule as (
    select
        kind.payee_type,
        kind.body_type,
        kind.anchor_institution_id,
        min(rule.position) as scope_position
    from kind
    inner join rule
        on
            rule.institution_id is null
            and case rule.match_column
                when 'payee_type' then kind.payee_type
                when 'body_type' then kind.body_type
                when 'anchor_institution_id' then kind.anchor_institution_id
            end ~* rule.pattern
    group by kind.payee_type, kind.body_type, kind.anchor_institution_id
),

by_hand as (
    select
        typed.supplier_record_id,
        min(rule.position) as scope_position
    from typed
    inner join rule
        on typed.institution_id = rule.institution_id and lower(typed.supplier_ref) = lower(rule.pattern)
    group by typed.supplier_record_id
)

select
    typed.supplier_record_id,
    typed.institution_id,
    typed.payee_type,
    typed.payee_reason,
    typed.body_type,
    typed.anchor_institution_id,
    typed.redaction,
    least(by_hand.scope_position, by_rule.scope_position) as scope_position
from typed
left join by_hand on typed.supplier_record_id = by_hand.supplier_record_id
left join by_rule
    on
        typed.payee_type = by_rule.payee_type
        and coalesce(typed.body_type, '') = coalesce(by_rule.body_type, '')
        and coalesce(typed.anchor_institution_id, '') = coalesce(by_rule.anchor_institution_id, '')
