-- One row per institution, regime of thresholds that applies to it and band, with where the band lies among all of the
-- institution's thresholds, and its regime among the days on which one changes. Every payment is placed once among
-- them; regimes and bands are then sums over these places.
with regime as (select * from {{ ref('threshold_band') }}),

institution as (select institution_id, institution_type from {{ ref('stg_ops__institution') }}),

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

edge as (
    select
        institution_id,
        array_agg(distinct starts_at order by starts_at) filter (where starts_at is not null) as amounts,
        coalesce(array_agg(distinct first_day order by first_day) filter (where first_day is not null), '{}') as days
    from band
    cross join lateral (values (valid_from), (valid_to + 1)) as change (first_day)
    group by institution_id
)

select
    band.*,
    edge.amounts,
    edge.days,
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
