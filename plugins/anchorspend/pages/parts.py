"""What a page is made of. A page holds values, never HTML: `site` says how each part looks and writes its CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

import altair as alt

Kind = Literal["text", "pounds", "share", "points", "count", "days", "date", "status"]
Tone = Literal["good", "bad", "doubt", "none"]
Swatch = Literal[
    "line", "dash", "band", "one_deep", "one", "one_soft", "two_deep", "two", "two_soft", "three", "four", "unknown"
]
Drawing = alt.Chart | alt.LayerChart | alt.FacetChart


@dataclass(frozen=True)
class Link:
    """A link to another page of the site; never to anywhere else."""

    text: str
    href: str


@dataclass(frozen=True)
class Status:
    """A status in words; the tone gives its colour and its mark."""

    word: str
    tone: Tone


Cell = str | int | Decimal | date | Link | Status | None
"""A string is shown as it stands, in any column; None is shown as unknown."""


@dataclass(frozen=True)
class Column:
    """A column; shares are fractions from 0 to 1, points differences of them, pounds have pence."""

    heading: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Table:
    """A table; the first column says what a row is about.

    The CSV of its name has all rows, the page the first `ON_PAGE`.
    """

    ON_PAGE: ClassVar = 100
    kind: ClassVar = "table"
    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Chart:
    """A drawing with its finding as title, its text alternative, and its numbers as a table.

    `key`: swatches with what each stands for, in the order of the drawing. `beside`: the table stands open beside it,
    where there is room.
    """

    kind: ClassVar = "chart"
    title: str
    figure: Drawing
    says: str
    table: Table
    key: Sequence[tuple[Swatch, str]] = ()
    beside: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph: words and links."""

    kind: ClassVar = "text"
    words: Sequence[str | Link]

    @classmethod
    def of(cls, *words: str | Link) -> "Text":
        """A paragraph of these words and links, one behind the other."""
        return cls(words)


@dataclass(frozen=True)
class Figure:
    """One figure as a card: what it is, the value, its bounds, how much of it is known, the target, the definition."""

    label: str
    value: str
    bounds: str
    coverage: str
    status: Status
    definition: Link
    target: str = ""


@dataclass(frozen=True)
class Figures:
    """Cards in a grid."""

    kind: ClassVar = "figures"
    cards: Sequence[Figure]


@dataclass(frozen=True)
class Notice:
    """Something a reader must not miss."""

    kind: ClassVar = "notice"
    heading: str
    text: str


@dataclass(frozen=True)
class Entry:
    """An entry of a register: a heading with an anchor, and what is said of it, term by term."""

    kind: ClassVar = "entry"
    id: str
    heading: str
    terms: Sequence[tuple[str, str | Link]]


Block = Table | Chart | Text | Figures | Notice | Entry


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading; the id is its anchor."""

    id: str
    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page, written to `<slug>.html`. `parent`: slug of the page under which it stands, which the menu marks."""

    slug: str
    title: str
    lead: str
    sections: Sequence[Section]
    parent: str = ""


_STATUS: dict[str, Status] = {
    "met": Status("Met", "good"),
    "missed": Status("Missed", "bad"),
    "uncertain": Status("Cannot be told", "doubt"),
    "tbc": Status("Target not set yet", "none"),
    "no_target": Status("No target", "none"),
    "no_data": Status("No data", "doubt"),
}


def scored(status: str) -> Status:
    """The words for a status of `kpi_scorecard`."""
    return _STATUS[status]
