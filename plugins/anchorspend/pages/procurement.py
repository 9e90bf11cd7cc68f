"""Procurement: how long it takes, who was asked, what was exempted, saved and promised, and when invoices are paid."""

from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Chart, Column, Link, Page, Section, Status, Table, Text

_CYCLE = """
    select cycle.*, institution.institution_name
    from marts.procurement_cycle as cycle
    inner join marts.dim_institution as institution on cycle.institution_id = institution.institution_id
    order by cycle.financial_year desc, cycle.institution_id <> 'partnership', institution.institution_name,
        cycle.days_mean nulls last, cycle.route_name
"""

_EXEMPTIONS = """
    select institution.institution_name, exemption.financial_year,
        count(*) as received,
        count(*) filter (where exemption.decision = 'approved') as approved,
        count(*) filter (where exemption.decision = 'rejected') as rejected,
        count(*) filter (where exemption.decision = 'open') as undecided,
        count(*) filter (where exemption.decision = 'withdrawn') as withdrawn,
        count(*) filter (where exemption.decision = 'unknown') as unknown,
        sum(exemption.exemption_value) filter (where exemption.decision = 'approved') as pounds
    from marts.fct_exemption as exemption
    inner join marts.dim_institution as institution on exemption.institution_id = institution.institution_id
    group by institution.institution_name, exemption.financial_year
    order by exemption.financial_year desc, institution.institution_name
"""

_SOCIAL_VALUE = """
    select institution.institution_name, commitment.measure, commitment.unit,
        count(*) as commitments,
        sum(commitment.promised_amount) as promised,
        sum(commitment.delivered_amount) as delivered,
        count(*) filter (where commitment.delivered_amount is null) as not_told
    from marts.fct_social_value as commitment
    inner join marts.dim_institution as institution on commitment.institution_id = institution.institution_id
    group by institution.institution_name, commitment.measure, commitment.unit
    order by promised desc nulls last, commitment.measure
"""

_EVENTS = """
    select event.*, institution.institution_name
    from marts.fct_event as event
    inner join marts.dim_institution as institution on event.institution_id = institution.institution_id
    order by event.event_date desc, institution.institution_name, event.event_ref
"""

_BANDS = """
    select band.*, institution.institution_name
    from marts.spend_by_band as band
    inner join marts.dim_institution as institution on band.institution_id = institution.institution_id
    where band.financial_year = %(year)s
    order by institution.institution_name, band.valid_from, band.regime_name, band.position
"""

_PROMPT = """
    select prompt.*, institution.institution_name
    from marts.prompt_payment as prompt
    inner join marts.dim_institution as institution on prompt.institution_id = institution.institution_id
    order by prompt.period_type, prompt.period_first desc, institution.institution_name
"""

_EVENT_STATUS = {
    "held": Status("Held", "good"),
    "planned": Status("Planned", "none"),
    "cancelled": Status("Cancelled", "bad"),
    "unknown": Status("Not known", "doubt"),
}


def page(marts: Marts) -> Page:
    """How institutions buy."""
    return Page(
        "procurement",
        "Procurement",
        "How long procurements take, who is asked for quotes, what is exempted from the rules, saved, promised as "
        "social value, and how soon invoices are paid. Only institutions that send the register in "
        "question are in a figure.",
        [
            Section("cycle-times", "Cycle times by route", _cycle(marts)),
            Section("exemptions", "Exemptions", _exemptions(marts)),
            Section(
                "quotes",
                "A local supplier in every quick quote",
                _measure(marts, "quotes_with_local_pct", "asked a local supplier in {} of their quick quotes", "local"),
            ),
            Section("savings", "Savings", _savings(marts)),
            Section("events", "Engagement events", _events(marts)),
            Section("social-value", "Social value", _social_value(marts)),
            Section(
                "living-wage",
                "Living wage employers",
                _measure(marts, "living_wage_spend_pct", "spent {} with accredited living wage employers"),
            ),
            Section("bands", "Payments by threshold", _bands(marts)),
            Section("prompt-payment", "Prompt payment", _prompt(marts)),
        ],
    )


def _cycle(marts: Marts) -> list[Block]:
    rows = marts.rows(_CYCLE)
    if not rows:
        return [Text.of("No institution sends the log of a portal, or notices, so no cycle times are known.")]
    year = rows[0].financial_year
    newest = [one for one in rows if one.financial_year == year and one.days_mean is not None]
    county = [one for one in newest if one.institution_id == "partnership"]
    stated = [one for one in county if one.baseline_days is not None]
    longer = [one for one in stated if one.days_mean > one.baseline_days]
    title = (
        f"In {year} {len(longer)} of {formats.of(len(stated), 'route')} took longer on average than the strategy's days"
        if stated
        else f"No route of {year} can be compared with days of the strategy"
    )
    clocks = sorted({f"{_words(one.start_event)} to {_words(one.end_event)}" for one in rows})
    return [
        Text.of(f"Days run from {' or '.join(clocks)}, both ends as in the portal's log or the notices."),
        Chart(
            title,
            charts.bars(
                [
                    charts.Bar(
                        one.route_name,
                        *(one.days_mean, None, None),
                        f"{formats.days(one.days_mean)} days"
                        + ("" if one.baseline_days is None else f", stated {one.baseline_days}"),
                    )
                    for one in county
                ]
            ),
            f"{title}. "
            + "; ".join(
                f"{one.route_name} {formats.days(one.days_mean)} days"
                + (", none stated" if one.baseline_days is None else f", {one.baseline_days} stated")
                for one in county
            )
            + ".",
            Table(
                "cycle_times",
                "Days from start to end by route, of the cases awarded in the year",
                [
                    Column("Institution"),
                    Column("Year"),
                    Column("Route"),
                    Column("From"),
                    Column("To"),
                    Column("Awarded", "count"),
                    Column("Mean", "days"),
                    Column("Median", "days"),
                    Column("Nine of ten within", "days"),
                    Column("Strategy's days", "days"),
                    Column("Begun", "count"),
                    Column("Of these open", "count"),
                    Column("Oldest open, days", "count"),
                ],
                [
                    [
                        scorecard.institution_link(one.institution_id, one.institution_name),
                        one.financial_year,
                        one.route_name,
                        _words(one.start_event),
                        _words(one.end_event),
                        one.awarded_count,
                        *(one.days_mean, one.days_median, one.days_p90),
                        "none stated" if one.baseline_days is None else one.baseline_days,
                        *(one.begun_count, one.open_count),
                        "none open" if one.open_days_most is None else one.open_days_most,
                    ]
                    for one in rows
                ],
            ),
        ),
        Text.of("Cases that are still open are in no mean: a mean can look short while the slow ones run."),
    ]


def _words(code: str) -> str:
    return code.replace("_", " ")


def _exemptions(marts: Marts) -> list[Block]:
    rows = marts.rows(_EXEMPTIONS)
    if not rows:
        return [Text.of("No institution sends its register of exemptions.")]
    year = rows[0].financial_year
    newest = [one for one in rows if one.financial_year == year]
    received, approved = sum(one.received for one in newest), sum(one.approved for one in newest)
    decided = approved + sum(one.rejected for one in newest)
    title = (
        f"{formats.of(received, 'exemption was', 'exemptions were')} asked for in {year}; {formats.count(approved)} of "
        f"the {formats.count(decided)} decided were approved"
    )
    words = ("approved", "rejected", "not decided", "withdrawn", "not known")
    return [
        Chart(
            title,
            charts.stacked(
                [
                    (
                        f"{one.institution_name}, {one.financial_year}: {one.received}",
                        [
                            Decimal(part)
                            for part in (one.approved, one.rejected, one.undecided, one.withdrawn, one.unknown)
                        ],
                    )
                    for one in rows
                ],
                ("one", "two", "three", "four", "unknown"),
            ),
            f"{title}. "
            + "; ".join(
                f"{one.institution_name} {one.financial_year}: {one.received} received, {one.approved} approved, "
                f"{one.rejected} rejected"
                for one in rows
            )
            + ".",
            Table(
                "exemptions",
                "Requests for exemption by decision",
                [
                    Column("Institution"),
                    Column("Year"),
                    *(Column(heading, "count") for heading in ("Received", *(word.capitalize() for word in words))),
                    Column("Pounds approved", "pounds"),
                ],
                [
                    [
                        one.institution_name,
                        one.financial_year,
                        *(one.received, one.approved, one.rejected, one.undecided, one.withdrawn, one.unknown),
                        one.pounds,
                    ]
                    for one in rows
                ],
            ),
            list(zip(("one", "two", "three", "four", "unknown"), words, strict=True)),
        ),
        Text.of(
            "More exemptions are not worse by themselves: the strategy takes them for a sign of vigilance (L1126)."
        ),
    ]


def _measure(marts: Marts, kpi_id: str, said: str, measure: str = "") -> list[Block]:
    """A KPI of the newest year by institution, its years as a table; `said`: the finding, with the figure in it."""
    scores = scorecard.scores(
        marts,
        "score.kpi_id = %(kpi)s and (score.definition_id = kpi.headline_definition or kpi.headline_definition is null)",
        "score.financial_year desc, score.institution_id <> 'partnership', institution.institution_name",
        kpi=kpi_id,
    )
    newest = [one for one in scores if one.financial_year == marts.year and one.value is not None]
    table = scorecard.years_table(f"{kpi_id}_by_year", scores)
    if not newest:
        return [Text.of(f"No institution has this figure for {marts.year}."), table]
    first = newest[0]
    who = "All together" if first.institution_id == "partnership" else first.institution_name
    title = f"{who} {said.format(formats.in_unit(first.value, first.unit))} in {marts.year}"
    aimed = next((one for one in newest if one.target is not None), None)
    if aimed:
        title += (
            f"; {aimed.institution_name} stands at {formats.in_unit(aimed.value, aimed.unit)} beside a target of "
            f"{formats.in_unit(aimed.target, aimed.unit)}"
        )
    blocks: list[Block] = [
        Chart(
            title,
            *scorecard.drawn(
                title,
                [(one.institution_name, one) for one in newest],
                together="partnership",
                target=aimed.target if aimed else None,
            ),
            table,
            [
                ("one", "institution"),
                ("unknown", "all together"),
                ("line", "from low to high, where it can be seen"),
                *([("dash", f"target of {aimed.institution_name}")] if aimed else []),  # type: ignore[list-item]
            ],
        )
    ]
    if measure:
        counted = scorecard.definition_link(first.definition_id, first.definition_name)
        blocks.append(Text.of("Local is counted as ", counted, ". ", Link("Every definition", "local.html"), "."))
    return blocks


def _savings(marts: Marts) -> list[Block]:
    planned = scorecard.scores(
        marts,
        "score.kpi_id = 'savings_planned_gbp'",
        "score.financial_year desc, score.institution_id <> 'partnership', institution.institution_name",
    )
    return [
        *_measure(marts, "savings_gbp", "saved {}"),
        Text.of("Savings that are planned are never added to those that were made."),
        scorecard.years_table("savings_planned_by_year", planned),
    ]


def _events(marts: Marts) -> list[Block]:
    rows = marts.rows(_EVENTS)
    return [
        *_measure(marts, "engagement_events", "held {} events"),
        Table(
            "events",
            "Engagement events, newest first",
            [
                Column("Event"),
                Column("Day", "date"),
                Column("Institution"),
                Column("Kind"),
                Column("State", "status"),
                *(Column(heading, "count") for heading in ("Suppliers", "Local suppliers")),
            ],
            [
                [
                    one.title or one.event_ref,
                    one.event_date,
                    one.institution_name,
                    one.event_type,
                    _EVENT_STATUS[one.status],
                    *(one.suppliers_attending, one.local_suppliers_attending),
                ]
                for one in rows
            ],
        ),
    ]


def _social_value(marts: Marts) -> list[Block]:
    rows = marts.rows(_SOCIAL_VALUE)
    return [
        *_measure(marts, "social_value_gbp", "saw {} of social value delivered"),
        Table(
            "social_value",
            "Social value promised and delivered, all years, by measure",
            [
                Column("Measure"),
                Column("Unit"),
                Column("Institution"),
                Column("Commitments", "count"),
                Column("Promised", "pounds"),
                Column("Delivered", "pounds"),
                Column("Delivery not told", "count"),
            ],
            [
                [
                    one.measure,
                    one.unit,
                    one.institution_name,
                    one.commitments,
                    one.promised,
                    one.delivered,
                    one.not_told,
                ]
                for one in rows
            ],
        ),
    ]


def _bands(marts: Marts) -> list[Block]:
    rows = marts.rows(_BANDS, year=marts.year)
    if not rows:
        return [Text.of(f"No payments of {marts.year} can be put beside a threshold.")]
    apart = sorted({one.institution_name for one in rows if one.threshold_vat_basis != one.payment_vat_basis})
    return [
        Text.of(
            "What is banded is a payment: the lines of one supplier record, day and reference. The law and standing "
            "orders judge the value of a contract, so many payments below a threshold may be under one contract above "
            "it."
        ),
        *(
            [
                Text.of(
                    f"VAT is in the thresholds and not in the payments, or not known of them, for {', '.join(apart)}: "
                    "their bands are up to a fifth off."
                )
            ]
            if apart
            else []
        ),
        Table(
            "payments_by_band",
            f"Payments of {marts.year} by the bands of each set of thresholds",
            [
                Column("Institution"),
                Column("Thresholds"),
                Column("Band"),
                Column("Payments", "count"),
                Column("Pounds", "pounds"),
                Column("Suppliers", "count"),
                Column("Payments while in force", "count"),
                Column("Pounds while in force", "pounds"),
            ],
            [
                [
                    one.institution_name,
                    one.regime_name,
                    one.band_name,
                    *(one.payment_count, one.amount, one.supplier_count),
                    *(one.in_force_payment_count, one.in_force_amount),
                ]
                for one in rows
            ],
        ),
    ]


def _prompt(marts: Marts) -> list[Block]:
    rows = marts.rows(_PROMPT)
    if not rows:
        return [Text.of("No institution's invoices are known.")]
    newest: dict[str, Any] = {}
    for one in rows:
        if one.period_type == "financial_year" and one.invoice_count:
            newest.setdefault(one.institution_name, one)
    known = [one for one in newest.values() if one.share_1_to_30 is not None]
    silent = sorted(name for name, one in newest.items() if one.share_1_to_30 is None)
    table = Table(
        "prompt_payment",
        "Invoices by the days from receipt to payment",
        [
            Column("Institution"),
            Column("Period"),
            Column("Ends", "date"),
            Column("Invoices", "count"),
            Column("Known", "share"),
            Column("Mean days", "days"),
            *(Column(heading, "share") for heading in ("In 30 days", "31 to 60", "61 or more", "Due and not paid")),
        ],
        [
            [
                one.institution_name,
                _words(one.period_type),
                *(one.period_last, one.invoice_count, one.coverage, one.days_mean),
                *(one.share_1_to_30, one.share_31_to_60, one.share_from_61, one.share_payable_not_paid),
            ]
            for one in rows
        ],
    )
    said = Text.of(
        f"The day of receipt is not known in the books of {', '.join(silent)}, so nothing is said of them."
        if silent
        else "The day of receipt is known of every institution."
    )
    if not known:
        return [said, table]
    first = max(known, key=lambda one: one.invoices_known)
    title = (
        f"{first.institution_name} paid {formats.share(first.share_1_to_30)} of its invoices within 30 days in the "
        f"year to {formats.day(first.period_last)}; the day of receipt is known of {formats.share(first.coverage)}"
    )
    return [
        Chart(
            title,
            charts.stacked(
                [
                    (one.institution_name, [one.share_1_to_30, one.share_31_to_60, one.share_from_61])
                    for one in sorted(known, key=lambda one: -one.share_1_to_30)
                ],
                ("one", "two", "three"),
            ),
            f"{title}. "
            + "; ".join(f"{one.institution_name} {formats.share(one.share_1_to_30)} within 30 days" for one in known)
            + ".",
            table,
            [("one", "within 30 days"), ("two", "day 31 to 60"), ("three", "day 61 or later")],
        ),
        said,
    ]
