-- One row per definition of local, institution, category and supplier that is not local: what was bought from it in the
-- newest complete financial year, who else could supply it locally, when it is free, by which kind of competition.
-- Ordered by contest_rank: pounds, weighted by the rows of seed contest_weight. Works, supplies and social care only;
-- private persons are left out. Under contract: the register as it stands holds a running contract of the institution
-- with the supplier, of the category or of none that is known.
with spend as (select * from {{ ref('int_spend__by_category') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

scope as (select scope from {{ ref('dim_scope') }} where is_influenceable),

institution as (select institution_id, institution_type from {{ ref('dim_institution') }}),

category as (select category_code, category_label from {{ ref('dim_category') }}),

contract as (select * from {{ ref('fct_contract') }}),

status as (select definition_id, supplier_record_id, local_status from {{ ref('supplier_local') }}),

rule as (
    select
        max(threshold) filter (where rule_id = 'contract_years') as contract_years,
        max(threshold) filter (where rule_id = 'vat_factor') as vat_factor,
        max(threshold) filter (where rule_id = 'extensions_counted') = 1 as extensions_counted,
        max(threshold) filter (where rule_id = 'soon_months')::integer as soon_months
    from {{ ref('opportunity_rule') }}
),

weight as (select factor, state, weight from {{ ref('contest_weight') }}),

threshold as (select * from {{ ref('tender_threshold') }} where valid_from <= {{ as_of_day() }}),

year as (select distinct institution_id, financial_year from basis),

short as (
    select distinct institution_id, financial_year
    from {{ ref('feed_coverage') }}
    where is_counted and status in ('missing', 'empty', 'not_due')
),

-- Months that are to come, or did not, make a year too short to go by, unless there is no other.
newest as (
    select distinct on (year.institution_id)
        year.institution_id,
        year.financial_year
    from year
    left join short on year.institution_id = short.institution_id and year.financial_year = short.financial_year
    order by year.institution_id asc, (short.institution_id is null) desc, year.financial_year desc
),

supplier as (
    select supplier_record_id, supplier_id, supplier_name
    from {{ ref('dim_supplier') }}
    where not is_individual
),

bought as (
    select
        spend.institution_id,
        spend.financial_year,
        spend.supplier_record_id,
        supplier.supplier_id,
        supplier.supplier_name,
        spend.category_code,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count
    from spend
    inner join basis using (institution_id, financial_year, basis)
    inner join newest on spend.institution_id = newest.institution_id and spend.financial_year = newest.financial_year
    inner join scope on spend.scope = scope.scope
    inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by
        spend.institution_id, spend.financial_year, spend.supplier_record_id, supplier.supplier_id,
        supplier.supplier_name, spend.category_code
),

-- Who is paid anything for a category by whom, and is local.
local_supplier as (
    select
        status.definition_id,
        bought.category_code,
        bought.institution_id,
        bought.supplier_id,
        min(bought.supplier_name) as supplier_name,
        sum(bought.amount) as amount
    from bought
    inner join status on bought.supplier_record_id = status.supplier_record_id and status.local_status = 'local'
    where bought.category_code <> ''
    group by status.definition_id, bought.category_code, bought.institution_id, bought.supplier_id
    having sum(bought.amount) > 0
),

-- A local supplier of a category, with the one institution that uses it, where it is one.
seller as (
    select
        definition_id,
        category_code,
        supplier_id,
        min(supplier_name) as supplier_name,
        sum(amount) as amount,
        case when count(*) = 1 then min(institution_id) end as only_institution_id
    from local_supplier
    group by definition_id, category_code, supplier_id
),

sold as (
    select
        definition_id,
        category_code,
        only_institution_id,
        count(*) as suppliers
    from seller
    group by definition_id, category_code, only_institution_id
),

-- A category's local suppliers as each institution sees them: all, and those that others use.
supply as (
    select
        viewer.institution_id,
        sold.definition_id,
        sold.category_code,
        sum(sold.suppliers)::integer as local_suppliers,
        coalesce(
            sum(sold.suppliers) filter (where sold.only_institution_id is distinct from viewer.institution_id), 0
        )::integer as local_suppliers_of_others
    from sold
    cross join newest as viewer
    group by viewer.institution_id, sold.definition_id, sold.category_code
),

-- No more than three of those that one institution alone uses, or that several do, can be among any three.
first_of_each as (
    select *
    from (
        select
            *,
            row_number() over (
                partition by definition_id, category_code, only_institution_id
                order by amount desc, supplier_name asc
            ) as position
        from seller
    ) as ordered
    where position <= 3
),

named as (
    select
        institution_id,
        definition_id,
        category_code,
        string_agg(supplier_name, '; ' order by amount desc, supplier_name asc) as top_local_suppliers
    from (
        select
            viewer.institution_id,
            one.definition_id,
            one.category_code,
            one.supplier_name,
            one.amount,
            row_number() over (
                partition by viewer.institution_id, one.definition_id, one.category_code
                order by one.amount desc, one.supplier_name asc
            ) as position
        from first_of_each as one
        inner join newest as viewer on one.only_institution_id is distinct from viewer.institution_id
    ) as ordered
    where position <= 3
    group by institution_id, definition_id, category_code
),

register as (
    select
        institution_id,
        max(register_day) as register_day
    from contract
    group by institution_id
),

running as (
    select
        contract.institution_id,
        contract.supplier_id,
        contract.category_code,
        contract.contract_value,
        case
            when rule.extensions_counted then greatest(contract.end_date, contract.last_extension_date)
            else contract.end_date
        end as end_date
    from contract
    cross join rule
    where
        contract.is_current
        and contract.supplier_id is not null
        and (
            contract.end_date is null
            or case
                when rule.extensions_counted then greatest(contract.end_date, contract.last_extension_date)
                else contract.end_date
            end > contract.register_day
        )
),

leaking as (
    select
        status.definition_id,
        bought.institution_id,
        bought.category_code,
        bought.supplier_id,
        min(bought.supplier_name) as supplier_name,
        min(bought.financial_year) as financial_year,
        sum(bought.amount) as amount,
        sum(bought.line_count)::bigint as line_count
    from bought
    inner join status on bought.supplier_record_id = status.supplier_record_id and status.local_status = 'not_local'
    group by status.definition_id, bought.institution_id, bought.category_code, bought.supplier_id
),

held as (
    select
        one.institution_id,
        one.supplier_id,
        one.category_code,
        count(*)::integer as contract_count,
        sum(running.contract_value) as contract_value,
        bool_or(running.end_date is null) as is_open_ended,
        max(running.end_date) as end_date
    from (select distinct institution_id, supplier_id, category_code from leaking) as one
    inner join running
        on
            one.institution_id = running.institution_id
            and one.supplier_id = running.supplier_id
            and (
                one.category_code = running.category_code
                or one.category_code = ''
                or running.category_code is null
            )
    group by one.institution_id, one.supplier_id, one.category_code
),

judged as (
    select
        leaking.definition_id,
        leaking.institution_id,
        leaking.category_code,
        leaking.supplier_id,
        leaking.supplier_name,
        leaking.financial_year,
        leaking.amount,
        leaking.line_count,
        case
            when leaking.category_code = '' then 'unknown'
            when supply.local_suppliers_of_others > 0 then 'others'
            when supply.local_suppliers > 0 then 'own'
            else 'none'
        end as local_supply,
        case when leaking.category_code <> '' then coalesce(supply.local_suppliers, 0) end as local_suppliers,
        case when leaking.category_code <> '' then coalesce(supply.local_suppliers_of_others, 0) end
            as local_suppliers_of_others,
        named.top_local_suppliers,
        case
            when register.institution_id is null then 'no_register'
            when held.institution_id is null then 'none_found'
            when held.is_open_ended then 'no_end_date'
            else 'running'
        end as contract_state,
        coalesce(held.contract_count, 0) as contract_count,
        case when not held.is_open_ended then held.end_date + 1 end as free_on,
        register.register_day,
        coalesce(held.contract_value, leaking.amount * rule.contract_years) * rule.vat_factor as estimated_value,
        rule.soon_months
    from leaking
    cross join rule
    left join supply
        on
            leaking.institution_id = supply.institution_id
            and leaking.definition_id = supply.definition_id
            and leaking.category_code = supply.category_code
    left join named
        on
            leaking.institution_id = named.institution_id
            and leaking.definition_id = named.definition_id
            and leaking.category_code = named.category_code
    left join register on leaking.institution_id = register.institution_id
    left join held
        on
            leaking.institution_id = held.institution_id
            and leaking.supplier_id = held.supplier_id
            and leaking.category_code = held.category_code
),

-- The threshold in force on the day the release judges by, for the institution's type and the category.
limited as (
    select distinct on (one.institution_id, one.category_code)
        one.institution_id,
        one.category_code,
        threshold.threshold_id,
        threshold.threshold
    from (select distinct institution_id, category_code from judged) as one
    inner join institution on one.institution_id = institution.institution_id
    inner join threshold
        on
            (
                threshold.institution_types is null
                or institution.institution_type = any(string_to_array(threshold.institution_types, ' '))
            )
            and (threshold.category_pattern is null or one.category_code ~ threshold.category_pattern)
    order by one.institution_id asc, one.category_code asc, threshold.position asc, threshold.valid_from desc
),

stated as (
    select
        judged.*,
        limited.threshold_id,
        limited.threshold,
        case judged.contract_state
            when 'none_found' then 'now'
            when 'running'
                then
                    case
                        when judged.free_on - 1 <= judged.register_day + make_interval(months => judged.soon_months)
                            then 'soon'
                        else 'later'
                    end
            else 'unknown'
        end as when_free,
        case
            when judged.estimated_value < limited.threshold then 'below_threshold'
            when judged.estimated_value >= limited.threshold then 'above_threshold'
            else 'unknown'
        end as competition
    from judged
    left join limited
        on judged.institution_id = limited.institution_id and judged.category_code = limited.category_code
),

weighed as (
    select
        stated.*,
        round(stated.amount * by_supply.weight * by_time.weight * by_competition.weight, 2) as weighted_amount
    from stated
    inner join weight as by_supply
        on by_supply.factor = 'local_supply' and stated.local_supply = by_supply.state
    inner join weight as by_time
        on by_time.factor = 'when_free' and stated.when_free = by_time.state
    inner join weight as by_competition
        on by_competition.factor = 'competition' and stated.competition = by_competition.state
)

select
    definition_id,
    institution_id,
    category_code,
    supplier_id,
    financial_year,
    category.category_label,
    supplier_name,
    amount,
    weighed.line_count,
    local_supply,
    local_suppliers,
    local_suppliers_of_others,
    top_local_suppliers,
    contract_state,
    contract_count,
    free_on,
    when_free,
    register_day,
    round(estimated_value, 2) as estimated_value,
    threshold_id,
    threshold,
    competition,
    weighted_amount,
    row_number() over (
        partition by definition_id, institution_id
        order by weighted_amount desc, amount desc, category_code asc, supplier_id asc
    ) as contest_rank
from weighed
left join category using (category_code)
