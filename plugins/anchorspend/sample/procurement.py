"""How each body procures, beside what it pays: the tables in `data/` that say so.

Luton Council's figures are the strategy's where it has any: cycle times (lines 1021-1035), exemptions (1120), savings
(1140) and events (1106). Everything else is invented to be plausible. Lists are by financial year of the county.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Literal

import yaml
from pydantic import Field

from anchorspend.sample.tables import DATA, Strict, rows_of

CARD_BILL = "201500"
"""Category of the ledger lines that pay the bank for the cards."""
REGISTERED_OVER = 5_000
"""Pounds above which a contract stands in a register: the Local Government Transparency Code 2015."""
LOCAL_QUOTE_SINCE = date(2019, 11, 1)
"""When quick quotes came to require a local supplier: the implementation plan's first November (lines 633-645)."""


class Cards(Strict):
    """What a body buys with procurement cards."""

    pounds: list[int]
    lines: int = Field(description="lines of a year")
    vat: Literal["net", "gross"]
    in_ledger: bool = Field(description="whether the ledger pays the bank's monthly bill for them")


class Route(Strict):
    """How often a body buys by a route, and how long it takes."""

    label: str
    awarded: list[int]
    days: list[int] = Field(description="mean from the first day to the award, in the year of the award")
    open: int = Field(0, description="cases not yet awarded when the years end")
    cancelled: int = Field(0, description="cases given up, in each year")
    pounds: tuple[int, int] = Field(description="least and most of an estimated value")
    invited: tuple[int, int] = (0, 0)
    advertised: bool = False


class Contracts(Strict):
    """What stands in a body's contract register."""

    prefix: str
    stock: int = Field(description="contracts that began before the years")
    new: int = Field(0, description="contracts a year of which no portal knows")


class Exemptions(Strict):
    """Requests for exemption from the rules. What is neither approved nor rejected is open."""

    received: list[int]
    approved: list[int]
    rejected: list[int]


class Savings(Strict):
    """Pounds saved, and pounds that were planned and not achieved."""

    achieved: list[int]
    planned: list[int]


class Events(Strict):
    """Engagement events."""

    held: list[int]
    cancelled: list[int]


class SocialValue(Strict):
    """Social value since the framework of 2019-20 (lines 1063-1065)."""

    commitments: int
    promised: int
    delivered: int


class Procurement(Strict):
    """How one body procures."""

    card: Cards | None = None
    portal: dict[str, Route] = Field(default_factory=dict)
    capitals: bool = False
    """Whether the portal writes its events with a capital."""
    contract: Contracts | None = None
    exemption: Exemptions | None = None
    saving: Savings | None = None
    event: Events | None = None
    social_value: SocialValue | None = None


class Together(Strict):
    """Contracts of several bodies that end within weeks of each other, or one contract that each of them reports."""

    title: str
    category: str
    bodies: list[str] = Field(description="of one contract, the lead comes first")
    is_one: bool = False
    starts: date
    ends: date
    pounds: int


class RegisterWords(Strict):
    """What the small registers are written with."""

    merchant_prefixes: list[str]
    roles: list[str]
    exemption_reasons: list[str]
    savings_made: list[str]
    event_types: list[str]
    venues: list[str]
    measures: dict[str, str] = Field(description="measure of social value: its unit")


class _Tables(Strict):
    bodies: dict[str, Procurement]
    together: list[Together]
    words: RegisterWords
    cpv: dict[str, str]


class Merchant(Strict):
    """What card schemes call the suppliers of a category."""

    category: str
    code: str
    label: str
    typical: int = Field(description="pounds of a purchase")


def procurement(institution_id: str) -> Procurement:
    """How a body procures."""
    return _tables().bodies.get(institution_id, Procurement())


def together() -> list[Together]:
    """What the bodies buy together, or could."""
    return _tables().together


def register_words() -> RegisterWords:
    """The words of the small registers."""
    return _tables().words


def cpv_code(category: str) -> str:
    """The Common Procurement Vocabulary division nearest to a ProClass code, which has 8 digits too."""
    return _tables().cpv[category[:2]]


@cache
def merchants() -> Mapping[str, Merchant]:
    """What is bought with cards, by ProClass code."""
    return {row["category"]: Merchant.model_validate(row) for row in rows_of("merchants.csv")}


@cache
def _tables() -> _Tables:
    return _Tables.model_validate(yaml.safe_load((DATA / "procurement.yml").read_text(encoding="utf-8")))
