-- One row per supplier record, with the supplier it is taken to be. For now a supplier is what one institution keeps
-- under one number or, without numbers, under one name; resolution across institutions belongs here.
{{ config(materialized='table') }}

with record as (select * from {{ ref('supplier_record') }}),

pattern as (select * from {{ ref('individual_pattern') }}),

judged as (
    select
        record.*,
        individual.pattern_id as individual_pattern_id,
        md5(
            institution_id || '|'
            || coalesce('ref:' || upper(record.supplier_ref), 'name:' || upper(record.supplier_name), '?')
        )::uuid as supplier_id
    from record
    left join lateral (
        select pattern.pattern_id
        from pattern
        where record.supplier_name ~* pattern.pattern
        order by pattern.pattern_id
        limit 1
    ) as individual on true
)

select
    supplier_record_id,
    institution_id,
    supplier_ref,
    supplier_name,
    supplier_postcode,
    supplier_id,
    'own_record' as resolution_rule,
    individual_pattern_id,
    individual_pattern_id is not null as is_individual,
    coalesce(
        min(supplier_name) filter (where individual_pattern_id is null) over (partition by supplier_id),
        case when individual_pattern_id is null then '(not named)' else '(name withheld)' end
    ) as resolved_name
from judged
