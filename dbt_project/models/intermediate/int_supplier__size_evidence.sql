-- One row per supplier, kind of evidence on its size and what it is about (`subject`): all that is known, whichever
-- definition is asked and whichever wins. Of observatory feeds the newest year, every feed of it.
{{ config(materialized='table') }}

with record as (select * from {{ ref('int_supplier__resolved') }}),

body as (select supplier_id, body_type, evidence from {{ ref('int_supplier__public_body') }}),

-- A charity of a public body stands in the list of public bodies by its charity number.
listed as (select charity_number, body_type from {{ ref('stg_raw__public_body') }} where charity_number is not null),

pattern as (select * from {{ ref('size_pattern') }} where applies_to = 'supplier_name'),

company_of as (
    select distinct
        supplier_id,
        company_number
    from record
    where company_number is not null
),

company as (
    select
        company_of.supplier_id,
        company.company_number,
        upper(company.accounts_category) as accounts_category,
        company.accounts_made_up_date
    from company_of
    inner join {{ ref('stg_raw__company') }} as company on company_of.company_number = company.company_number
    where company.accounts_category is not null
),

charity as (
    select distinct on (linked.supplier_id, linked.charity_number)
        linked.supplier_id,
        linked.charity_number,
        linked.latest_income
    from (
        select record.supplier_id, charity.charity_number, charity.latest_income
        from record
        inner join {{ ref('stg_raw__charity') }} as charity
            on record.register = 'charity' and record.register_number = charity.charity_number
        union
        select company_of.supplier_id, charity.charity_number, charity.latest_income
        from company_of
        inner join {{ ref('stg_raw__charity') }} as charity on company_of.company_number = charity.company_number
    ) as linked
    order by linked.supplier_id asc, linked.charity_number asc, linked.latest_income desc nulls last
),

governmental as (
    select distinct on (told.supplier_id)
        told.supplier_id,
        told.body_type,
        told.evidence
    from (
        select supplier_id, body_type, evidence from body
        union all
        select charity.supplier_id, listed.body_type, 'register' as evidence
        from charity
        inner join listed on charity.charity_number = listed.charity_number
    ) as told
    order by told.supplier_id asc, told.evidence desc, told.body_type asc
),

-- A vendor writes 0 also where it knows no number.
told as (
    select
        record.supplier_id,
        batch.batch_id,
        batch.institution_id,
        batch.period_last,
        nullif(observatory.employees, 0) as employees,
        observatory.claimed_sme
    from {{ ref('stg_raw__observatory') }} as observatory
    inner join {{ ref('int_batch__counted') }} as batch on observatory.batch_id = batch.batch_id
    inner join {{ ref('spend_line') }} as line
        on observatory.batch_id = line.batch_id and observatory.line_no = line.line_no
    inner join record on line.supplier_record_id = record.supplier_record_id
),

employees as (
    select
        supplier_id,
        batch_id,
        institution_id,
        period_last,
        max(employees) as employees,
        rank() over (partition by supplier_id order by period_last desc) as age
    from told
    where employees > 0
    group by supplier_id, batch_id, institution_id, period_last
),

claim as (
    select
        supplier_id,
        period_last,
        bool_and(claimed_sme) as claimed_sme,
        bool_and(claimed_sme) <> bool_or(claimed_sme) as is_disputed,
        rank() over (partition by supplier_id order by period_last desc) as age
    from told
    where claimed_sme is not null
    group by supplier_id, period_last
),

named as (
    select
        record.supplier_id,
        bool_and(record.register is null) and coalesce(bool_or(judged.outcome), false) as trades_under_a_name,
        bool_or(record.is_individual) as is_person
    from record
    left join lateral (
        select pattern.outcome
        from pattern
        where record.supplier_name ~* pattern.pattern
        order by pattern.position
        limit 1
    ) as judged on true
    group by record.supplier_id
),

evidence as (
    select
        supplier_id,
        'public_body' as evidence_id,
        evidence as subject,
        null::bigint as employees,
        null::numeric as income,
        null::text as accounts_category,
        null::date as evidence_date,
        null::boolean as claimed_sme,
        null::boolean as is_head,
        'public body: ' || coalesce(body_type, 'of unknown kind') as evidence_detail
    from governmental
    union all
    select
        supplier_id, 'private_person', '', null, null, null, null, null, null, 'paid as a private person'
    from named
    where is_person and not trades_under_a_name
    union all
    select
        supplier_id, 'sole_trader', '', null, null, null, null, null, null, 'trades under a name, in no register'
    from named
    where trades_under_a_name
    union all
    select
        supplier_id, 'charity', charity_number, null, null, null, null, null, null,
        'charity ' || charity_number
    from charity
    union all
    select
        supplier_id, 'charity_income', charity_number, null, latest_income, null, null, null, null,
        'charity ' || charity_number || ', income £' || round(latest_income)
    from charity
    where latest_income is not null
    union all
    select
        supplier_id, 'employees', batch_id::text, employees, null, null, period_last, null, null,
        employees || ' employees, observatory feed of ' || institution_id || ' to ' || period_last
    from employees
    where age = 1
    union all
    select
        supplier_id, 'claimed_sme', '', null, null, null, period_last,
        case when not is_disputed then claimed_sme end, null,
        case
            when is_disputed then 'vendors disagree, year to '
            when claimed_sme then 'vendor says SME, year to '
            else 'vendor says not an SME, year to '
        end || period_last
    from claim
    where age = 1
    union all
    select
        supplier_id, 'accounts', company_number, null, null, accounts_category, accounts_made_up_date, null, null,
        'accounts ' || accounts_category || coalesce(' made up to ' || accounts_made_up_date, '')
    from company
    union all
    select
        company_of.supplier_id,
        'group_accounts',
        above.company_number || ' ' || above.steps,
        null,
        null,
        above.accounts_category,
        above.accounts_made_up_date,
        null,
        above.is_head,
        case
            when above.parent_number is null then 'a parent that is not in the register of companies'
            else
                'parent ' || above.parent_number || ', accounts ' || coalesce(above.accounts_category, 'unknown')
                || coalesce(' made up to ' || above.accounts_made_up_date, '')
        end
    from company_of
    inner join {{ ref('int_supplier__size_group') }} as above on company_of.company_number = above.company_number
)

select * from evidence
