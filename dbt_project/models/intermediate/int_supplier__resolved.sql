-- One row per supplier record, with the supplier it is taken to be across institutions and that supplier's entry in a
-- register. `company_number` is the number of the company it is: the entry's own, or the one that a charity or public
-- body is registered under too.
{{ config(materialized='table') }}

with record as (select * from {{ ref('stg_raw__supplier_record') }}),

link as (select * from {{ ref('stg_reference__supplier_link') }}),

supplier as (select * from {{ ref('stg_reference__supplier') }}),

pattern as (select * from {{ ref('individual_pattern') }}),

charity as (
    select distinct on (charity_number)
        charity_number,
        company_number
    from {{ ref('stg_raw__charity') }}
    where company_number is not null
    order by charity_number, company_number
),

body as (
    select distinct on (body_id)
        body_id,
        company_number
    from {{ ref('stg_raw__public_body') }}
    where company_number is not null
    order by body_id, company_number
)

select
    record.supplier_record_id,
    record.institution_id,
    record.supplier_ref,
    record.supplier_name,
    record.supplier_postcode,
    link.supplier_id,
    link.resolution_rule,
    link.link_probability,
    link.link_evidence,
    link.register,
    link.register_number,
    link.register_probability,
    case link.register
        when 'company' then link.register_number
        when 'charity' then charity.company_number
        when 'public_body' then body.company_number
    end as company_number,
    individual.pattern_id as individual_pattern_id,
    individual.pattern_id is not null as is_individual,
    coalesce(
        supplier.supplier_name,
        case
            when individual.pattern_id is null and record.supplier_name is null then '(not named)'
            else '(name withheld)'
        end
    ) as resolved_name
from record
inner join link on record.supplier_record_id = link.supplier_record_id
inner join supplier on link.supplier_id = supplier.supplier_id
left join charity on link.register = 'charity' and link.register_number = charity.charity_number
left join body on link.register = 'public_body' and link.register_number = body.body_id
left join lateral (
    select pattern.pattern_id
    from pattern
    where record.supplier_name ~* pattern.pattern
    order by pattern.pattern_id
    limit 1
) as individual on true
