"""Leakage: what leaves the area and could be contested, how high the local share can go, and what moves it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Chart, Column, Link, Page, Section, Status, Table, Text

_PATH = """
    select path.*, institution.institution_name
    from marts.attainable_path as path
    inner join marts.dim_institution as institution on path.institution_id = institution.institution_id
    where path.definition_id = %(definition)s
    order by path.institution_id <> 'partnership', institution.institution_name, path.financial_year
"""

_CONTESTABLE = """
    select contest.*, institution.institution_name
    from marts.contestable_spend as contest
    inner join marts.dim_institution as institution on contest.institution_id = institution.institution_id
    where contest.definition_id = %(definition)s
    order by contest.weighted_amount desc, contest.amount desc, contest.institution_id, contest.contest_rank
"""

_WITHOUT = """
    select without.*, institution.institution_name
    from marts.kpi_without as without
    inner join marts.dim_institution as institution on without.institution_id = institution.institution_id
    where without.kpi_id = 'local_spend_pct' and without.definition_id = %(definition)s
        and without.financial_year = %(year)s
    order by without.institution_id <> 'partnership', institution.institution_name, without.left_out desc, without.rank
"""

_CHANGE = """
    select change.*, institution.institution_name
    from marts.kpi_change as change
    inner join marts.dim_institution as institution on change.institution_id = institution.institution_id
    where change.kpi_id = 'local_spend_pct' and change.series_id = %(definition)s
    order by change.institution_id <> 'partnership', institution.institution_name, change.financial_year desc
"""

_FREE = {
    "now": ("one", "free now"),
    "soon": ("two", "free within a year"),
    "later": ("three", "free later"),
    "unknown": ("unknown", "not known when"),
}

_STATES = {
    "running": "under contract",
    "no_end_date": "under contract without end",
    "none_found": "no contract found",
    "no_register": "no register sent",
}

_LIMITS = {
    "below_threshold": "below the threshold: may be kept for local bidders",
    "above_threshold": "above the threshold",
    "unknown": "not known",
}

_REACHED = {
    "attainable": Status("Within reach", "good"),
    "out_of_reach": Status("Out of reach", "bad"),
    "uncertain": Status("Cannot be told", "doubt"),
    "tbc": Status("Target not set yet", "none"),
    "no_target": Status("No target", "none"),
}

_EFFECTS = (
    ("volume_effect", "Who spends more"),
    ("mix_effect", "What is bought"),
    ("rate_effect", "Who is chosen for it"),
    ("definition_effect", "The definition"),
    ("data_effect", "What is known"),
)


def page(marts: Marts) -> Page:
    """What could be contested, and how far towards the target it could lead."""
    path = marts.rows(_PATH, definition=marts.headline)
    contestable = marts.rows(_CONTESTABLE, definition=marts.headline)
    leaving = formats.short_pounds(sum((one.amount for one in contestable), Decimal(0)))
    return Page(
        "leakage",
        "Leakage and path to the target",
        f"{leaving} a year of works, supplies and social care goes to suppliers that are known not to be local. This "
        "page says how much of it could be put to competition, when, and how high the local share could then be. It "
        "says who could bid, not that they would or should win.",
        [
            Section("reach", "How high the local share can go", _reach(path)),
            Section("free", "When it can be contested", _free(contestable)),
            Section("first", "What to look at first", _first(contestable)),
            Section("without", "Single suppliers that move the share", _without(marts)),
            Section("change", "What moved the share since the year before", _change(marts)),
        ],
    )


def _reach(path: Sequence[Any]) -> list[Block]:
    county = [one for one in path if one.institution_id == "partnership"]
    if not county:
        return [Text.of("No institution has a complete year, so nothing can be said of the years after it.")]
    last = county[-1]
    title = (
        f"All together could reach {_share(last.sure_share)} by {last.financial_year} with what is surely free, "
        f"{_share(last.attainable_share)} at most; now it is {_share(last.share_now)}"
    )
    aimed = [one for one in path if one.target_status == "set"]
    told: list[Block] = []
    if aimed:
        unreached = [one for one in aimed if one.status != "attainable"]
        told.append(
            Text.of(
                "; ".join(
                    f"{one.institution_name}'s target of {one.target:.0%} for {one.financial_year}: "
                    f"{_REACHED[one.status].word.lower()}"
                    for one in unreached
                )
                or f"Every target from {aimed[0].financial_year} to {aimed[-1].financial_year} is within reach",
                ".",
            )
        )
    return [
        Chart(
            title,
            charts.path(
                [
                    charts.Stage(
                        one.financial_year,
                        actual=one.share_now if one.years_on == 0 else None,
                        target=one.target,
                        reach_low=one.sure_share,
                        reach_high=one.attainable_share,
                    )
                    for one in county
                ]
            ),
            f"{title}. "
            + "; ".join(
                f"{one.financial_year} {_share(one.sure_share)} to {_share(one.attainable_share)}" for one in county
            )
            + ".",
            Table(
                "attainable_path",
                "Local share that could be reached, by institution and year",
                [
                    Column("Institution"),
                    Column("Year"),
                    *(Column(heading, "share") for heading in ("Now", "Surely within reach", "At most", "Target")),
                    Column("Status", "status"),
                    Column("Competitions", "count"),
                    Column("Pounds put to them, at most", "pounds"),
                ],
                [
                    [
                        scorecard.institution_link(one.institution_id, one.institution_name),
                        one.financial_year,
                        *(one.share_now, one.sure_share, one.attainable_share),
                        "none" if one.target is None else one.target,
                        _REACHED[one.status],
                        one.competitions,
                        one.moved_amount,
                    ]
                    for one in path
                ],
            ),
            [
                ("line", "newest complete year"),
                ("band", "within reach: surely, to at most"),
                *([("dash", "target")] if any(one.target is not None for one in county) else []),  # type: ignore[list-item]
            ],
        ),
        *told,
        Text.of(
            "It is a bound, not a forecast: every pound is paid as in the newest complete year, and what is put to "
            "competition is won by local suppliers, the largest contracts first. ",
            scorecard.kpi_link("local_spend_pct", "What the share counts"),
            ".",
        ),
    ]


def _share(value: Decimal | None) -> str:
    return formats.in_unit(value, "share")


def _free(contestable: Sequence[Any]) -> list[Block]:
    by_institution: dict[str, dict[str, Decimal]] = {}
    for one in contestable:
        pounds = by_institution.setdefault(one.institution_name, dict.fromkeys(_FREE, Decimal(0)))
        pounds[one.when_free] += one.amount
    if not by_institution:
        return [Text.of("Nothing that could be contested is known.")]
    rows = sorted(by_institution.items(), key=lambda row: -sum(row[1].values()))
    together = {when: sum((row[when] for _, row in rows), Decimal(0)) for when in _FREE}
    whole, early = sum(together.values(), Decimal(0)), together["now"] + together["soon"]
    title = (
        f"{formats.short_pounds(early)} of {formats.short_pounds(whole)} could be contested "
        f"within a year; of {formats.short_pounds(together['unknown'])} nobody can say when"
    )
    return [
        Chart(
            title,
            charts.stacked(
                [(name, list(pounds.values())) for name, pounds in rows], [swatch for swatch, _ in _FREE.values()]
            ),
            f"{title}. "
            + "; ".join(f"{name}: {formats.short_pounds(sum(pounds.values(), Decimal(0)))}" for name, pounds in rows)
            + ".",
            Table(
                "contestable_by_institution",
                "Pounds a year that go to suppliers that are not local, by when they could be contested",
                [
                    Column("Institution"),
                    *(Column(words.capitalize(), "pounds") for _, words in _FREE.values()),
                    Column("All", "pounds"),
                ],
                [[name, *pounds.values(), sum(pounds.values(), Decimal(0))] for name, pounds in rows],
            ),
            [(swatch, words) for swatch, words in _FREE.values()],  # type: ignore[misc]
        ),
        Text.of("An institution that sends no contract register has nothing of which is known when it is free."),
    ]


def _first(contestable: Sequence[Any]) -> list[Block]:
    if not contestable:
        return [Text.of("The list is empty.")]
    others = [one for one in contestable if one.local_supply == "others"]
    return [
        Text.of(
            f"In {formats.of(len(others), 'row')} of {formats.count(len(contestable))} another institution already "
            "buys the category from a local supplier. The order is pounds times a weight for local supply, for when "
            "they are free and for the kind of competition. Whoever is on the list has done nothing wrong."
        ),
        Table(
            "contestable_spend",
            "What could be contested, most weighted pounds first",
            [
                Column("Supplier"),
                Column("Institution"),
                Column("Category"),
                Column("Pounds a year", "pounds"),
                Column("Weighted", "pounds"),
                Column("Contract"),
                Column("Free from", "date"),
                Column("Next competition"),
                Column("Local suppliers of others", "count"),
                Column("Of these, paid most"),
                Column("Year"),
            ],
            [
                [
                    one.supplier_name,
                    one.institution_name,
                    one.category_label or "not known",
                    one.amount,
                    one.weighted_amount,
                    _STATES[one.contract_state],
                    one.free_on or _no_day(one.contract_state),
                    _LIMITS[one.competition],
                    one.local_suppliers_of_others,
                    one.top_local_suppliers or "none",
                    one.financial_year,
                ]
                for one in contestable
            ],
        ),
    ]


def _no_day(state: str) -> str:
    return {"none_found": "now", "no_end_date": "no end"}.get(state, "not known")


def _without(marts: Marts) -> list[Block]:
    rows = marts.rows(_WITHOUT, definition=marts.headline, year=marts.year)
    county = [one for one in rows if one.institution_id == "partnership" and one.left_out == "supplier"][:5]
    if not rows:
        return [Text.of(f"No share of {marts.year} can be shown without its largest suppliers.")]
    movers = [one for one in rows if one.moves_figure]
    blocks: list[Block] = []
    told = [one for one in county if one.value_without is not None]
    if told:
        most = max(told, key=lambda one: abs(one.difference))
        title = (
            f"Without {most.supplier_name} the share of all together would be {formats.share(most.value_without)} "
            f"and not {formats.share(most.value)}"
        )
        bars = [charts.Bar("As published", most.value, None, None, formats.share(most.value), plain=True)]
        bars += [
            charts.Bar(
                f"Without {one.supplier_name}",
                *(one.value_without, None, None),
                f"{formats.share(one.value_without)} ({formats.points(one.difference)})",
            )
            for one in told
        ]
        blocks.append(
            Chart(
                title,
                charts.bars(bars),
                f"{title}. "
                + "; ".join(f"without {one.supplier_name} {formats.share(one.value_without)}" for one in told)
                + ".",
                Table(
                    "share_without_county",
                    f"Local share of all together without one of its largest suppliers, {marts.year}",
                    [
                        Column("Left out"),
                        Column("Pounds left out", "pounds"),
                        *(Column(heading, "share") for heading in ("Share", "Without")),
                        Column("Points", "points"),
                    ],
                    [[one.supplier_name, one.amount, one.value, one.value_without, one.difference] for one in told],
                ),
                [("unknown", "as published"), ("one", "without this supplier")],
            )
        )
    return [
        *blocks,
        Text.of(
            f"{formats.of(len(movers), 'single supplier or contract moves', 'single suppliers or contracts move')} the "
            f"share of {marts.year} of some institution by so much that a reader should know."
        ),
        Table(
            "share_without",
            f"Local share without one supplier or contract, {marts.year}",
            [
                Column("Institution"),
                Column("Left out"),
                Column("Which"),
                Column("Pounds left out", "pounds"),
                *(Column(heading, "share") for heading in ("Share", "Without")),
                Column("Points", "points"),
                Column("Moves the share"),
            ],
            [
                [
                    one.institution_name,
                    one.left_out,
                    one.supplier_name
                    if one.left_out == "supplier"
                    else f"{one.contract_ref} of {marts.names[one.contract_institution_id]}",
                    one.amount,
                    one.value,
                    one.value_without,
                    one.difference,
                    "yes" if one.moves_figure else "little",
                ]
                for one in sorted(rows, key=lambda one: (not one.moves_figure, -(abs(one.difference or 0))))
            ],
        ),
    ]


def _change(marts: Marts) -> list[Block]:
    changes = marts.rows(_CHANGE, definition=marts.headline)
    if not changes:
        return [Text.of("There are no two years to compare.")]
    blocks: list[Block] = []
    county = next((one for one in changes if one.institution_id == "partnership"), None)
    if county:
        effects = [(words, getattr(county, column)) for column, words in _EFFECTS]
        most, by = max(effects, key=lambda effect: effect[1] if county.change > 0 else -effect[1])
        gone = "rose" if county.change > 0 else "fell"
        title = (
            f"The share of all together {gone} by {abs(county.change) * 100:.1f} points from {county.previous_year} to "
            f"{county.financial_year}: “{most.lower()}” did most of it ({formats.points(by)})"
        )
        blocks.append(
            Chart(
                title,
                charts.bars(
                    [charts.Bar(words, effect, None, None, formats.points(effect)) for words, effect in effects]
                ),
                f"{title}. "
                + "; ".join(f"{words.lower()} {formats.points(effect)} points" for words, effect in effects)
                + ".",
                Table(
                    "share_change",
                    "Change of the local share since the year before, in percentage points, and its parts",
                    [
                        Column("Institution"),
                        Column("Year"),
                        *(Column(heading, "share") for heading in ("Year before", "Year")),
                        Column("Change", "points"),
                        *(Column(words, "points") for _, words in _EFFECTS),
                    ],
                    [
                        [
                            one.institution_name,
                            one.financial_year,
                            *(one.value_before, one.value),
                            one.change,
                            *(getattr(one, column) for column, _ in _EFFECTS),
                        ]
                        for one in changes
                    ],
                ),
            )
        )
    return [
        *blocks,
        Text.of(
            "The parts add up to the change. “Who spends more”: an institution with a high or low share spends more of "
            "the pounds. “What is bought”: more is bought under headings with a high or low share. “Who is chosen for "
            "it”: under one heading, others are paid. “What is known”: a missing month, a new feed, places found. ",
            Link("What the share counts", "method.html#kpi-local_spend_pct"),
            ".",
        ),
    ]
