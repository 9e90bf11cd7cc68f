-- One row per rule of scope, with the overrides of single payees, headings and payments before all rules, the most
-- particular first. The lowest position that matches wins; no two are alike.
{{ config(materialized='table') }}

with override as (select * from {{ ref('scope_override') }}),

particular as (
    select
        *,
        case match_column when 'transaction_ref' then 'payment' when 'supplier_ref' then 'payee' else 'heading' end
            as applies_to,
        case match_column when 'transaction_ref' then 1 when 'supplier_ref' then 2 else 3 end as place
    from override
)

select
    position,
    rule_id,
    applies_to,
    match_column,
    pattern,
    null as institution_id,
    scope,
    reason,
    owner,
    source,
    null::date as decided_on
from {{ ref('scope_rule') }}
union all
select
    (0 - row_number() over (order by place desc, override_id desc))::integer,
    override_id,
    applies_to,
    match_column,
    value,
    institution_id,
    scope,
    reason,
    decided_by,
    'decided by hand',
    decided_on
from particular
