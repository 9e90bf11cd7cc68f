"""Figures of `kpi_scorecard` as cards, words and links, the same way on every page."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats
from anchorspend.pages.formats import UNKNOWN
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Cell, Chart, Column, Drawing, Figure, Link, Swatch, Table, scored

BOUNDS: Sequence[tuple[Swatch, str]] = (
    ("one", "figure"),
    ("line", "from low to high, where the two can be told apart"),
)
"""The key of bars with their bounds."""

_SCORES = """
    select score.*, kpi.kpi_name, kpi.unit, kpi.measure, kpi.polarity,
        coalesce(definition.definition_name, score.definition_id) as definition_name,
        definition.owner as definition_owner, institution.institution_name
    from marts.kpi_scorecard as score
    inner join marts.kpi_definition as kpi on score.kpi_id = kpi.kpi_id
    inner join marts.dim_institution as institution on score.institution_id = institution.institution_id
    left join marts.dim_definition as definition
        on kpi.measure = definition.measure and score.definition_id = definition.definition_id
"""


# A KPI or an institution of the release before may be gone from this one.
_REVISIONS = """
    select revision.*, coalesce(kpi.kpi_name, revision.kpi_id) as kpi_name, kpi.unit,
        coalesce(revision.definition_id = kpi.headline_definition, false) as is_headline,
        coalesce(definition.definition_name, revision.definition_id) as definition_name,
        coalesce(institution.institution_name, revision.institution_id) as institution_name
    from marts.kpi_revision as revision
    left join marts.kpi_definition as kpi on revision.kpi_id = kpi.kpi_id
    left join marts.dim_institution as institution on revision.institution_id = institution.institution_id
    left join marts.dim_definition as definition
        on kpi.measure = definition.measure and revision.definition_id = definition.definition_id
"""


def scores(marts: Marts, where: str, order: str, **parameters: object) -> list[Any]:
    """Rows of the scorecard with the names of KPI, definition and institution. `where`, `order`: SQL on `score`."""
    return marts.rows(f"{_SCORES} where {where} order by {order}", **parameters)  # never from outside


def revisions(marts: Marts, order: str) -> list[Any]:
    """Figures that are not as in the release before, with their names. `order`: SQL on `revision`, `kpi`, the names."""
    return marts.rows(f"{_REVISIONS} order by {order}")  # never from outside


def revised(revision: Any, value: Any) -> Cell:
    """A value of a figure that changed, in its unit; as it stands where the KPI is gone, and its unit with it."""
    return formats.in_unit(value, revision.unit) if revision.unit else value


def difference(revision: Any) -> str:
    """By how much a figure changed: of shares in points."""
    if revision.change is None:
        return "cannot be told"
    if revision.unit == "share":
        return f"{formats.points(revision.change)} points"
    return f"{'+' if revision.change > 0 else ''}{revised(revision, revision.change)}"


def card(score: Any, label: str | None = None) -> Figure:
    """A figure as a card."""
    return Figure(
        label=label or score.kpi_name,
        value=formats.in_unit(score.value, score.unit),
        bounds=formats.between(score.value_low, score.value_high, score.unit),
        coverage=known(score),
        status=scored(score.status),
        definition=definition_link(score.definition_id, score.definition_name),
        target=target(score),
    )


def known(score: Any) -> str:
    """How much of what is counted has a known status, in words."""
    if score.coverage is None:
        return "unknown"
    what = "pounds" if score.unit in ("share", "pounds") and score.total_amount is not None else "cases"
    return f"{formats.share(score.coverage)} of {what}"


def target(score: Any) -> str:
    """The target in words; nothing where the status says there is none."""
    return "" if score.target is None else f"target {formats.in_unit(score.target, score.unit)}"


def definition_link(definition_id: str, name: str) -> Link:
    """Where a definition stands on the page of definitions."""
    return Link(name, f"method.html#definition-{anchor(definition_id)}")


def kpi_link(kpi_id: str, name: str) -> Link:
    """Where a KPI stands on the page of definitions."""
    return Link(name, f"method.html#kpi-{anchor(kpi_id)}")


def institution_link(institution_id: str, name: str) -> Link:
    """An institution's own page."""
    return Link(name, f"institution_{institution_id}.html")


def by_definition(name: str, caption: str, found: Sequence[Any]) -> Table:
    """One KPI's figures with a row for each institution and a column for each definition, in the order they come."""
    definitions = {score.definition_id: score.definition_name for score in found}
    rows: dict[str, list[Any]] = {}
    for score in found:
        rows.setdefault(score.institution_id, []).append(score)
    return Table(
        name,
        caption,
        [Column("Institution"), *(Column(words, "share") for words in definitions.values())],
        [
            [
                institution_link(institution_id, scores_of[0].institution_name),
                *({score.definition_id: score.value for score in scores_of}.get(one) for one in definitions),
            ]
            for institution_id, scores_of in rows.items()
        ],
    )


def definitions_chart(title: str, found: Sequence[Any], table: str, caption: str) -> Chart:
    """One KPI's figures under each of its definitions, beside one another."""
    return Chart(
        title,
        *drawn(title, [(score.definition_name, score) for score in found]),
        Table(
            table,
            caption,
            [
                Column("Definition"),
                *(Column(heading, "share") for heading in ("Figure", "Low", "High", "Known")),
                Column("Pounds counted", "pounds"),
                Column("Owner"),
            ],
            [
                [
                    definition_link(score.definition_id, score.definition_name),
                    *(score.value, score.value_low, score.value_high, score.coverage, score.numerator),
                    score.definition_owner or UNKNOWN,
                ]
                for score in found
            ],
        ),
        BOUNDS,
    )


def institutions_chart(title: str, found: Sequence[Any], table: str, caption: str) -> Chart:
    """One KPI's figures under one definition for each institution, all together first and in another colour."""
    return Chart(
        title,
        *drawn(title, [(score.institution_name, score) for score in found], together="partnership"),
        Table(
            table,
            caption,
            [
                Column("Institution"),
                Column("Pounds", "pounds"),
                *(Column(heading, "share") for heading in ("Figure", "Low", "High", "Known")),
                Column("Status", "status"),
            ],
            [
                [
                    institution_link(score.institution_id, score.institution_name),
                    score.total_amount,
                    *(score.value, score.value_low, score.value_high, score.coverage),
                    scored(score.status),
                ]
                for score in found
            ],
        ),
        [("one", "institution"), ("unknown", "all together"), *BOUNDS[1:]],
    )


def drawn(
    title: str, named: Sequence[tuple[str, Any]], together: str | None = None, target: Decimal | None = None
) -> tuple[Drawing, str]:
    """Scores as bars with their bounds, each under its name, and the same in words. `together`: the institution that is
    drawn in the colour of all. `target`: a dashed line."""
    words = [formats.in_unit(score.value, score.unit) for _, score in named]
    bars = [
        charts.Bar(
            name,
            *(score.value, score.value_low, score.value_high),
            told,
            plain=score.institution_id == together,
        )
        for (name, score), told in zip(named, words, strict=True)
    ]
    return charts.bars(bars, target), f"{title}. " + "; ".join(f"{bar.label} {bar.words}" for bar in bars) + "."


def figures_table(name: str, caption: str, found: Sequence[Any], *, targets: bool = False) -> Table:
    """Scores of several KPIs, a row each, with range, known part and status; with their targets where asked for."""
    return Table(
        name,
        caption,
        [
            Column("Measure"),
            Column("Counted as"),
            *_figure_columns(targets),
        ],
        [
            [
                kpi_link(score.kpi_id, score.kpi_name),
                definition_link(score.definition_id, score.definition_name),
                *_figure_cells(score, "not set yet" if targets else None),
            ]
            for score in found
        ],
    )


def years_table(name: str, found: Sequence[Any]) -> Table:
    """Scores of one KPI by institution and year, with range, known part, target and status."""
    what = found[0].kpi_name if found else "No figures"
    return Table(
        name,
        f"{what}, by institution and year",
        [Column("Institution"), Column("Year"), Column("Measure"), *_figure_columns(targets=True)],
        [
            [
                institution_link(score.institution_id, score.institution_name),
                score.financial_year,
                kpi_link(score.kpi_id, score.kpi_name),
                *_figure_cells(score, "none"),
            ]
            for score in found
        ],
    )


def _figure_columns(targets: bool) -> list[Column]:
    return [
        *(Column(heading, "count") for heading in ("Figure", "Range")),
        Column("Known", "share"),
        *([Column("Target", "count")] if targets else []),
        Column("Status", "status"),
    ]


def _figure_cells(score: Any, no_target: str | None) -> list[Cell]:
    """`no_target`: what stands where there is none; without it no target is shown."""
    aimed = no_target if score.target is None else formats.in_unit(score.target, score.unit)
    return [
        formats.in_unit(score.value, score.unit),
        formats.between(score.value_low, score.value_high, score.unit),
        score.coverage,
        *([aimed] if no_target else []),
        scored(score.status),
    ]


def range_of(found: Sequence[Any], what: str) -> str:
    """The finding of a comparison: `Local shares run from 13.7% (…) to 34.0% (…)`."""
    told = sorted((score for score in found if score.value is not None), key=lambda score: score.value)
    if not told:
        return f"No {what} is known"
    words = [f"{formats.share(one.value)} ({one.institution_name})" for one in (told[0], told[-1])]
    return f"{what[0].upper()}{what[1:]}s run from {words[0]} to {words[1]}"


def anchor(name: str) -> str:
    """An id as an address can hold it."""
    return name.replace("@", "-")
