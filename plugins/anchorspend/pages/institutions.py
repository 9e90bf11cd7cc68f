"""Each institution: one page with its own figures, and a list of all of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.formats import UNKNOWN
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Chart, Column, Figures, Page, Section, Table, Text, scored

_CARDS = (
    "local_spend_pct",
    "local_influenceable_spend_pct",
    "sme_spend_pct",
    "vcs_spend_pct",
    "local_sme_spend_pct",
    "living_wage_spend_pct",
)

_SUPPLIERS = """
    select spend.supplier_name, sum(spend.amount) as amount, sum(spend.line_count) as lines,
        string_agg(distinct supplier.ring_name, ', ') as places, string_agg(distinct spend.local_status, ', ') as local,
        string_agg(distinct spend.sme_status, ', ') as sme, string_agg(distinct spend.vcs_status, ', ') as vcs
    from marts.supplier_spend as spend
    inner join marts.dim_supplier as supplier on spend.supplier_record_id = supplier.supplier_record_id
    where spend.institution_id = %(institution)s and spend.financial_year = %(year)s
        and not supplier.is_individual and spend.supplier_name is not null
    group by spend.supplier_id, spend.supplier_name
    order by sum(spend.amount) desc, spend.supplier_id
    limit 100
"""

_BRIDGE = """
    select step_no, step, description, is_subtotal, amount, line_count from marts.scope_bridge
    where institution_id = %(institution)s and financial_year = %(year)s and kpi_id = 'local_spend_pct'
        and step_no <= (select step_no from marts.scope_bridge where step = 'influenceable' limit 1)
        and (is_subtotal or amount <> 0 or line_count <> 0)
    order by step_no
"""

_FEEDS = """
    select feed_id, financial_year, bool_or(is_counted) as is_counted, count(*) as months,
        count(*) filter (where status in ('missing', 'empty')) as missing,
        count(*) filter (where status = 'late') as late,
        sum(line_count) as lines, sum(amount) as amount, sum(lines_quarantined) as quarantined
    from marts.feed_coverage where institution_id = %(institution)s
    group by feed_id, financial_year
    order by feed_id, financial_year
"""


def pages(marts: Marts) -> list[Page]:
    """The list, and behind it a page for each institution and one for all of them together."""
    institutions = marts.rows(
        "select * from marts.dim_institution order by institution_id <> 'partnership', institution_name"
    )
    headlines = {row.kpi_id: row.headline_definition for row in marts.rows("select * from marts.kpi_definition")}
    found: dict[str, list[Any]] = {one.institution_id: [] for one in institutions}
    for score in scorecard.scores(marts, "true", "kpi.kpi_name, score.definition_id, score.financial_year"):
        found[score.institution_id].append(score)
    return [
        _index(institutions, found, headlines),
        *(_page(marts, one, found[one.institution_id], headlines) for one in institutions),
    ]


def _index(institutions: Sequence[Any], found: dict[str, list[Any]], headlines: dict[str, str]) -> Page:
    rows: list[list[Any]] = []
    for one in institutions:
        scores = _newest(found[one.institution_id])
        by_kpi = {score.kpi_id: score for score in scores if score.definition_id == headlines.get(score.kpi_id)}
        local = by_kpi.get("local_spend_pct")
        rows.append(
            [
                scorecard.institution_link(one.institution_id, one.institution_name),
                one.institution_type.replace("_", " "),
                local.financial_year if local else "none",
                local.total_amount if local else "none",
                *(
                    by_kpi[kpi_id].value if kpi_id in by_kpi else "none"
                    for kpi_id in ("local_spend_pct", "sme_spend_pct", "vcs_spend_pct")
                ),
                scored(local.status if local else "no_data"),
            ]
        )
    counted = sum(1 for one in institutions if found[one.institution_id] and one.institution_id != "partnership")
    return Page(
        "institutions",
        "Each institution",
        f"{counted} of {len(institutions) - 1} institutions have figures. Each has a page of its own.",
        [
            Section(
                "all",
                "The newest year of each",
                [
                    Table(
                        "institutions",
                        "Pounds and headline shares of each institution's newest year",
                        [
                            Column("Institution"),
                            Column("Kind"),
                            Column("Year"),
                            Column("Pounds", "pounds"),
                            *(Column(heading, "share") for heading in ("Local", "SME", "Voluntary")),
                            Column("Local target", "status"),
                        ],
                        rows,
                    )
                ],
            )
        ],
    )


def _newest(scores: Sequence[Any]) -> list[Any]:
    year = max((score.financial_year for score in scores if score.kpi_id == "local_spend_pct"), default=None)
    return [score for score in scores if score.financial_year == year]


def _page(marts: Marts, one: Any, scores: Sequence[Any], headlines: dict[str, str]) -> Page:
    newest = _newest(scores)
    slug = f"institution_{one.institution_id}"
    feeds = _feeds(marts, one)
    if not newest:
        return Page(
            slug,
            one.institution_name,
            "No figures of this institution are in this release.",
            [feeds] if feeds else [],
            "institutions",
        )
    year = newest[0].financial_year
    cards = [
        score
        for kpi_id in _CARDS
        for score in newest
        if score.kpi_id == kpi_id and score.definition_id == headlines.get(kpi_id)
    ]
    local = next((score for score in cards if score.kpi_id == "local_spend_pct"), None)
    lead = (
        f"{formats.short_pounds(local.total_amount)} spent in {year}, "
        f"{formats.in_unit(local.value, 'share')} of it locally."
        if local
        else f"The newest figures are of {year}."
    )
    if local and local.is_complete is False:
        lead += f" The year is not complete: {local.missing_months} months of its feeds are missing or empty."
    sections = [
        Section("figures", f"Headline figures, {year}", [Figures([scorecard.card(score) for score in cards])]),
        _years(one, scores, headlines),
        _definitions(one, scores),
        _all(one, newest, year),
    ]
    if one.institution_id != "partnership":
        sections += [_bridge(marts, one, year), _suppliers(marts, one, year)]
    return Page(slug, one.institution_name, lead, [*sections, *([feeds] if feeds else [])], "institutions")


def _years(one: Any, scores: Sequence[Any], headlines: dict[str, str]) -> Section:
    found = [
        score
        for score in scores
        if score.kpi_id == "local_spend_pct" and score.definition_id == headlines["local_spend_pct"]
    ]
    told = [score for score in found if score.value is not None]
    title = "No local share is known"
    if told:
        title = f"The local share was {formats.share(told[-1].value)} in {told[-1].financial_year}"
        if len(told) > 1:
            change = told[-1].value - told[0].value
            title = (
                f"The local share {'rose' if change >= 0 else 'fell'} by {abs(change) * 100:.1f} points, to "
                f"{formats.share(told[-1].value)}, from {told[0].financial_year} to {told[-1].financial_year}"
            )
    return Section(
        "years",
        "Local share by year",
        [
            Chart(
                title,
                charts.bars(
                    [
                        charts.Bar(
                            score.financial_year,
                            *(score.value, score.value_low, score.value_high),
                            formats.in_unit(score.value, "share"),
                        )
                        for score in found
                    ]
                ),
                f"{title}.",
                Table(
                    f"{one.institution_id}_years",
                    f"Local share by year, {one.institution_name}",
                    [
                        Column("Year"),
                        Column("Pounds", "pounds"),
                        *(Column(heading, "share") for heading in ("Local", "Low", "High", "Known", "Target")),
                        Column("Status", "status"),
                    ],
                    [
                        [
                            score.financial_year,
                            score.total_amount,
                            *(score.value, score.value_low, score.value_high, score.coverage),
                            "none" if score.target is None else score.target,
                            scored(score.status),
                        ]
                        for score in found
                    ],
                ),
                scorecard.BOUNDS,
            )
        ],
    )


def _definitions(one: Any, scores: Sequence[Any]) -> Section:
    found = [score for score in scores if score.kpi_id == "local_spend_pct"]
    years = sorted({score.financial_year for score in found})
    rows: dict[str, list[Any]] = {}
    for score in found:
        rows.setdefault(score.definition_id, []).append(score)
    return Section(
        "definitions",
        "Local under each definition",
        [
            Table(
                f"{one.institution_id}_definitions",
                f"Local share by definition and year, {one.institution_name}",
                [Column("Definition"), *(Column(year, "share") for year in years)],
                [
                    [
                        scorecard.definition_link(definition_id, of[0].definition_name),
                        *({score.financial_year: score.value for score in of}.get(year, "no figure") for year in years),
                    ]
                    for definition_id, of in rows.items()
                ],
            )
        ],
    )


def _all(one: Any, newest: Sequence[Any], year: str) -> Section:
    return Section(
        "all",
        "Every figure",
        [
            scorecard.figures_table(
                f"{one.institution_id}_figures", f"Every figure of {year}, {one.institution_name}", newest
            )
        ],
    )


def _bridge(marts: Marts, one: Any, year: str) -> Section:
    steps = marts.rows(_BRIDGE, institution=one.institution_id, year=year)
    return Section(
        "scope",
        "From all that was loaded to what can be influenced",
        [
            Table(
                f"{one.institution_id}_scope",
                f"What counts and what does not, {one.institution_name}, {year}",
                [Column("Step"), Column("Pounds", "pounds"), Column("Lines", "count")],
                [[step.description, step.amount, step.line_count] for step in steps],
            )
        ],
    )


def _suppliers(marts: Marts, one: Any, year: str) -> Section:
    suppliers = marts.rows(_SUPPLIERS, institution=one.institution_id, year=year)
    blocks: list[Block] = [
        Table(
            f"{one.institution_id}_suppliers",
            f"The {len(suppliers)} suppliers paid most in {year}, {one.institution_name}",
            [
                Column("Supplier"),
                Column("Pounds", "pounds"),
                Column("Lines", "count"),
                Column("Place"),
                Column("Local"),
                Column("SME"),
                Column("Voluntary"),
            ],
            [
                [
                    supplier.supplier_name,
                    supplier.amount,
                    Decimal(supplier.lines),
                    supplier.places or UNKNOWN,
                    *(_plain(words) for words in (supplier.local, supplier.sme, supplier.vcs)),
                ]
                for supplier in suppliers
            ],
        ),
        Text.of("By the headline definitions. Private persons are never listed."),
    ]
    return Section("suppliers", "Largest suppliers", blocks)


def _plain(statuses: str | None) -> str:
    """`local`, `not_local` and the like as yes, no and unknown; several where the supplier's records differ."""
    if not statuses:
        return UNKNOWN
    told = {"unknown": UNKNOWN}
    return ", ".join(
        dict.fromkeys(told.get(status, "no" if status.startswith("not_") else "yes") for status in statuses.split(", "))
    )


def _feeds(marts: Marts, one: Any) -> Section | None:
    feeds = marts.rows(_FEEDS, institution=one.institution_id)
    if not feeds:
        return None
    return Section(
        "feeds",
        "What it sent",
        [
            Table(
                f"{one.institution_id}_feeds",
                f"Feeds by year, {one.institution_name}",
                [
                    Column("Feed"),
                    Column("Year"),
                    Column("In the figures"),
                    *(Column(heading, "count") for heading in ("Months", "Missing", "Late", "Lines", "Unreadable")),
                    Column("Pounds", "pounds"),
                ],
                [
                    [
                        feed.feed_id,
                        feed.financial_year,
                        "yes" if feed.is_counted else "no",
                        *(feed.months, feed.missing, feed.late),
                        Decimal(feed.lines or 0),
                        Decimal(feed.quarantined or 0),
                        feed.amount or Decimal(0),
                    ]
                    for feed in feeds
                ],
            )
        ],
    )
