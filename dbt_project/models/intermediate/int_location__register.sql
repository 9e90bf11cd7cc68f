-- One row per register entry that some supplier record is linked to, with the address the register gives.
-- A registered office that many companies share is an agent's (seed location_rule); a country that is no part of the
-- United Kingdom, of the office or of origin, is kept.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }} where not is_individual),

home as (select country from {{ ref('location_home_country') }}),

rule as (select threshold from {{ ref('location_rule') }} where rule_id = 'shared_office'),

linked as (
    select distinct
        register,
        register_number
    from record
    where register in ('charity', 'mutual', 'public_body')
),

linked_company as (select distinct company_number from record where company_number is not null),

company as (
    select distinct on (company.company_number)
        company.company_number,
        company.postcode,
        {{ address_key('company.address_line1') }} as address_key,
        case
            when upper(btrim(company.country)) not in (select home.country from home) then company.country
            when upper(btrim(company.country_of_origin)) not in (select home.country from home)
                then company.country_of_origin
        end as foreign_country
    from {{ ref('stg_raw__company') }} as company
    inner join linked_company on company.company_number = linked_company.company_number
    order by company.company_number, company.postcode
),

-- Of the whole register only what lies at a linked company's postcode is looked at.
shared_office as (
    select
        neighbour.postcode,
        {{ address_key('neighbour.address_line1') }} as address_key
    from {{ ref('stg_raw__company') }} as neighbour
    where neighbour.postcode in (select company.postcode from company)
    group by neighbour.postcode, {{ address_key('neighbour.address_line1') }}
    having count(*) >= (select rule.threshold from rule)
)

select
    'company' as register,
    company.company_number as register_number,
    company.postcode as written,
    nullif(btrim(company.foreign_country), '') as foreign_country,
    shared_office.postcode is not null as is_shared_office
from company
left join shared_office
    on company.postcode = shared_office.postcode and company.address_key is not distinct from shared_office.address_key
union all
(
    select distinct on (linked.register_number)
        linked.register,
        linked.register_number,
        charity.postcode,
        null,
        false
    from linked
    inner join {{ ref('stg_raw__charity') }} as charity on linked.register_number = charity.charity_number
    where linked.register = 'charity'
    order by linked.register_number, charity.postcode
)
union all
(
    select distinct on (linked.register_number)
        linked.register,
        linked.register_number,
        mutual.postcode,
        null,
        false
    from linked
    inner join {{ ref('stg_raw__mutual') }} as mutual on linked.register_number = mutual.society_number
    where linked.register = 'mutual'
    order by linked.register_number, mutual.postcode
)
union all
(
    select distinct on (linked.register_number)
        linked.register,
        linked.register_number,
        body.postcode,
        null,
        false
    from linked
    inner join {{ ref('stg_raw__public_body') }} as body on linked.register_number = body.body_id
    where linked.register = 'public_body'
    order by linked.register_number, body.postcode
)
