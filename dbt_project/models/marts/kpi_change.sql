-- One row per share KPI on spend, institution (or `partnership`), financial year and series of a definition: the change
-- since the year before, split into five effects that add up to it.
-- docs/explanation/comparing.md says each in a sentence.
-- A series is a definition through its versions, or through definitions that replaced one another.
--   definition: last year's pounds judged by this year's definition, less last year's figure
--   data: what published and comparable figure are apart, this year less last year. Comparable is the figure over
--     institutions with the same basis and no missing month in both years, a heading's unknown pounds taken to be like
--     its known ones
--   volume, mix, rate: the change of the comparable figure, by institutions' shares of the pounds, headings' shares of
--     an institution's pounds, and what is counted in a heading; each at the mean of both years of the others
-- Effects are rounded to eight decimals; the rate takes the rounding up.
with figure as materialized (
    select
        score.kpi_id,
        score.institution_id,
        score.financial_year,
        left(score.financial_year, 4)::integer as first_year,
        score.definition_id,
        score.value,
        score.basis,
        score.missing_months,
        kpi.measure,
        kpi.base
    from {{ ref('kpi_scorecard') }} as score
    inner join {{ ref('kpi') }} as kpi on score.kpi_id = kpi.kpi_id
    where kpi.unit = 'share' and kpi.base is not null
),

series as (
    select
        split_part(definition_id, '@', 1) as series_id,
        measure,
        definition_id,
        valid_from
    from {{ ref('dim_definition') }}
    union all
    select
        listed.series_id,
        listed.measure,
        listed.definition_id,
        definition.valid_from
    from {{ ref('definition_series') }} as listed
    inner join {{ ref('dim_definition') }} as definition
        on listed.measure = definition.measure and listed.definition_id = definition.definition_id
),

-- In force on the year's last day; a year before the first one is judged by the first one.
in_force as materialized (
    select distinct on (year.institution_id, year.financial_year, series.measure, series.series_id)
        year.institution_id,
        year.financial_year,
        year.first_year,
        series.measure,
        series.series_id,
        series.definition_id
    from (
        select distinct
            figure.institution_id,
            figure.financial_year,
            figure.first_year,
            make_date(figure.first_year + 1, institution.financial_year_start, 1) - 1 as last_day
        from figure
        inner join {{ ref('dim_institution') }} as institution on figure.institution_id = institution.institution_id
    ) as year
    cross join series
    order by
        year.institution_id asc, year.financial_year asc, series.measure asc, series.series_id asc,
        coalesce(series.valid_from <= year.last_day, true) desc,
        case when series.valid_from <= year.last_day then series.valid_from end desc,
        series.valid_from asc,
        series.definition_id asc
),

followed as (
    select
        figure.kpi_id,
        figure.institution_id,
        figure.financial_year,
        figure.first_year,
        figure.measure,
        figure.base,
        in_force.series_id,
        figure.definition_id,
        figure.value,
        lag(figure.financial_year) over by_year as previous_year,
        lag(figure.first_year) over by_year as previous_first_year,
        lag(figure.definition_id) over by_year as previous_definition_id,
        lag(figure.value) over by_year as value_before
    from figure
    inner join in_force
        on
            figure.institution_id = in_force.institution_id
            and figure.financial_year = in_force.financial_year
            and figure.measure = in_force.measure
            and figure.definition_id = in_force.definition_id
    window
        by_year as (
            partition by figure.kpi_id, figure.institution_id, in_force.series_id
            order by figure.first_year
        )
),

pair as materialized (
    select
        followed.*,
        row_number() over () as pair_no,
        concat_ws(' ', followed.institution_id, followed.base, followed.measure, followed.definition_id) as judged_as,
        rejudged.value as value_before_rejudged
    from followed
    inner join figure as rejudged
        on
            followed.kpi_id = rejudged.kpi_id
            and followed.institution_id = rejudged.institution_id
            and followed.previous_year = rejudged.financial_year
            and followed.definition_id = rejudged.definition_id
    where
        followed.first_year = followed.previous_first_year + 1
        and followed.value is not null and followed.value_before is not null and rejudged.value is not null
),

-- Each institution's own figures say which two years of it can be compared.
comparable as materialized (
    select distinct
        now.institution_id,
        now.financial_year,
        before.financial_year as previous_year,
        now.basis = before.basis and now.missing_months = 0 and before.missing_months = 0 as is_comparable
    from figure as now
    inner join figure as before
        on now.institution_id = before.institution_id and now.first_year = before.first_year + 1
    where now.institution_id <> 'partnership'
),

cell as materialized (
    select
        -- one key of five: of several the planner would expect next to no rows, and join them one by one
        concat_ws(
            ' ', shown.figure_of, judged.base, judged.measure, judged.definition_id, judged.institution_id
        ) as judged_as,
        judged.institution_id,
        judged.financial_year,
        judged.heading,
        judged.total_amount,
        judged.known_amount,
        judged.counted_amount
    from {{ ref('int_kpi__heading') }} as judged
    cross join lateral (values (judged.institution_id), ('partnership')) as shown (figure_of)
    where shown.figure_of <> 'partnership' or not judged.is_between_anchors
),

-- Both years of a heading side by side, both judged by this year's definition.
side as (
    select
        pair.pair_no,
        cell.institution_id,
        cell.heading,
        coalesce(sum(cell.total_amount) filter (where cell.financial_year = pair.previous_year), 0) as total_0,
        coalesce(sum(cell.total_amount) filter (where cell.financial_year = pair.financial_year), 0) as total_1,
        sum(cell.counted_amount) filter (where cell.financial_year = pair.previous_year)
        / nullif(sum(cell.known_amount) filter (where cell.financial_year = pair.previous_year), 0) as rate_0,
        sum(cell.counted_amount) filter (where cell.financial_year = pair.financial_year)
        / nullif(sum(cell.known_amount) filter (where cell.financial_year = pair.financial_year), 0) as rate_1
    from pair
    inner join comparable
        on
            pair.financial_year = comparable.financial_year
            and comparable.is_comparable
            and pair.institution_id in (comparable.institution_id, 'partnership')
    inner join cell
        on
            pair.judged_as || ' ' || comparable.institution_id = cell.judged_as
            and cell.financial_year in (pair.previous_year, pair.financial_year)
    group by pair.pair_no, cell.institution_id, cell.heading
),

-- A heading of one year only has that year's rate in both, so that it comes or goes as mix. One of which nothing is
-- known in either year says nothing.
rated as (
    select
        pair_no,
        institution_id,
        total_0,
        total_1,
        coalesce(rate_0, rate_1) as rate_0,
        coalesce(rate_1, rate_0) as rate_1,
        sum(total_0) over its_institution as institution_0,
        sum(total_1) over its_institution as institution_1,
        sum(total_0) over its_pair as figure_0,
        sum(total_1) over its_pair as figure_1
    from side
    where coalesce(rate_0, rate_1) is not null
    window its_institution as (partition by pair_no, institution_id), its_pair as (partition by pair_no)
),

member as (
    select
        pair_no,
        institution_id,
        max(institution_0) / nullif(max(figure_0), 0) as weight_0,
        max(institution_1) / nullif(max(figure_1), 0) as weight_1,
        sum(total_0 * rate_0) / nullif(max(institution_0), 0) as value_0,
        sum(total_1 * rate_1) / nullif(max(institution_1), 0) as value_1,
        sum(
            (total_1 / nullif(institution_1, 0) - total_0 / nullif(institution_0, 0)) * (rate_0 + rate_1) / 2
        ) as mix
    from rated
    group by pair_no, institution_id
),

compared as materialized (
    select
        pair_no,
        sum(weight_0 * value_0) as comparable_0,
        sum(weight_1 * value_1) as comparable_1,
        sum((weight_1 - weight_0) * (value_0 + value_1) / 2) as volume,
        sum((weight_0 + weight_1) / 2 * mix) as mix,
        count(*)::integer as institutions_compared
    from member
    group by pair_no
    -- an institution without pounds in one of the years has no shares of them
    having bool_and(weight_0 * value_0 is not null and weight_1 * value_1 is not null)
),

effect as (
    select
        pair.kpi_id,
        pair.institution_id,
        pair.financial_year,
        pair.series_id,
        pair.previous_year,
        pair.definition_id,
        pair.previous_definition_id,
        pair.value_before,
        pair.value,
        pair.value - pair.value_before as change,
        round(coalesce(compared.volume, 0), 8) as volume_effect,
        round(coalesce(compared.mix, 0), 8) as mix_effect,
        pair.value_before_rejudged - pair.value_before as definition_effect,
        round(
            pair.value - pair.value_before_rejudged - coalesce(compared.comparable_1 - compared.comparable_0, 0), 8
        ) as data_effect,
        compared.pair_no is not null as is_compared,
        coalesce(compared.institutions_compared, 0) as institutions_compared
    from pair
    left join compared on pair.pair_no = compared.pair_no
)

select
    kpi_id,
    institution_id,
    financial_year,
    series_id,
    previous_year,
    definition_id,
    previous_definition_id,
    value_before,
    value,
    trim_scale(change) as change,
    trim_scale(volume_effect) as volume_effect,
    trim_scale(mix_effect) as mix_effect,
    trim_scale(
        case when is_compared then change - volume_effect - mix_effect - definition_effect - data_effect else 0 end
    ) as rate_effect,
    trim_scale(definition_effect) as definition_effect,
    trim_scale(case when is_compared then data_effect else change - definition_effect end) as data_effect,
    institutions_compared
from effect
