-- One row per writing of a category that stands for exactly one code: a whole label, or its part behind the last colon
-- (`Cleaning & Janitorial: Cleaning Service`), as the books that give code and label both have them. So a ledger or
-- register that writes its categories out can be read beside one that gives codes.
{{ config(materialized='table') }}

with heading as (select * from {{ ref('int_scope__heading') }}),

contract as (select * from {{ ref('stg_raw__contract') }}),

written as (
    select category_code, category_label from heading where category_code <> '' and category_label <> ''
    union
    select category_code, category_label from contract where category_code <> '' and category_label <> ''
),

keyed as (
    select category_code, {{ label_key('category_label') }} as label_key, 'label' as category_basis, 1 as position
    from written
    union
    select category_code, {{ label_key("regexp_replace(category_label, '^.*:', '')") }}, 'part_of_label', 2
    from written
    where category_label like '%:%'
),

telling as (
    select
        label_key,
        category_basis,
        position,
        min(category_code) as category_code
    from keyed
    where label_key <> ''
    group by label_key, category_basis, position
    having count(distinct category_code) = 1
)

select distinct on (label_key)
    label_key,
    category_code,
    category_basis
from telling
order by label_key, position
