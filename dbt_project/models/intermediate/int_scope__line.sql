-- One row per spend line whose scope is decided by hand, by the reference of its payment.
{{ config(materialized='table') }}

with rule as (select * from {{ ref('int_scope__rule') }} where applies_to = 'payment'),

line as (select * from {{ ref('spend_line') }})

select
    line.batch_id,
    line.line_no,
    line.institution_id,
    min(rule.position) as scope_position
from line
inner join rule on line.institution_id = rule.institution_id and lower(line.transaction_ref) = lower(rule.pattern)
group by line.batch_id, line.line_no, line.institution_id
