"""Local: every definition side by side, who is local under one and not another, rings, map, evidence."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Chart, Column, Page, Section, Swatch, Table, Text

_RING_COLOURS: Sequence[Swatch] = ("one_deep", "one", "one_soft", "two_deep", "two", "two_soft", "unknown")

# What a county pays its own institutions is counted once, where they spend it.
_PAID = """
    select spend.supplier_record_id, spend.supplier_id, spend.institution_id, spend.amount, supplier.ring,
        supplier.ring_name, supplier.ring_position, supplier.supplier_name, supplier.is_individual
    from marts.supplier_spend as spend
    inner join marts.dim_supplier as supplier on spend.supplier_record_id = supplier.supplier_record_id
    where spend.financial_year = %(year)s and spend.scope <> 'between_anchors'
"""

_SWITCHED = f"""
    with paid as ({_PAID}),
    headline as (
        select supplier_record_id, local_status from marts.supplier_local where definition_id = %(headline)s
    )
    select definition.definition_id, definition.definition_name, definition.owner,
        sum(paid.amount) filter (where headline.local_status = 'local' and other.local_status = 'local') as both_amount,
        count(distinct paid.supplier_id) filter (
            where headline.local_status = 'local' and other.local_status <> 'local'
        ) as leaving,
        coalesce(sum(paid.amount) filter (where headline.local_status = 'local' and other.local_status <> 'local'), 0)
            as leaving_amount,
        count(distinct paid.supplier_id) filter (
            where headline.local_status <> 'local' and other.local_status = 'local'
        ) as joining,
        coalesce(sum(paid.amount) filter (where headline.local_status <> 'local' and other.local_status = 'local'), 0)
            as joining_amount
    from paid
    inner join headline on paid.supplier_record_id = headline.supplier_record_id
    inner join marts.supplier_local as other on paid.supplier_record_id = other.supplier_record_id
    inner join marts.dim_local_definition as definition on other.definition_id = definition.definition_id
    where definition.definition_id <> %(headline)s and definition.is_in_force
    group by definition.definition_id, definition.definition_name, definition.owner
    order by definition.definition_name, definition.definition_id
"""  # noqa: S608  # made of constants

_SWITCHERS = f"""
    with paid as ({_PAID}),
    judged as (
        select supplier_record_id, jsonb_object_agg(definition_id, local_status) as statuses
        from marts.supplier_local
        where definition_id = any(%(definitions)s)
        group by supplier_record_id
        having count(distinct local_status) > 1
    )
    select paid.supplier_name, paid.ring_name, judged.statuses, sum(paid.amount) as amount
    from paid
    inner join judged on paid.supplier_record_id = judged.supplier_record_id
    where not paid.is_individual and paid.supplier_name is not null
    group by paid.supplier_id, paid.supplier_name, paid.ring_name, judged.statuses
    order by sum(paid.amount) desc, paid.supplier_id
"""  # noqa: S608

_RINGS = f"""
    with paid as ({_PAID})
    select institution.institution_id, institution.institution_name, paid.ring_name, paid.ring_position,
        sum(paid.amount) as amount
    from paid
    cross join lateral (values (paid.institution_id), ('partnership')) as shown (institution_id)
    inner join marts.dim_institution as institution on shown.institution_id = institution.institution_id
    group by institution.institution_id, institution.institution_name, paid.ring_name, paid.ring_position
    order by institution.institution_id <> 'partnership', institution.institution_name, paid.ring_position
"""  # noqa: S608

_DISTRICTS = """
    with local as (
        select supplier.postcode_district, bool_or(placed.local_status = 'local') as is_local
        from marts.dim_supplier as supplier
        inner join marts.supplier_local as placed
            on supplier.supplier_record_id = placed.supplier_record_id and placed.definition_id = %(headline)s
        group by supplier.postcode_district
    )
    select spend.postcode_district, spend.latitude, spend.longitude, spend.amount, spend.supplier_count,
        coalesce(local.is_local, false) as is_local
    from marts.spend_by_district as spend
    left join local on spend.postcode_district = local.postcode_district
    where spend.institution_id = 'partnership' and spend.financial_year = %(year)s
    order by spend.amount desc, spend.postcode_district
"""

_EVIDENCE = """
    select institution.institution_id, institution.institution_name, coverage.location_evidence, coverage.position,
        coverage.amount, coverage.record_count, coverage.amount_share
    from marts.location_coverage as coverage
    inner join marts.dim_institution as institution on coverage.institution_id = institution.institution_id
    where coverage.financial_year = %(year)s
    order by institution.institution_id <> 'partnership', institution.institution_name, coverage.position nulls last
"""


def page(marts: Marts) -> Page:
    """The page on what is local."""
    found = scorecard.scores(
        marts,
        "score.kpi_id = 'local_spend_pct' and score.financial_year = %(year)s",
        "score.institution_id <> 'partnership', institution.institution_name, score.value desc nulls last",
        year=marts.year,
    )
    county = [score for score in found if score.institution_id == "partnership"]
    headline = next((score for score in county if score.definition_id == marts.headline), None)
    lead = (
        f"Of {formats.short_pounds(headline.total_amount)} in {marts.year}, {formats.share(headline.value)} went to "
        f"suppliers that are local as the strategy has it ({headline.definition_name}): "
        f"{formats.between(headline.value_low, headline.value_high, 'share')}, wherever the unknown ones are."
        if headline and headline.value is not None
        else f"No local share is published for {marts.year}."
    )
    return Page(
        "local",
        "Local",
        lead,
        [
            _definitions(marts, county, found),
            _switching(marts, [score.definition_id for score in county]),
            _rings(marts),
            _map(marts),
            _evidence(marts),
        ],
    )


def _definitions(marts: Marts, county: Sequence[Any], found: Sequence[Any]) -> Section:
    told = [score for score in county if score.value is not None]
    title = "No definition has a figure"
    if told:
        most, least = told[0], told[-1]
        title = (
            f"From {formats.share(least.value)} to {formats.share(most.value)} of the same pounds are local, "
            f"as {least.definition_name} or {most.definition_name} is meant"
        )
    return Section(
        "definitions",
        "Every definition side by side",
        [
            scorecard.definitions_chart(
                title, county, "local_by_definition", f"Local share, all institutions together, {marts.year}"
            ),
            scorecard.by_definition(
                "local_by_institution_and_definition",
                f"Local share of each institution under each definition, {marts.year}",
                sorted(
                    found,
                    key=lambda one: (one.institution_id != "partnership", one.institution_name, one.definition_id),
                ),
            ),
        ],
    )


def _switching(marts: Marts, definitions: Sequence[str]) -> Section:
    pairs = marts.rows(_SWITCHED, year=marts.year, headline=marts.headline)
    names = {pair.definition_id: pair.definition_name for pair in pairs}
    shown = [one for one in definitions if one in names or one == marts.headline]
    switchers = marts.rows(_SWITCHERS, year=marts.year, definitions=shown)
    return Section(
        "switching",
        "Who is local under one and not another",
        [
            Table(
                "switching",
                f"Against the strategy's definition: who leaves, who joins, {marts.year}",
                [
                    Column("Definition"),
                    Column("Local under both", "pounds"),
                    Column("Suppliers that leave", "count"),
                    Column("Their pounds", "pounds"),
                    Column("Suppliers that join", "count"),
                    Column("Their pounds", "pounds"),
                ],
                [
                    [
                        scorecard.definition_link(pair.definition_id, pair.definition_name),
                        pair.both_amount or Decimal(0),
                        *(pair.leaving, pair.leaving_amount, pair.joining, pair.joining_amount),
                    ]
                    for pair in pairs
                ],
            ),
            Table(
                "switchers",
                f"Suppliers that are local under one definition and not under another, by pounds of {marts.year}",
                [
                    Column("Supplier"),
                    Column("Place"),
                    Column("Pounds", "pounds"),
                    *(Column(names.get(one, "As the strategy has it")) for one in shown),
                ],
                [
                    [
                        switcher.supplier_name,
                        switcher.ring_name,
                        switcher.amount,
                        *(_WORDS[switcher.statuses.get(one, "unknown")] for one in shown),
                    ]
                    for switcher in switchers
                ],
            ),
            Text.of("Private persons are in the pounds above and in no list of names."),
        ],
    )


_WORDS = {"local": "local", "not_local": "no", "unknown": "unknown"}


def _rings(marts: Marts) -> Section:
    found = marts.rows(_RINGS, year=marts.year)
    positions = {row.ring_position: row.ring_name for row in found}
    rings = [positions[position] for position in sorted(positions)]
    by_institution: dict[str, dict[str, Decimal]] = {}
    for row in found:
        by_institution.setdefault(row.institution_name, {})[row.ring_name] = row.amount
    # The last ring is what no evidence places; the colours before it run out where there are more rings than colours.
    inner = rings[: len(_RING_COLOURS) - 1]
    beyond = rings[len(inner) :]
    groups = [[name] for name in inner] + ([beyond] if beyond else [])
    labels = [", ".join(group) for group in groups]
    colours: list[Swatch] = [*_RING_COLOURS[: len(inner)], *(["unknown"] if beyond else [])]  # type: ignore[list-item]
    rows = [
        (name, [sum((amounts.get(ring, Decimal(0)) for ring in group), Decimal(0)) for group in groups])
        for name, amounts in by_institution.items()
    ]
    return Section(
        "rings", "Rings round the county's centre", [_ring_chart(marts, rows, labels, colours, rings, by_institution)]
    )


def _ring_chart(
    marts: Marts,
    rows: Sequence[tuple[str, Sequence[Decimal]]],
    labels: Sequence[str],
    colours: Sequence[Swatch],
    rings: Sequence[str],
    by_institution: dict[str, dict[str, Decimal]],
) -> Chart:
    whole = sum(rows[0][1]) or Decimal(1)
    sizes = sorted(zip(rows[0][1], labels, strict=True), reverse=True)[:2]
    title = "Most of the pounds go to " + " and ".join(
        f"{label} ({formats.share(size / whole)})" for size, label in sizes
    )
    return Chart(
        title,
        charts.stacked(rows, colours),
        f"{title}. All institutions together: "
        + "; ".join(f"{label} {formats.share(size / whole)}" for size, label in zip(rows[0][1], labels, strict=True))
        + ".",
        Table(
            "rings",
            f"Pounds by ring, {marts.year}",
            [Column("Institution"), *(Column(ring, "pounds") for ring in rings)],
            [[name, *(amounts.get(ring, Decimal(0)) for ring in rings)] for name, amounts in by_institution.items()],
        ),
        list(zip(colours, labels, strict=True)),
    )


def _map(marts: Marts) -> Section:
    found = marts.rows(_DISTRICTS, year=marts.year, headline=marts.headline)
    placed = [row for row in found if row.latitude is not None]
    near = _near(placed)
    blocks: list[Block] = []
    table = Table(
        "districts",
        f"Pounds by postcode district of the supplier, all institutions together, {marts.year}",
        [
            Column("District"),
            Column("Pounds", "pounds"),
            Column("Suppliers", "count"),
            Column("Local supplier"),
            Column("Latitude, longitude"),
        ],
        [
            [
                row.postcode_district or "unknown",
                row.amount,
                row.supplier_count,
                "yes" if row.is_local else "no",
                "none" if row.latitude is None else f"{row.latitude:.2f}, {row.longitude:.2f}",
            ]
            for row in found
        ],
    )
    if near:
        on_map = sum((row.amount for row in near), Decimal(0))
        whole = sum((row.amount for row in found), Decimal(0)) or Decimal(1)
        largest = near[0]
        title = (
            f"{largest.postcode_district} gets most in and around the county, "
            f"{formats.short_pounds(largest.amount)}; {formats.share(1 - on_map / whole)} goes further away"
        )
        chart = Chart(
            title,
            charts.places(
                [
                    charts.Place(
                        row.postcode_district, float(row.latitude), float(row.longitude), row.amount, row.is_local
                    )
                    for row in near
                ]
            ),
            f"{title}. A map of {len(near)} postcode districts at the middle of their postcodes, north at the top.",
            table,
            [
                ("one", "district with a local supplier"),
                ("unknown", "other district"),
            ],
            beside=True,
        )
        blocks += [
            chart,
            Text.of(
                "A circle stands at the middle of its district's postcodes, north at the top; its area is its pounds."
            ),
        ]
    else:
        blocks.append(table)
    return Section("map", "Where the pounds go", blocks)


def _near(placed: Sequence[Any]) -> list[Any]:
    """The districts within the bounds of those that have a local supplier, and as far again round them by a third."""
    local = [row for row in placed if row.is_local]
    if not local:
        return []
    bounds = []
    for values in ([row.latitude for row in local], [row.longitude for row in local]):
        margin = (max(values) - min(values)) / 3
        bounds.append((min(values) - margin, max(values) + margin))
    (south, north), (west, east) = bounds
    return [row for row in placed if south <= row.latitude <= north and west <= row.longitude <= east]


def _evidence(marts: Marts) -> Section:
    found = marts.rows(_EVIDENCE, year=marts.year)
    county = [row for row in found if row.institution_id == "partnership"]
    rungs = list(dict.fromkeys(row.location_evidence for row in sorted(found, key=lambda one: one.position or 10**6)))
    shares: dict[str, dict[str, Decimal]] = {}
    for row in found:
        shares.setdefault(row.institution_name, {})[row.location_evidence] = row.amount_share
    title = "No place is known"
    if county:
        most = max(county, key=lambda row: row.amount)
        nothing = next((row.amount_share for row in county if row.location_evidence == "none"), Decimal(0))
        title = (
            f"{formats.share(most.amount_share)} of the pounds are placed by {_rung(most.location_evidence).lower()}; "
            f"{formats.share(nothing)} by nothing"
        )
    return Section(
        "evidence",
        "What places them",
        [
            Text.of(
                "The first kind of evidence that gives a place is used; the others are kept beside it in "
                "supplier_location."
            ),
            Chart(
                title,
                charts.bars(
                    [
                        charts.Bar(
                            _rung(row.location_evidence),
                            *(row.amount_share, None, None),
                            formats.share(row.amount_share),
                            plain=row.location_evidence == "none",
                        )
                        for row in county
                    ],
                    whole=Decimal(1),
                ),
                f"{title}. "
                + "; ".join(f"{_rung(row.location_evidence)} {formats.share(row.amount_share)}" for row in county)
                + ".",
                Table(
                    "evidence",
                    f"Share of each institution's pounds by the evidence on the place, {marts.year}",
                    [Column("Institution"), *(Column(_rung(rung), "share") for rung in rungs)],
                    [[name, *(of.get(rung, Decimal(0)) for rung in rungs)] for name, of in shares.items()],
                ),
            ),
        ],
    )


def _rung(name: str) -> str:
    return "No evidence" if name == "none" else name.replace("_", " ").capitalize()
