-- One row per supplier record and fact that a rule of the voluntary sector can ask for. `stands_on`: the entry of a
-- register, the record itself, or no more than a name. A charity or society counts by where it stood on the day the
-- record was last paid.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }}),

body as (select supplier_record_id, body_type, evidence from {{ ref('int_supplier__public_body') }}),

-- A charity of a public body stands in the list of public bodies by its charity number.
listed as (select charity_number, body_type from {{ ref('stg_raw__public_body') }} where charity_number is not null),

company as (
    select
        record.supplier_record_id,
        company.company_number,
        company.company_name,
        company.company_category
    from record
    inner join {{ ref('stg_raw__company') }} as company on record.company_number = company.company_number
),

charity as (
    select
        record.supplier_record_id,
        charity.*
    from record
    inner join {{ ref('stg_raw__charity') }} as charity
        on record.register = 'charity' and record.register_number = charity.charity_number
    union
    select
        record.supplier_record_id,
        charity.*
    from record
    inner join {{ ref('stg_raw__charity') }} as charity on record.company_number = charity.company_number
),

mutual as (
    select
        record.supplier_record_id,
        mutual.*
    from record
    inner join {{ ref('stg_raw__mutual') }} as mutual
        on record.register = 'mutual' and record.register_number = mutual.society_number
),

paid as (
    select
        supplier_record_id,
        max(last_spend_date) as last_paid
    from {{ ref('spend_total') }}
    group by supplier_record_id
),

registered as (
    select supplier_record_id, register, register_number from record where register is not null
    union
    select supplier_record_id, 'company' as register, company_number as register_number from company
    union
    select supplier_record_id, 'charity' as register, charity_number as register_number from charity
),

attribute as (
    select
        supplier_record_id,
        'public_body' as attribute,
        coalesce(body_type, '') as value,
        'public body: ' || coalesce(body_type, 'of unknown kind') as evidence,
        evidence as stands_on
    from body
    union
    select
        charity.supplier_record_id, 'public_body', listed.body_type, 'public body: ' || listed.body_type, 'register'
    from charity
    inner join listed on charity.charity_number = listed.charity_number
    union
    select supplier_record_id, 'person', '', 'paid as a private person', 'record'
    from record
    where is_individual
    union
    select
        supplier_record_id, 'company_category', lower(company_category), 'legal form: ' || company_category, 'register'
    from company
    union
    select
        charity.supplier_record_id,
        'charity',
        case
            when charity.registration_status ~* '^removed' and coalesce(charity.removal_date <= paid.last_paid, true)
                then 'gone:'
            when charity.registration_date > paid.last_paid then 'later:'
            else 'standing:'
        end || case when charity.is_cio then 'cio' else lower(coalesce(charity.charity_type, '')) end,
        'charity ' || charity.charity_number || coalesce(', removed ' || charity.removal_date, ''),
        'register'
    from charity
    left join paid on charity.supplier_record_id = paid.supplier_record_id
    union
    select
        mutual.supplier_record_id,
        case
            when
                mutual.society_status ~* '^deregistered'
                and coalesce(mutual.deregistration_date <= paid.last_paid, true)
                then 'mutual_gone'
            else 'mutual'
        end,
        lower(mutual.registered_as),
        'society ' || mutual.society_number || ', ' || mutual.registered_as,
        'register'
    from mutual
    left join paid on mutual.supplier_record_id = paid.supplier_record_id
    union
    select record.supplier_record_id, 'name', lower(name.value), 'name', 'name'
    from record
    cross join lateral (values (record.resolved_name), (record.supplier_name)) as name (value)
    where not record.is_individual and name.value is not null and name.value !~ '^\(not named\)$'
    union
    select supplier_record_id, 'name', lower(company_name), 'name in the register of companies', 'register'
    from company
    union
    select linked.supplier_record_id, 'curated', curated.outcome, 'listed: ' || curated.listed_name, 'register'
    from {{ ref('vcs_curated') }} as curated
    inner join registered as linked
        on curated.register = linked.register and curated.register_number = linked.register_number
)

select * from attribute
