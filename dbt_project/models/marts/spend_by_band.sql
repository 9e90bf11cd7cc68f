-- One row per institution, financial year, regime of thresholds and band: how many payments fall in it, for how many
-- pounds and to how many suppliers.
-- A payment is the counted lines of one supplier record, day and transaction reference (a line without a reference is
-- one), ledger and cards. Its pounds are as the ledger has them and are compared with the threshold as it stands: where
-- `payment_vat_basis` and `threshold_vat_basis` differ, the band is that much off. A regime counts the payments made
-- while it was in force; one that is_compared counts those of every day, so that two can be laid side by side, and
-- says which of them were in force.
with regime as (select * from {{ ref('threshold_band') }}),

institution as (select institution_id, institution_type from {{ ref('dim_institution') }}),

-- The first pence of a band: the threshold itself, or a penny above it where it belongs to the band below.
band as (
    select
        institution.institution_id,
        regime.*,
        regime.lower + case when regime.lower_inclusive then 0 else 0.01 end as starts_at,
        lead(regime.lower + case when regime.lower_inclusive then 0 else 0.01 end) over (
            partition by institution.institution_id, regime.regime_id order by regime.position
        ) as next_starts_at
    from regime
    inner join institution
        on
            institution.institution_id = any(string_to_array(regime.applies_to, ' '))
            or institution.institution_type = any(string_to_array(regime.applies_to, ' '))
),

-- Every payment is placed once between an institution's thresholds of all regimes, and its day between their dates;
-- regimes and bands are then sums over these places.
edge as (
    select
        institution_id,
        array_agg(distinct starts_at order by starts_at) filter (where starts_at is not null) as amounts,
        coalesce(array_agg(distinct first_day order by first_day) filter (where first_day is not null), '{}') as days
    from band
    cross join lateral (values (valid_from), (valid_to + 1)) as change (first_day)
    group by institution_id
),

line as (
    {{ counted_line() }}
),

payment as (
    select
        institution_id,
        financial_year,
        supplier_record_id,
        spend_date,
        vat_basis,
        sum(amount) as amount,
        count(*) as line_count
    from line
    where basis in ('ledger', 'card')
    group by
        institution_id, financial_year, supplier_record_id, spend_date, vat_basis, transaction_ref,
        case when transaction_ref is null then batch_id end, case when transaction_ref is null then line_no end
),

placed as (
    select
        payment.institution_id,
        payment.financial_year,
        payment.supplier_record_id,
        payment.vat_basis,
        width_bucket(payment.amount, edge.amounts) as amount_place,
        width_bucket(payment.spend_date, edge.days) as day_place,
        count(*) as payment_count,
        sum(payment.line_count) as line_count,
        sum(payment.amount) as amount
    from payment
    inner join edge on payment.institution_id = edge.institution_id
    group by
        payment.institution_id, payment.financial_year, payment.supplier_record_id, payment.vat_basis, amount_place,
        day_place
),

spread as (
    select
        band.*,
        case when band.starts_at is null then 0 else array_position(edge.amounts, band.starts_at) end as first_place,
        case
            when band.next_starts_at is null then cardinality(edge.amounts)
            else array_position(edge.amounts, band.next_starts_at) - 1
        end as last_place,
        case when band.valid_from is null then 0 else array_position(edge.days, band.valid_from) end as first_day_place,
        case
            when band.valid_to is null then cardinality(edge.days)
            else array_position(edge.days, band.valid_to + 1) - 1
        end as last_day_place
    from band
    inner join edge on band.institution_id = edge.institution_id
),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }}),

counted as (
    select
        spread.*,
        placed.financial_year,
        placed.vat_basis as payment_basis,
        placed.payment_count,
        placed.line_count,
        placed.amount,
        supplier.supplier_id,
        placed.day_place between spread.first_day_place and spread.last_day_place as is_in_force
    from spread
    inner join placed
        on
            spread.institution_id = placed.institution_id
            and placed.amount_place between spread.first_place and spread.last_place
            and (spread.is_compared or placed.day_place between spread.first_day_place and spread.last_day_place)
    inner join supplier on placed.supplier_record_id = supplier.supplier_record_id
)

select
    institution_id,
    financial_year,
    regime_id,
    regime_name,
    band_id,
    band_name,
    position,
    lower,
    upper,
    lower_inclusive,
    valid_from,
    valid_to,
    vat_basis as threshold_vat_basis,
    string_agg(distinct payment_basis, '+' order by payment_basis) as payment_vat_basis,
    sum(payment_count)::bigint as payment_count,
    sum(line_count)::bigint as line_count,
    sum(amount) as amount,
    count(distinct supplier_id) as supplier_count,
    coalesce(sum(payment_count) filter (where is_in_force), 0)::bigint as in_force_payment_count,
    coalesce(sum(amount) filter (where is_in_force), 0) as in_force_amount
from counted
group by
    institution_id, financial_year, regime_id, regime_name, band_id, band_name, position, lower, upper,
    lower_inclusive, valid_from, valid_to, vat_basis
