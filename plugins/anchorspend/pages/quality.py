"""Data quality: what came, what could not be read or does not count, and the checks with their owners."""

from calendar import month_abbr, month_name
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Chart, Column, Link, Page, Section, Status, Table, Text

_CHECKS = """
    select * from marts.audit_check
    order by passed, case severity when 'critical' then 0 when 'warning' then 1 else 2 end, check_no
"""

_CALENDAR = """
    select coverage.*, institution.institution_name, institution.financial_year_start
    from marts.feed_coverage as coverage
    inner join marts.dim_institution as institution on coverage.institution_id = institution.institution_id
    where coverage.status <> 'not_promised'
    order by coverage.financial_year desc, institution.financial_year_start, not coverage.is_counted,
        institution.institution_name, coverage.feed_id, coverage.month_first
"""

_COVERAGE = """
    select institution.institution_name, coverage.institution_id, coverage.feed_id,
        sum(coverage.line_count) as lines, sum(coverage.amount) as amount,
        sum(coverage.amount_located) as located, sum(coverage.lines_located) as lines_located,
        sum(coverage.lines_quarantined) as lines_quarantined, sum(coverage.amount_quarantined) as amount_quarantined
    from marts.feed_coverage as coverage
    inner join marts.dim_institution as institution on coverage.institution_id = institution.institution_id
    where coverage.is_counted and coverage.financial_year = %(year)s
    group by institution.institution_name, coverage.institution_id, coverage.feed_id
    order by institution.institution_name, coverage.feed_id
"""

_RUNGS = """
    select coverage.*, institution.institution_name
    from marts.location_coverage as coverage
    inner join marts.dim_institution as institution on coverage.institution_id = institution.institution_id
    where coverage.financial_year = %(year)s
    order by coverage.institution_id <> 'partnership', institution.institution_name, coverage.position nulls last
"""

_REASONS = """
    select reason.institution_id, institution.institution_name, reason.feed_id, reason.reason,
        sum(reason.line_count)::bigint as lines, sum(reason.lines_without_amount)::bigint as without_amount,
        sum(reason.amount) as amount, min(reason.period_label) as first_period, max(reason.period_label) as last_period
    from marts.quarantine_reason as reason
    inner join marts.dim_institution as institution on reason.institution_id = institution.institution_id
    group by reason.institution_id, institution.institution_name, reason.feed_id, reason.reason
    order by lines desc, institution.institution_name, reason.feed_id, reason.reason
"""

_NOT_COUNTED = """
    select institution.institution_name, line.feed_id, line.financial_year, line.reason,
        count(*) as lines, sum(line.amount) as amount
    from marts.line_not_counted as line
    inner join marts.dim_institution as institution on line.institution_id = institution.institution_id
    group by institution.institution_name, line.feed_id, line.financial_year, line.reason
    order by amount desc, institution.institution_name, line.feed_id, line.financial_year
"""

_FINDINGS = """
    select finding.*, institution.institution_name
    from marts.strategy_finding as finding
    left join marts.dim_institution as institution on finding.institution_id = institution.institution_id
    order by finding.first_source, finding.rule_id, finding.subject
"""

_CAME = {
    "on_time": Status("Came", "good"),
    "sample": Status("Came", "good"),
    "empty": Status("Empty", "bad"),
    "missing": Status("Missing", "bad"),
    "not_due": Status("Not due", "none"),
}

_SEVERITY = {"critical": "bad", "warning": "doubt", "info": "none"}

_WHY_NOT = {
    "superseded": "a newer version of the file counts",
    "covered": "a file of a longer period counts",
    "detail": "details of lines that another feed holds",
    "second_opinion": "another kind of feed counts in the year",
    "same_transaction": "another feed holds the same payment",
    "same_invoice": "another feed holds the same invoice",
}

_MONTHS = 12


def page(marts: Marts) -> Page:
    """How far the figures can be trusted, and who sees to what."""
    checks = marts.rows(_CHECKS)
    failed = [one for one in checks if not one.passed]
    owners = sorted({one.owner for one in failed})
    return Page(
        "quality",
        "Data quality",
        f"The release passed {formats.count(len(checks) - len(failed))} of {formats.of(len(checks), 'check')}"
        + (f"; the others are for the {' and the '.join(owners)} to look at." if failed else ", which is all of them.")
        + " A release that fails a critical check is not published.",
        [
            Section("checks", "Checks and their owners", _checks(checks)),
            Section("calendar", "What came, month by month", _calendar(marts)),
            Section("coverage", "How much has a known place", _coverage(marts)),
            Section("quarantine", "Lines that could not be read", _quarantine(marts)),
            Section("not-counted", "Lines that are not counted", _not_counted(marts)),
            Section("strategy", "Where the strategy contradicts itself", _findings(marts)),
        ],
    )


def _checks(checks: Sequence[Any]) -> list[Block]:
    return [
        Table(
            "audit_checks",
            "Checks of this release, failed ones first",
            [
                Column("What is so when all is well"),
                Column("Result", "status"),
                Column("Severity"),
                Column("Owner"),
                Column("Rows", "count"),
                Column("Table"),
            ],
            [
                [
                    one.description,
                    Status("Passed", "good") if one.passed else Status("Failed", _SEVERITY[one.severity]),  # type: ignore[arg-type]
                    one.severity,
                    one.owner,
                    "the check broke" if one.observed is None else one.observed,
                    one.suite,
                ]
                for one in checks
            ],
        ),
        Text.of("Rows are those of which it was not so; where a check counts rows, those it counted."),
    ]


def _calendar(marts: Marts) -> list[Block]:
    rows = marts.rows(_CALENDAR)
    if not rows:
        return [Text.of("No feed has a calendar.")]
    seen = Counter(_came(one).word.partition(" ")[0].lower() for one in rows)
    blocks: list[Block] = [
        Text.of(
            "Of "
            + formats.of(len(rows), "month of a feed", "months of feeds")
            + ": "
            + ", ".join(f"{formats.count(number)} {word}" for word, number in seen.most_common())
            + ". A month is there when a file that counts holds it. ",
            "Sample data are never judged late."
            if marts.release.is_sample
            else "Late is judged by the day on which the first version that could be loaded arrived.",
        )
    ]
    years: dict[tuple[str, int], dict[tuple[str, str], dict[int, Any]]] = {}
    for one in rows:
        feeds = years.setdefault((one.financial_year, one.financial_year_start), {})
        feeds.setdefault((one.institution_name, one.feed_id), {})[one.month_first.month] = one
    for (year, begins), feeds in years.items():
        if year != marts.year:
            continue
        months = [(begins + later - 1) % _MONTHS + 1 for later in range(_MONTHS)]
        blocks.append(
            Table(
                f"feed_calendar_from_{month_abbr[begins].lower()}",
                f"Feeds of {year}, {month_name[months[0]]} to {month_name[months[-1]]}",
                [
                    Column("Feed"),
                    *(Column(month_abbr[month], "status") for month in months),
                    Column("In the figures"),
                ],
                [
                    [
                        f"{name}, {feed}",
                        *(_came(found[month]) if month in found else "none due" for month in months),
                        "yes" if any(one.is_counted for one in found.values()) else "no",
                    ]
                    for (name, feed), found in feeds.items()
                ],
            )
        )
    trouble = [one for one in rows if one.financial_year != marts.year and _came(one).tone in ("bad", "doubt")]
    if not trouble:
        return [*blocks, Text.of(f"Every month of the years before {marts.year} came, and none is odd.")]
    return [
        *blocks,
        Table(
            "feed_months_amiss",
            f"Months of other years than {marts.year} that did not come, or are odd",
            [
                Column("Feed"),
                Column("Month"),
                Column("State", "status"),
                Column("Lines", "count"),
                Column("In the figures"),
            ],
            [
                [
                    f"{one.institution_name}, {one.feed_id}",
                    f"{one.month_first:%B %Y}",
                    _came(one),
                    one.line_count,
                    "yes" if one.is_counted else "no",
                ]
                for one in trouble
            ],
        ),
    ]


def _came(month: Any) -> Status:
    if month.status == "late":
        return Status(f"Late {month.days_late} d", "doubt")
    found = _CAME[month.status]
    if month.volume in ("short", "long") and found.tone == "good":
        return Status(f"Came {month.volume}", "doubt")
    return found


def _coverage(marts: Marts) -> list[Block]:
    rungs = marts.rows(_RUNGS, year=marts.year)
    feeds = marts.rows(_COVERAGE, year=marts.year)
    # Pounds that add up to nothing have no parts.
    institutions = {one.institution_id: one.institution_name for one in rungs if one.amount_share is not None}
    unknown = {one.institution_id: one.amount_share for one in rungs if one.location_evidence == "none"}
    known = {institution: 1 - unknown.get(institution, Decimal(0)) for institution in institutions}
    if "partnership" not in known:
        return [Text.of(f"Nothing can be said of the places of {marts.year}.")]
    least = min(known, key=lambda institution: known[institution])
    title = (
        f"The place of {formats.share(known['partnership'])} of the pounds of {marts.year} is known; least is known at "
        f"{institutions[least]}, {formats.share(known[least])}"
    )
    return [
        Chart(
            title,
            charts.bars(
                [
                    charts.Bar(
                        name,
                        *(known[institution], None, None),
                        formats.share(known[institution]),
                        plain=institution == "partnership",
                    )
                    for institution, name in institutions.items()
                ],
                whole=Decimal(1),
            ),
            f"{title}. "
            + "; ".join(f"{name} {formats.share(known[institution])}" for institution, name in institutions.items())
            + ".",
            Table(
                "known_places",
                f"Pounds of {marts.year} by the evidence that the place of the supplier stands on",
                [
                    Column("Institution"),
                    Column("Evidence"),
                    Column("Pounds", "pounds"),
                    Column("Part", "share"),
                    Column("Lines", "count"),
                    Column("Supplier records", "count"),
                ],
                [
                    [
                        scorecard.institution_link(one.institution_id, one.institution_name),
                        "nothing places it"
                        if one.location_evidence == "none"
                        else one.location_evidence.replace("_", " "),
                        *(one.amount, one.amount_share, one.line_count, one.record_count),
                    ]
                    for one in rungs
                ],
            ),
            [("one", "institution"), ("unknown", "all together")],
        ),
        Table(
            "feed_lines",
            f"What each feed behind the figures of {marts.year} holds",
            [
                Column("Institution"),
                Column("Feed"),
                Column("Lines", "count"),
                Column("Pounds", "pounds"),
                Column("Pounds with a place", "pounds"),
                Column("Lines unreadable", "count"),
                Column("Pounds of these", "pounds"),
            ],
            [
                [
                    scorecard.institution_link(one.institution_id, one.institution_name),
                    one.feed_id,
                    *(one.lines, one.amount, one.located, one.lines_quarantined, one.amount_quarantined),
                ]
                for one in feeds
            ],
        ),
        Text.of("Which evidence comes first, and what it proves: ", Link("Local", "local.html"), "."),
    ]


def _quarantine(marts: Marts) -> list[Block]:
    rows = marts.rows(_REASONS)
    if not rows:
        return [Text.of("Every line of every file that counts could be read.")]
    reasons: Counter[str] = Counter()
    for one in rows:
        reasons[one.reason] += one.lines
    (most, times), *_ = reasons.most_common()
    title = f"What most often keeps a line out is a cell that {_said(most)}: {formats.of(times, 'line')}"
    return [
        Chart(
            title,
            charts.bars(
                [
                    charts.Bar(reason, Decimal(lines), None, None, formats.count(lines))
                    for reason, lines in reasons.most_common(8)
                ]
            ),
            f"{title}. " + "; ".join(f"{reason}: {lines}" for reason, lines in reasons.most_common(8)) + ".",
            Table(
                "quarantine_reasons",
                "Lines in quarantine by reason",
                [Column("Reason"), Column("Lines", "count")],
                [[reason, lines] for reason, lines in reasons.most_common()],
            ),
        ),
        Table(
            "quarantine",
            "Lines in quarantine by institution, feed and reason",
            [
                Column("Institution"),
                Column("Feed"),
                Column("Reason"),
                Column("Lines", "count"),
                Column("Pounds", "pounds"),
                Column("Lines without pounds", "count"),
                Column("First period"),
                Column("Last period"),
            ],
            [
                [
                    scorecard.institution_link(one.institution_id, one.institution_name),
                    one.feed_id,
                    one.reason,
                    one.lines,
                    None if one.lines == one.without_amount else one.amount,
                    *(one.without_amount, one.first_period, one.last_period),
                ]
                for one in rows
            ],
        ),
        Text.of(
            "A line with two problems stands under both reasons. What a line says is not shown: its publisher gets it "
            "in the report on the file. Pounds that could not be read are in no sum."
        ),
    ]


def _said(reason: str) -> str:
    """A reason as the end of a sentence on a cell."""
    return reason if reason.split()[0] in ("is", "has", "holds", "lies", "could") else f"is {reason}"


def _not_counted(marts: Marts) -> list[Block]:
    rows = marts.rows(_NOT_COUNTED)
    if not rows:
        return [Text.of("Every loaded line is in the figures.")]
    lines, pounds = sum(one.lines for one in rows), sum((one.amount for one in rows), Decimal(0))
    return [
        Text.of(
            f"{formats.of(lines, 'loaded line')} of {formats.short_pounds(pounds)} "
            "are in no figure. Each would count pounds twice, and each has its reason."
        ),
        Table(
            "lines_not_counted",
            "Loaded lines that are in no figure, most pounds first",
            [
                Column("Institution"),
                Column("Feed"),
                Column("Year"),
                Column("Why"),
                Column("Lines", "count"),
                Column("Pounds", "pounds"),
            ],
            [
                [
                    one.institution_name,
                    one.feed_id,
                    one.financial_year,
                    _WHY_NOT[one.reason],
                    *(one.lines, one.amount),
                ]
                for one in rows
            ],
        ),
    ]


def _findings(marts: Marts) -> list[Block]:
    rows = marts.rows(_FINDINGS)
    if not rows:
        return [Text.of("No contradiction was found.")]
    return [
        Text.of(
            f"In {formats.of(len(rows), 'place')} two statements of the strategy cannot both be so. The figures here "
            "follow neither silently: definitions and targets say which reading they stand on."
        ),
        Table(
            "strategy_findings",
            "Contradictions in the strategy, by line",
            [
                Column("About"),
                Column("Year"),
                Column("What is wrong"),
                Column("It says"),
                Column("On lines"),
                Column("And it says"),
                Column("On lines "),
                Column("Owner"),
            ],
            [
                [
                    one.subject,
                    one.financial_year,
                    one.rule,
                    one.first_words,
                    one.first_source,
                    one.second_words or "nothing else: it contradicts itself",
                    one.second_source or "the same",
                    one.owner,
                ]
                for one in rows
            ],
        ),
    ]
