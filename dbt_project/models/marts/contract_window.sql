-- One row per window and contract in it: contracts of one category, of two or more institutions, that end within some
-- months of each other (seed opportunity_rule), so that what follows them can be let together. A window begins with the
-- end of its first contract and is told when no other window holds all its contracts; a contract can stand in several.
-- Contracts in force in the newest register, a joint one counted once. Without an end date there is no window.
with contract as (
    select *
    from {{ ref('fct_contract') }}
    where is_counted_once and is_current and end_date >= register_day and category_code is not null
),

rule as (select threshold::integer as months from {{ ref('opportunity_rule') }} where rule_id = 'window_months'),

opening as (
    select distinct
        contract.category_code,
        contract.end_date as window_opens,
        (contract.end_date + make_interval(months => rule.months))::date as window_closes
    from contract
    cross join rule
),

held as (
    select
        opening.category_code,
        opening.window_opens,
        contract.contract_id,
        contract.institution_id,
        contract.supplier_id,
        contract.end_date,
        contract.contract_value,
        max(contract.end_date) over (partition by opening.category_code, opening.window_opens) as window_last_end
    from opening
    inner join contract
        on
            opening.category_code = contract.category_code
            and contract.end_date between opening.window_opens and opening.window_closes
),

windowed as (
    select
        category_code,
        window_opens,
        window_last_end,
        count(*)::integer as contract_count,
        count(distinct institution_id)::integer as institution_count,
        count(distinct supplier_id)::integer as supplier_count,
        sum(contract_value) as contract_value,
        lag(window_last_end) over (partition by category_code order by window_opens) as last_end_before
    from held
    group by category_code, window_opens, window_last_end
)

select
    held.category_code || ':' || windowed.window_opens as window_id,
    held.contract_id,
    held.category_code,
    windowed.window_opens as window_first_end,
    windowed.window_last_end,
    windowed.institution_count,
    windowed.contract_count,
    windowed.supplier_count,
    windowed.contract_value as window_value,
    held.institution_id,
    held.end_date
from held
inner join windowed on held.category_code = windowed.category_code and held.window_opens = windowed.window_opens
where
    windowed.institution_count >= 2
    and (windowed.last_end_before is null or windowed.window_last_end > windowed.last_end_before)
