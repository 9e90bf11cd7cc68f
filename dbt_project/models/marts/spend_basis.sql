-- One row per institution, financial year and basis. The ledger counts where there is one, else the observatory; the
-- other is a second opinion, never added.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

total as (
    select
        institution_id,
        financial_year,
        basis,
        sum(amount) as amount,
        sum(line_count)::bigint as line_count,
        count(*) as supplier_record_count
    from spend
    group by institution_id, financial_year, basis
)

select
    institution_id,
    financial_year,
    basis,
    basis = 'ledger' or not bool_or(basis = 'ledger') over (partition by institution_id, financial_year) as is_counted,
    amount,
    amount - max(amount) filter (where basis = 'ledger') over (partition by institution_id, financial_year)
        as difference_from_ledger,
    line_count,
    supplier_record_count
from total
