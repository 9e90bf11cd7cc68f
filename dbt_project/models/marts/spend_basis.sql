-- One row per institution, financial year and basis, counted or second opinion. The ledger counts where there is one,
-- and card spend beside it; else the observatory, whose vendor is taken to have been given the card bills too; card
-- spend alone where there is neither. Lines that stand twice in the files (`detail`, `twin`) are in no basis's pounds.
with spend as (select * from {{ ref('int_spend__by_supplier') }}),

accounted as (select * from {{ ref('int_batch__accounted') }} where is_counted),

total as (
    select
        institution_id,
        financial_year,
        basis,
        sum(amount) as amount,
        sum(line_count)::bigint as line_count,
        count(distinct supplier_record_id) as supplier_record_count
    from spend
    group by institution_id, financial_year, basis
),

left_out as (
    select
        institution_id,
        financial_year,
        basis,
        sum(lines_detail)::bigint as lines_detail,
        sum(amount_detail) as amount_detail,
        sum(lines_twin)::bigint as lines_twin,
        sum(amount_twin) as amount_twin
    from accounted
    group by institution_id, financial_year, basis
),

joined as (
    select
        institution_id,
        financial_year,
        basis,
        coalesce(total.amount, 0) as amount,
        coalesce(total.line_count, 0) as line_count,
        coalesce(total.supplier_record_count, 0) as supplier_record_count,
        coalesce(left_out.lines_detail, 0) as lines_detail,
        coalesce(left_out.amount_detail, 0) as amount_detail,
        coalesce(left_out.lines_twin, 0) as lines_twin,
        coalesce(left_out.amount_twin, 0) as amount_twin
    from total
    full join left_out using (institution_id, financial_year, basis)
),

judged as (
    select
        *,
        bool_or(basis = 'ledger' and line_count > 0) over its_year as has_ledger,
        bool_or(basis = 'observatory' and line_count > 0) over its_year as has_observatory,
        max(amount) filter (where basis = 'ledger' and line_count > 0) over its_year as ledger_amount
    from joined
    window its_year as (partition by institution_id, financial_year)
)

select
    institution_id,
    financial_year,
    basis,
    line_count > 0
    and case basis
        when 'ledger' then true
        when 'card' then has_ledger or not has_observatory
        else not has_ledger
    end as is_counted,
    amount,
    case when basis <> 'card' then amount - ledger_amount end as difference_from_ledger,
    line_count,
    supplier_record_count,
    lines_detail,
    amount_detail,
    lines_twin,
    amount_twin
from judged
