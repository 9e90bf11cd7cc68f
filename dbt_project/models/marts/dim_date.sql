-- One row per day of the years in which anything was spent. `financial_year` is the county's, April to March; a line
-- carries the financial year of its own institution.
with bounds as (
    select
        date_trunc('year', min(period_first) - interval '1 year') as first_day,
        date_trunc('year', max(period_last) + interval '2 years') - interval '1 day' as last_day
    from {{ ref('int_batch__counted') }}
),

day as (
    select generate_series(first_day, last_day, interval '1 day')::date as date_day
    from bounds
)

select
    date_day,
    extract(year from date_day)::integer as calendar_year,
    extract(month from date_day)::integer as calendar_month,
    to_char(date_day, 'YYYY-MM') as year_month,
    {{ financial_year('date_day', 4) }} as financial_year,
    (extract(month from date_day)::integer + 8) % 12 / 3 + 1 as financial_quarter
from day
