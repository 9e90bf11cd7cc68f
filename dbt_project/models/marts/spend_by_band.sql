-- One row per institution, financial year, regime of thresholds and band: how many payments fall in it, for how many
-- pounds and to how many suppliers.
-- A payment is the counted lines of one supplier record, day and transaction reference (a line without a reference is
-- one), ledger and cards. Its pounds are as the ledger has them and are compared with the threshold as it stands: where
-- `payment_vat_basis` and `threshold_vat_basis` differ, the band is that much off. A regime counts the payments made
-- while it was in force; one that is_compared counts those of every day, so that two can be laid side by side, and
-- says which of them were in force.
with band as (select * from {{ ref('int_threshold__band') }}),

placed as (select * from {{ ref('int_kpi__payment') }}),

supplier as (select supplier_record_id, supplier_id from {{ ref('dim_supplier') }}),

counted as (
    select
        band.institution_id,
        band.regime_id,
        band.band_id,
        placed.financial_year,
        placed.vat_basis,
        placed.payment_count,
        placed.line_count,
        placed.amount,
        supplier.supplier_id,
        placed.day_place between band.first_day_place and band.last_day_place as is_in_force
    from band
    inner join placed
        on
            band.institution_id = placed.institution_id
            and placed.amount_place between band.first_place and band.last_place
            and (band.is_compared or placed.day_place between band.first_day_place and band.last_day_place)
    inner join supplier on placed.supplier_record_id = supplier.supplier_record_id
),

summed as (
    select
        institution_id,
        financial_year,
        regime_id,
        band_id,
        string_agg(distinct vat_basis, '+' order by vat_basis) as payment_vat_basis,
        sum(payment_count)::bigint as payment_count,
        sum(line_count)::bigint as line_count,
        sum(amount) as amount,
        count(distinct supplier_id) as supplier_count,
        coalesce(sum(payment_count) filter (where is_in_force), 0)::bigint as in_force_payment_count,
        coalesce(sum(amount) filter (where is_in_force), 0) as in_force_amount
    from counted
    group by institution_id, financial_year, regime_id, band_id
)

select
    summed.institution_id,
    summed.financial_year,
    summed.regime_id,
    band.regime_name,
    summed.band_id,
    band.band_name,
    band.position,
    band.lower,
    band.upper,
    band.lower_inclusive,
    band.valid_from,
    band.valid_to,
    band.vat_basis as threshold_vat_basis,
    summed.payment_vat_basis,
    summed.payment_count,
    summed.line_count,
    summed.amount,
    summed.supplier_count,
    summed.in_force_payment_count,
    summed.in_force_amount
from summed
inner join band
    on
        summed.institution_id = band.institution_id
        and summed.regime_id = band.regime_id
        and summed.band_id = band.band_id
