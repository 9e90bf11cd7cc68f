-- One row per spend line that counts: of the release's batches, on a counted basis of its institution and year, and not
-- standing in another feed as well. The other lines are in line_not_counted. The scope is that of the first rule which
-- the payment, its payee or its heading matches.
{{ config(materialized='view') }}

with line as (
    {{ counted_line() }}
),

payee as (select supplier_record_id, scope_position from {{ ref('dim_supplier') }}),

heading as (select * from {{ ref('dim_heading') }}),

decided as (select * from {{ ref('line_scope_decided') }}),

rule as (select position, rule_id, scope from {{ ref('dim_scope_rule') }})

select
    line.batch_id,
    line.line_no,
    line.institution_id,
    line.feed_id,
    line.supplier_record_id,
    line.spend_date,
    line.date_basis,
    line.financial_year,
    line.quarter,
    line.basis,
    line.vat_basis,
    line.amount,
    rule.scope,
    rule.rule_id as scope_rule_id,
    line.organisational_unit,
    line.expense_type,
    line.category_code,
    line.category_label,
    line.contract_ref,
    line.transaction_ref,
    line.sheet as source_sheet,
    line.source_row
from line
left join payee on line.supplier_record_id = payee.supplier_record_id
left join heading
    on
        line.institution_id = heading.institution_id
        and coalesce(line.category_code, '') = heading.category_code
        and coalesce(line.category_label, '') = heading.category_label
        and coalesce(line.expense_type, '') = heading.expense_type
left join decided on line.batch_id = decided.batch_id and line.line_no = decided.line_no
left join rule on least(decided.scope_position, payee.scope_position, heading.scope_position) = rule.position
