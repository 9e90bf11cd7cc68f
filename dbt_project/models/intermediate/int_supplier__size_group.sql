-- One row per company that a supplier is linked to and company above it in its group, with what that one filed.
-- A parent's number is taken for one of Companies House only where that company bears the parent's name: numbers of
-- other countries' registers look the same. `is_head`: nobody stands above it.
{{ config(materialized='table') }}

with recursive linked as (
    select distinct company_number
    from {{ ref('int_supplier__resolved') }}
    where company_number is not null
),

pattern as (select * from {{ ref('size_pattern') }} where applies_to = 'nature_of_control'),

rule as (select threshold from {{ ref('size_rule') }} where rule_id = 'longest_group'),

owned as (select * from {{ ref('stg_raw__company_parent') }}),

-- A nature nobody has described is taken for control: its subsidiary then is unknown rather than an SME.
nature as (
    select
        described.nature_of_control,
        coalesce((array_agg(pattern.outcome order by pattern.position))[1], true) as is_control
    from (select distinct nature_of_control from owned) as described
    left join pattern on described.nature_of_control ~* pattern.pattern
    group by described.nature_of_control
),

parent as (
    select distinct on (owned.company_number)
        owned.company_number,
        owned.parent_number,
        owned.parent_name
    from owned
    inner join nature on owned.nature_of_control = nature.nature_of_control
    where nature.is_control and owned.parent_number is distinct from owned.company_number
    order by owned.company_number asc, owned.parent_number asc nulls last
),

chain as (
    select
        linked.company_number,
        parent.parent_number,
        parent.parent_name,
        1 as steps,
        array[linked.company_number] as below
    from linked
    inner join parent on linked.company_number = parent.company_number
    union all
    select
        chain.company_number,
        parent.parent_number,
        parent.parent_name,
        chain.steps + 1,
        chain.below || chain.parent_number
    from chain
    inner join parent on chain.parent_number = parent.company_number
    where
        coalesce(parent.parent_number <> all(chain.below), true)
        and chain.steps < (select rule.threshold from rule)
)

select
    chain.company_number,
    chain.steps,
    company.company_number as parent_number,
    company.company_number is not null and above.company_number is null as is_head,
    upper(company.accounts_category) as accounts_category,
    company.accounts_made_up_date
from chain
left join {{ ref('stg_raw__company') }} as company
    on
        chain.parent_number = company.company_number
        and {{ company_name_key('chain.parent_name') }} = {{ company_name_key('company.company_name') }}
left join parent as above on chain.parent_number = above.company_number
