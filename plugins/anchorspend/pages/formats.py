"""How numbers and days are written: for a person on the page, plainly in a CSV."""

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from anchorspend.pages.parts import Cell, Kind, Link, Status

UNKNOWN = "unknown"


def share(value: Decimal) -> str:
    """A fraction as per cent: `29.5%`; what is not quite all or nothing is not written as if it were."""
    if Decimal("0.9995") <= value < 1:
        return ">99.9%"
    if 0 < value < Decimal("0.0005"):
        return "<0.1%"
    return f"{_rounded(value * 100, '0.1'):,}%"


def pounds(value: Decimal) -> str:
    """Pounds without pence: `£1,234`."""
    return f"{'−' if value < 0 else ''}£{abs(_rounded(value, '1')):,}"


def short_pounds(value: Decimal) -> str:
    """Pounds for a headline: `£833.2m`, `£940k`, `£512`."""
    sign, size = "−" if value < 0 else "", abs(value)
    for unit, suffix, places in (
        (Decimal(10**9), "bn", "0.01"),
        (Decimal(10**6), "m", "0.1"),
        (Decimal(10**3), "k", "1"),
    ):
        if size >= unit:
            return f"{sign}£{_rounded(size / unit, places):,}{suffix}"
    return pounds(value)


def count(value: Decimal | int) -> str:
    """A whole number: `1,234`."""
    return f"{_rounded(Decimal(value), '1'):,}"


def points(value: Decimal) -> str:
    """A difference of shares in percentage points: `+1.2`."""
    found = _rounded(value * 100, "0.1")
    return f"{found:+}".replace("-", "−") if found else "0.0"


def days(value: Decimal | int) -> str:
    """Days, with a tenth where there is one: `12.5`."""
    return f"{_rounded(Decimal(value), '0.1'):,}".removesuffix(".0")


def day(value: date) -> str:
    """A day: `3 April 2017`."""
    return f"{value.day} {value:%B %Y}"


def of(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 file`, `1,234 files`."""
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"


def in_unit(value: Decimal | None, unit: str) -> str:
    """A KPI's figure in its unit (share, pounds, days or count), with the word where it needs one."""
    if value is None:
        return UNKNOWN
    return {
        "share": share,
        "pounds": short_pounds,
        "days": lambda number: f"{days(number)} days",
        "count": count,
    }[unit](value)


def between(low: Decimal | None, high: Decimal | None, unit: str) -> str:
    """Bounds as written: `29.4% to 29.6%`, the one figure where both are written alike, or that there are none."""
    if low is None or high is None:
        return UNKNOWN
    if low == high:
        return "exact"
    first, last = in_unit(low, unit), in_unit(high, unit)
    return f"{first} either way" if first == last else f"{first} to {last}"


def cell(value: Cell, kind: Kind) -> str:
    """A cell's text."""
    match value:
        case None:
            return UNKNOWN
        case str():
            return value
        case Link(text=text):
            return text
        case Status(word=word):
            return word
        case date():
            return day(value)
        case _:
            return _WRITTEN[kind](Decimal(value))


def raw(value: Cell) -> str:
    """A cell in a CSV, and what a table is sorted by: numbers as they are, days as ISO writes them."""
    match value:
        case None:
            return ""
        case Link(text=text):
            return text
        case Status(word=word):
            return word
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value.normalize():f}"
        case _:
            return str(value)


_WRITTEN: dict[Kind, Callable[[Decimal], str]] = {
    "pounds": pounds,
    "share": share,
    "points": points,
    "count": count,
    "days": days,
    "text": count,
}


def _rounded(value: Decimal, places: str) -> Decimal:
    found = value.quantize(Decimal(places), ROUND_HALF_UP)
    return abs(found) if found == 0 else found
