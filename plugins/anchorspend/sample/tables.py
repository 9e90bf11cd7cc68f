"""The tables the sample county is made from: categories, public bodies, words, calibration and how each body publishes.

They stand in `data/` beside this module, so that the county can be widened without touching code.
"""

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field

DATA = Path(__file__).parent / "data"
"""Where the tables stand."""

IN_SCOPE = frozenset({"works", "supplies", "social_care"})
"""Scopes of the strategy's £192m of "works, supplies and social care" (line 351); every other scope is outside it."""

YEARS = (2017, 2018, 2019)
"""Financial years of the county, by the calendar year they begin in: 2017-18 is the strategy's base (lines 293-348)."""


def financial_year(year: int) -> str:
    """The label of the financial year that begins in a calendar year: `2017-18`."""
    return f"{year}-{(year + 1) % 100:02}"


class Strict(BaseModel):
    """A model that refuses keys nobody knows and does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Layout(Strict):
    """How one body writes the files of a feed from a date on."""

    columns: dict[str, str] = Field(description="header: field of a line, or = and a constant")
    starts: date = date.min
    format: Literal["csv", "xlsx"] = "csv"
    encoding: str = "utf-8"
    delimiter: str = ","
    money: Literal["plain", "commas", "pounds", "trailing_minus", "payments_negative", "credit", "number"] = "plain"
    dates: list[str] = Field(["%d/%m/%Y"], description="strftime formats; one is drawn for every line")
    preamble: list[str] = Field(default_factory=list, description="rows before the header")
    blank_row_after: int | None = Field(None, description="a blank row stands after each so many lines")
    blank_rows_at_end: int = 0
    trailing_cells: int = Field(0, description="empty cells after the last column of a line")
    newlines_in: str | None = Field(None, description="header of a column in which some cells hold a line break")


class Files(Strict):
    """The files a feed is published in."""

    every: Literal["month", "quarter", "year"]
    file: str = Field(description="name, with {first} (day), {year_label} and {quarter} of the period")
    since: date = Field(date.min, description="first day of the first period published")


class TableFiles(Files):
    """Files that are tables."""

    layouts: list[Layout]
    republished: list[str] = Field(default_factory=list, description="periods first published wrong")


class LedgerFiles(TableFiles):
    """The files a ledger is published in."""

    sidecar_until: date | None = Field(None, description="files up to this day have a control total beside them")
    late: list[str] = Field(default_factory=list, description="periods published long after they were due")


class ObservatoryFiles(Strict):
    """The yearly files an analytics vendor returns."""

    file: str


BodyType = Literal["council", "police", "fire", "nhs", "university", "airport"]


class Body(Strict):
    """How a body buys, which errors it makes and how it publishes."""

    type: BodyType
    year_starts: int = 4
    vat: Literal["net", "gross"] = "net"
    over: int = Field(0, description="pounds below which no line is published")
    credit_notes: float
    repeated_lines: float = Field(0, description="share of lines that repeat another in every cell, and are right")
    unplaced_pounds: float = Field(description="share of pounds paid to records without a usable postcode")
    broken_lines: float = Field(0, description="share of a file's lines that cannot be loaded")
    late_lines: float = Field(0, description="share of lines published a period late")
    relocated_records: float = Field(0, description="share of records that carry another, valid, postcode")
    house_style: Literal["as_is", "upper", "title", "truncated"]
    flawless_year: int | None = Field(None, description="year whose records and lines have no error")
    local_zones: dict[str, int]
    departments: list[str]
    supplier_prefix: str
    ledger: LedgerFiles | None = None
    observatory: ObservatoryFiles | None = None
    card: TableFiles | None = None
    contract: TableFiles | None = None
    portal: TableFiles | None = None
    notice: Files | None = None
    exemption: TableFiles | None = None
    saving: TableFiles | None = None
    event: TableFiles | None = None
    social_value: TableFiles | None = None


class Words(Strict):
    """What invented names are made of."""

    beginnings: list[str]
    endings: list[str]
    given_names: list[str]
    family_names: list[str]
    charity: list[str]


@cache
def bodies() -> Mapping[str, Body]:
    """Body by institution id, in the order they are made."""
    content = yaml.safe_load((DATA / "bodies.yml").read_text(encoding="utf-8"))
    return {name: Body.model_validate(body) for name, body in content.items()}


@cache
def words() -> Words:
    """The word lists of invented names."""
    return Words.model_validate(yaml.safe_load((DATA / "words.yml").read_text(encoding="utf-8")))


class Category(Strict):
    """A ProClass v17 category the county buys under.

    `sectors` and `buyers` are weights: of the supplier's sector, and of how much a type of body buys. `typical` is
    pounds of a line; `steady` whether it is the same every month; `trades` are words of supplier names, `purchases`
    descriptions of lines.
    """

    code: str
    label: str
    scope: str
    sectors: dict[str, int]
    buyers: dict[str, int]
    typical: int
    steady: bool
    trades: list[str]
    purchases: list[str]

    @property
    def purpose(self) -> str:
        """The last part of the label: what is bought, in a word or two."""
        return self.label.rpartition(": ")[2]

    @property
    def in_scope(self) -> bool:
        """Whether payments count towards the £192m."""
        return self.scope in IN_SCOPE


class PublicBody(Strict):
    """A public body that is paid by others, with the institution it is where it is one of the county's."""

    name: str
    aliases: list[str]
    postcode: str
    category: str
    institution_id: str


class Calibration(Strict):
    """What an institution's year must come to: pounds, suppliers and lines."""

    pounds: int
    in_scope_pounds: int
    sme_pounds: int
    local_pounds: int
    suppliers: int
    sme_suppliers: int
    local_suppliers: int
    lines: int


@cache
def categories() -> tuple[Category, ...]:
    """Every category."""
    return tuple(
        Category(
            code=row["code"],
            label=row["label"],
            scope=row["scope"],
            sectors={name: int(weight) for name, _, weight in (pair.partition(":") for pair in row["sectors"].split())},
            buyers={body: int(row[body]) for body in get_args(BodyType)},
            typical=int(row["typical"]),
            steady=row["steady"] == "yes",
            trades=row["trades"].split("|"),
            purchases=row["purchases"].split("|"),
        )
        for row in rows_of("categories.csv")
    )


@cache
def public_bodies() -> tuple[PublicBody, ...]:
    """The county's own institutions, tax and pensions."""
    return tuple(
        PublicBody.model_validate({**row, "aliases": row["aliases"].split("|")}) for row in rows_of("public_bodies.csv")
    )


@cache
def calibration() -> Mapping[tuple[str, int], Calibration]:
    """Calibration by institution id and year.

    Luton 2017-18 is the strategy's: £238m (line 348), £192m in scope (351), 4,168 suppliers, 1,249 of them SMEs (336),
    51 % of spend with SMEs (340), 269 local suppliers with 25 % of spend (342). The eight bodies' 2017-18 come to its
    £800m (293). Everything else is invented to be plausible.
    """
    return {
        (row.pop("institution_id"), int(row.pop("year"))): Calibration.model_validate(row)
        for row in rows_of("calibration.csv")
    }


def rows_of(file: str) -> list[dict[str, str]]:
    """The rows of one of the tables."""
    with (DATA / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
