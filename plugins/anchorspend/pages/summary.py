"""Summary: the strategy's measures against this year's targets, the path to the last, and what to know first."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import (
    Block,
    Chart,
    Column,
    Figures,
    Link,
    Page,
    Section,
    Status,
    Table,
    Text,
)

_AIMED = """
    score.target_status in ('set', 'tbc') and score.financial_year = (
        select max(newest.financial_year) from marts.kpi_scorecard as newest
        where newest.institution_id = score.institution_id and newest.kpi_id = 'local_spend_pct'
    )
"""

_STAGES = """
    with actual as (
        select * from marts.kpi_scorecard
        where kpi_id = 'local_spend_pct' and definition_id = %(headline)s and institution_id = %(institution)s
    ),
    target as (
        select financial_year, max(target) filter (where kind = 'target' and target_status = 'set') as target,
            string_agg(source, '; ' order by kind) as source
        from marts.kpi_target
        where kpi_id = 'local_spend_pct' and definition_id = %(headline)s and institution_id = %(institution)s
        group by financial_year
    ),
    reach as (
        select * from marts.attainable_path
        where definition_id = %(headline)s and institution_id = %(institution)s
    )
    select financial_year, actual.value, actual.value_min, actual.value_max, target.target, target.source,
        reach.sure_share, reach.attainable_share
    from actual
    full join target using (financial_year)
    full join reach using (financial_year)
    where financial_year <= (select max(financial_year) from target)
    order by financial_year
"""

_LARGEST_CHANGE_FIRST = """
    kpi.unit <> 'share', abs(revision.change) desc nulls last, revision.kpi_id, revision.institution_id,
    revision.financial_year, revision.definition_id
"""

_PARTNERS = """
    select institution.institution_id, institution.institution_name,
        (
            select max(score.financial_year) from marts.kpi_scorecard as score
            where score.institution_id = institution.institution_id and score.kpi_id = 'local_spend_pct'
                and score.value is not null
        ) as newest,
        count(*) filter (where coverage.status in ('missing', 'empty')) as missing,
        count(*) filter (where coverage.status = 'late') as late,
        count(*) filter (where coverage.status = 'sample') as not_judged,
        sum(coverage.lines_quarantined) as quarantined,
        (
            select count(*) from marts.feed_version as version
            where version.institution_id = institution.institution_id and version.reason_code = 'refused'
        ) as refused
    from marts.dim_institution as institution
    left join marts.feed_coverage as coverage
        on institution.institution_id = coverage.institution_id and coverage.is_counted
            and coverage.financial_year = %(year)s
    where institution.institution_id <> 'partnership'
    group by institution.institution_id, institution.institution_name
    order by institution.institution_name
"""


def page(marts: Marts) -> Page:
    """The first page."""
    aimed = scorecard.scores(
        marts, _AIMED, "score.institution_id, score.target_status, kpi.kpi_name, score.definition_id"
    )
    shares = scorecard.scores(
        marts,
        "score.kpi_id = 'local_spend_pct' and score.definition_id = %(headline)s and score.financial_year = %(year)s",
        "score.institution_id <> 'partnership', score.value desc nulls last, institution.institution_name",
        year=marts.year,
        headline=marts.headline,
    )
    partners = marts.rows(_PARTNERS, year=marts.year)
    by_institution: dict[str, list[Any]] = {}
    for score in aimed:
        by_institution.setdefault(score.institution_id, []).append(score)
    return Page(
        "index",
        "Summary",
        _lead(marts, shares, aimed),
        [
            *(_against_targets(scores) for scores in by_institution.values()),
            *(section for one in by_institution.values() if (section := _path(marts, one[0]))),
            _everybody(marts, shares),
            _changed(marts),
            _partners(marts, partners),
        ],
    )


def _lead(marts: Marts, shares: Sequence[Any], aimed: Sequence[Any]) -> str:
    county = next((score for score in shares if score.institution_id == "partnership"), None)
    said = f"No share of local spend is published for {marts.year}."
    if county and county.value is not None:
        said = (
            f"In {marts.year} the institutions spent {formats.short_pounds(county.total_amount)} together, "
            f"{formats.share(county.value)} of it locally."
        )
    ends = Counter(score.status for score in aimed)
    told = [
        f"{ends[status]} {word}"
        for status, word in (
            ("met", "met"),
            ("missed", "missed"),
            ("uncertain", "cannot be told"),
            ("no_data", "without data"),
            ("tbc", "not set yet"),
        )
        if ends[status]
    ]
    return f"{said} Of {len(aimed)} targets of the strategy for the year: {', '.join(told)}." if aimed else said


def _against_targets(aimed: Sequence[Any]) -> Section:
    first = aimed[0]
    set_ones = sorted((score for score in aimed if score.target_status == "set"), key=_local_first)
    part = ""
    if first.is_complete is False:
        part = f" The year is not complete: {first.missing_months} months of its feeds are missing or empty."
    return Section(
        f"targets-{scorecard.anchor(first.institution_id)}",
        f"{first.institution_name} against the targets of {first.financial_year}",
        [
            Text.of("A figure counts as met or missed only where it would be so wherever the unknown part went.", part),
            Figures([scorecard.card(score) for score in set_ones]),
            scorecard.figures_table(
                f"targets_{first.institution_id}",
                f"Every measure with a target in the strategy, {first.institution_name}, {first.financial_year}",
                sorted(aimed, key=_local_first),
                targets=True,
            ),
        ],
    )


def _local_first(score: Any) -> tuple[bool, bool, str, str]:
    return (
        score.kpi_id != "local_spend_pct",
        score.target_status != "set",
        score.kpi_name,
        score.definition_name,
    )


def _path(marts: Marts, of: Any) -> Section | None:
    stages = marts.rows(_STAGES, institution=of.institution_id, headline=marts.headline)
    aims = [stage for stage in stages if stage.target is not None]
    if not aims:
        return None
    last = aims[-1]
    known = [stage for stage in stages if stage.value is not None]
    newest = known[-1] if known else None
    title = f"{of.institution_name} is to spend {last.target:.0%} locally in {last.financial_year}"
    if newest:
        title = f"{of.institution_name} spent {formats.share(newest.value)} locally in {newest.financial_year}"
        if newest.target is not None:
            gap = newest.value - newest.target
            title += f", {abs(gap) * 100:.1f} points {'above' if gap >= 0 else 'below'} that year's target"
    reach = (
        f" If all that is surely free to be put to competition went to local suppliers, "
        f"{formats.share(last.sure_share)} could be reached by {last.financial_year}; "
        f"{formats.share(last.attainable_share)} at most."
        if last.sure_share is not None
        else ""
    )
    chart = Chart(
        title,
        charts.path(
            [
                charts.Stage(
                    stage.financial_year,
                    *(stage.value, stage.value_min, stage.value_max, stage.target),
                    *(stage.sure_share, stage.attainable_share),
                )
                for stage in stages
            ]
        ),
        f"{title}. The target rises to {last.target:.0%} in {last.financial_year}.{reach}",
        Table(
            f"path_{of.institution_id}",
            f"Local share of spend and its target, {of.institution_name}",
            [
                Column("Year"),
                *(Column(heading, "share") for heading in ("Figure", "At least", "At most", "Target")),
                *(Column(heading, "share") for heading in ("Surely within reach", "Most within reach")),
                Column("Source of the target"),
            ],
            [
                [
                    stage.financial_year,
                    *(
                        "not yet" if figure is None and stage.value is None else figure
                        for figure in (stage.value, stage.value_min, stage.value_max)
                    ),
                    "none" if stage.target is None else stage.target,
                    *("past" if end is None else end for end in (stage.sure_share, stage.attainable_share)),
                    stage.source or "none",
                ]
                for stage in stages
            ],
        ),
        [
            ("line", "figure, with everything that is not sure counted against and for"),
            ("dash", "target of the strategy"),
            ("band", "within reach: surely, to at most"),
        ],
    )
    return Section(
        f"path-{scorecard.anchor(of.institution_id)}",
        f"The path to {last.target:.0%}",
        [
            chart,
            Text.of(
                "What is within reach counts the spend that can be put to competition by then, all of it won by local "
                "suppliers. It says what is possible, not what is likely."
            ),
        ],
    )


def _everybody(marts: Marts, shares: Sequence[Any]) -> Section:
    return Section(
        "institutions",
        f"Each institution's local share in {marts.year}",
        [
            scorecard.institutions_chart(
                scorecard.range_of([one for one in shares if one.institution_id != "partnership"], "local share"),
                shares,
                "local_share_by_institution",
                f"Local share of spend, {marts.year}, {shares[0].definition_name}",
            )
        ]
        if shares
        else [Text.of(f"No local share is published for {marts.year}.")],
    )


def _changed(marts: Marts) -> Section:
    before = [one.release_id for one in marts.rows("select release_id from marts.release order by release_id desc")][
        1:2
    ]
    revisions = scorecard.revisions(marts, _LARGEST_CHANGE_FIRST)
    if not before:
        said = "This is the first release: there is nothing to compare it with."
    elif not revisions:
        said = f"No published figure changed since release {before[0]}."
    else:
        kinds = Counter(revision.kind for revision in revisions)
        told = ", ".join(f"{formats.count(kinds[kind])} {kind}" for kind in ("changed", "new", "gone") if kinds[kind])
        said = f"Figures that are not as in release {before[0]}: {told}."
    blocks: list[Block] = [Text.of(said)]
    if revisions:
        blocks.append(
            Table(
                "revisions",
                f"Headline figures that changed since release {before[0]}, largest change first",
                [
                    Column("Measure"),
                    Column("Institution"),
                    Column("Year"),
                    Column("Counted as"),
                    *(Column(heading, "count") for heading in ("Before", "Now", "Change")),
                ],
                [
                    [
                        scorecard.kpi_link(revision.kpi_id, revision.kpi_name),
                        revision.institution_name,
                        revision.financial_year,
                        scorecard.definition_link(revision.definition_id, revision.definition_name),
                        "new" if revision.kind == "new" else scorecard.revised(revision, revision.value_before),
                        "gone" if revision.kind == "gone" else scorecard.revised(revision, revision.value),
                        scorecard.difference(revision),
                    ]
                    for revision in revisions
                    if revision.is_headline
                ],
            )
        )
    return Section("changes", "What changed since the last release", blocks)


def _partners(marts: Marts, partners: Sequence[Any]) -> Section:
    told = [(partner, _state(marts, partner)) for partner in partners]
    trouble = [partner.institution_name for partner, state in told if state.tone in ("bad", "doubt")]
    said = (
        f"Not everything that {marts.year} needs is here: {', '.join(trouble)}."
        if trouble
        else f"Every institution's feeds for {marts.year} are here."
    )
    return Section(
        "partners",
        "Late, partial or left out",
        [
            Text.of(said, " ", Link("What counts as spend", "method.html#kpi-local_spend_pct"), "."),
            Table(
                "partners",
                f"What each institution has sent for {marts.year}",
                [
                    Column("Institution"),
                    Column("State", "status"),
                    Column("Newest year with figures"),
                    *(Column(heading, "count") for heading in ("Months missing", "Months late", "Lines unreadable")),
                    Column("Files refused, ever", "count"),
                ],
                [
                    [
                        scorecard.institution_link(partner.institution_id, partner.institution_name),
                        state,
                        partner.newest or "none",
                        partner.missing,
                        partner.late,
                        "none due" if partner.quarantined is None else partner.quarantined,
                        partner.refused,
                    ]
                    for partner, state in told
                ],
            ),
        ],
    )


def _state(marts: Marts, partner: Any) -> Status:
    if partner.newest is None:
        return Status("Left out: no data", "bad")
    if partner.newest < marts.year:
        return Status(f"Left out of {marts.year}", "bad")
    if partner.missing:
        return Status("Partial", "doubt")
    if partner.late:
        return Status("Late", "doubt")
    return Status("Complete, sample", "good") if partner.not_judged else Status("Complete", "good")
