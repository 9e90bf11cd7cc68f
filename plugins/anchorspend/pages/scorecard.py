"""Figures of `kpi_scorecard` as cards, words and links, the same way on every page."""

from decimal import Decimal
from typing import Any

from anchorspend.pages import formats
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Figure, Link, scored

_SCORES = """
    select score.*, kpi.kpi_name, kpi.unit, kpi.measure, kpi.polarity,
        coalesce(definition.definition_name, score.definition_id) as definition_name, institution.institution_name
    from marts.kpi_scorecard as score
    inner join marts.kpi_definition as kpi on score.kpi_id = kpi.kpi_id
    inner join marts.dim_institution as institution on score.institution_id = institution.institution_id
    left join marts.dim_definition as definition
        on kpi.measure = definition.measure and score.definition_id = definition.definition_id
"""


def scores(marts: Marts, where: str, order: str, **parameters: object) -> list[Any]:
    """Rows of the scorecard with the names of KPI, definition and institution. `where`, `order`: SQL on `score`."""
    return marts.rows(f"{_SCORES} where {where} order by {order}", **parameters)  # noqa: S608  # never from outside


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
    return Link(name, "local.html" if institution_id == "partnership" else f"institution_{institution_id}.html")


def anchor(name: str) -> str:
    """An id as an address can hold it."""
    return name.replace("@", "-")


def points(value: Decimal) -> str:
    """A difference of shares in percentage points: `+1.2`."""
    return formats.points(value)
