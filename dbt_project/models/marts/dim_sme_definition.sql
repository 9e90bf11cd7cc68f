-- One row per SME definition and version, its limits in pounds.
select
    definition_id,
    version,
    definition_name,
    combination,
    employee_limit,
    employees_up_to_limit,
    round(turnover_limit_stated * pounds_per_unit) as turnover_limit,
    round(balance_sheet_limit_stated * pounds_per_unit) as balance_sheet_limit,
    turnover_limit_stated,
    balance_sheet_limit_stated,
    currency,
    pounds_per_unit,
    counts_charities,
    group_definition_id,
    owner,
    valid_from,
    valid_to,
    source,
    note
from {{ ref('sme_definition') }}
