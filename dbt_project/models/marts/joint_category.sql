-- One row per category and financial year that two or more institutions bought: works, supplies and social care of the
-- counted basis. What institutions pay each other and what private persons
-- are paid is left out. A category is the line's code, or the one that its label
-- stands for; known_share says how much of the year's spend has one.
with spend as (select * from {{ ref('int_spend__by_category') }}),

basis as (select * from {{ ref('spend_basis') }} where is_counted),

scope as (select scope from {{ ref('dim_scope') }} where is_influenceable),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }} where not is_individual),

category as (select category_code, category_label from {{ ref('dim_category') }}),

bought as (
    select
        spend.category_code,
        spend.financial_year,
        spend.institution_id,
        supplier.supplier_id,
        sum(spend.amount) as amount,
        sum(spend.line_count)::bigint as line_count
    from spend
    inner join basis using (institution_id, financial_year, basis)
    inner join scope on spend.scope = scope.scope
    inner join supplier on spend.supplier_record_id = supplier.supplier_record_id
    group by spend.category_code, spend.financial_year, spend.institution_id, supplier.supplier_id
),

in_year as (
    select
        financial_year,
        {{ share("sum(amount) filter (where category_code <> '')", 'sum(amount)') }} as known_share
    from bought
    group by financial_year
),

by_institution as (
    select
        category_code,
        financial_year,
        institution_id,
        sum(amount) as amount,
        sum(line_count)::bigint as line_count
    from bought
    where category_code <> ''
    group by category_code, financial_year, institution_id
),

by_supplier as (
    select
        category_code,
        financial_year,
        supplier_id,
        count(distinct institution_id) as institution_count,
        sum(amount) as amount
    from bought
    where category_code <> ''
    group by category_code, financial_year, supplier_id
),

shared as (
    select
        category_code,
        financial_year,
        count(*) as supplier_count,
        count(*) filter (where institution_count >= 2) as joint_supplier_count,
        coalesce(sum(amount) filter (where institution_count >= 2), 0) as joint_supplier_amount
    from by_supplier
    group by category_code, financial_year
),

joint as (
    select
        category_code,
        financial_year,
        sum(amount) as amount,
        count(*)::integer as institution_count,
        string_agg(institution_id, ' ' order by institution_id) as institutions,
        max(amount) as largest_amount,
        sum(line_count)::bigint as line_count
    from by_institution
    group by category_code, financial_year
    having count(*) >= 2
)

select
    joint.category_code,
    joint.financial_year,
    category.category_label,
    joint.amount,
    joint.institution_count,
    joint.institutions,
    joint.largest_amount,
    shared.supplier_count,
    shared.joint_supplier_count,
    shared.joint_supplier_amount,
    joint.line_count,
    in_year.known_share
from joint
inner join in_year on joint.financial_year = in_year.financial_year
inner join shared on joint.category_code = shared.category_code and joint.financial_year = shared.financial_year
left join category on joint.category_code = category.category_code
