-- One row per contract of a supplier that two or more institutions hold separate contracts of one category with, beside
-- the others' terms. Contracts in force in the newest register; a joint contract is one and has no second terms.
-- Registers hold no unit prices: what can be compared is route, length, end and pounds a year.
with contract as (
    select *
    from {{ ref('fct_contract') }}
    where
        is_counted_once and is_current and supplier_id is not null and category_code is not null
        and (end_date is null or end_date >= register_day)
),

person as (select supplier_record_id from {{ ref('dim_supplier') }} where is_individual),

shared as (
    select
        contract.supplier_id,
        contract.category_code,
        count(distinct contract.institution_id)::integer as institution_count,
        count(*)::integer as contract_count,
        count(distinct contract.route)::integer as route_count,
        min(contract.annual_value) as lowest_annual_value,
        max(contract.annual_value) as highest_annual_value,
        min(contract.end_date) as first_end,
        max(contract.end_date) as last_end
    from contract
    left join person on contract.supplier_record_id = person.supplier_record_id
    where person.supplier_record_id is null
    group by contract.supplier_id, contract.category_code
    having count(distinct contract.institution_id) >= 2
)

select
    contract.contract_id,
    contract.supplier_id,
    contract.supplier_name,
    contract.category_code,
    contract.institution_id,
    contract.route,
    contract.start_date,
    contract.end_date,
    contract.contract_value,
    contract.annual_value,
    shared.institution_count,
    shared.contract_count,
    shared.route_count,
    shared.lowest_annual_value,
    shared.highest_annual_value,
    shared.first_end,
    shared.last_end
from contract
inner join shared on contract.supplier_id = shared.supplier_id and contract.category_code = shared.category_code
