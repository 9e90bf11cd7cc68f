"""The spans of time that files report, and when they are due."""

import calendar as months
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pydantic import Field

from anchorspend.contract.base import Strict


class Calendar(Strict):
    """When a feed is due: one file a `month`, `quarter` or `year`, `due_days` after its period ends."""

    every: Literal["month", "quarter", "year"]
    due_days: int = Field(30, ge=0, le=366)
    starts: date = Field(description="first day of the first period promised")
    ends: date | None = Field(None, description="last day of the last period promised; open when absent")


@dataclass(frozen=True)
class Period:
    """The span a file reports: `2017-04`, `2017-Q1` (financial quarter), `2017-18` (financial year) or a bare name."""

    label: str
    first: date
    last: date


GROUPS = {
    "year": "calendar year of the month, or year in which a quarter's or whole year's financial year begins",
    "financial_year": "instead of `year`: the year in which the financial year of the month begins",
    "month": "number or English name",
    "to_month": "last month of a span of months",
    "quarter": "1 to 4 of the financial year",
    "part": "keeps several files of one period apart",
}

_MONTHS = {
    name.casefold(): i for names in (months.month_name, months.month_abbr) for i, name in enumerate(names) if name
}


_MONTHS["sept"] = 9


def period_of_parts(parts: Mapping[str, str | None], year_start: int) -> Period:
    """The span that the parts of a file name stand for; `GROUPS` says what each part means.

    Raises `ValueError` where there is no such span.
    """
    year = int(parts.get("year") or parts.get("financial_year") or "")
    year += 2000 if year < 100 else 0
    if word := parts.get("month"):
        first = _month(year, word, year_start if parts.get("financial_year") else None)
        if not (word := parts.get("to_month")):
            return Period(f"{first:%Y-%m}", first, _end_of(first, 1))
        last = _month(first.year, word, first.month)
        return Period(f"{first:%Y-%m}..{last:%Y-%m}", first, _end_of(last, 1))
    if quarter := parts.get("quarter"):
        if quarter not in {"1", "2", "3", "4"}:
            raise ValueError(f"quarter {quarter}")
        first = _add_months(date(year, year_start, 1), 3 * (int(quarter) - 1))
        return Period(f"{year}-Q{quarter}", first, _end_of(first, 3))
    first = date(year, year_start, 1)
    label = f"{year}-{(year + 1) % 100:02}" if year_start > 1 else f"{year}"
    return Period(label, first, _end_of(first, 12))


def _month(year: int, word: str, year_start: int | None) -> date:
    """First day of a month by number or English name; of the year that begins in `year_start`, where one is given."""
    month = int(word) if word.isdigit() else _MONTHS.get(word.casefold(), 0)
    return date(year + (year_start is not None and month < year_start), month, 1)


def _add_months(day: date, count: int) -> date:
    index = day.month - 1 + count
    return date(day.year + index // 12, index % 12 + 1, 1)


def _end_of(first: date, count: int) -> date:
    return _add_months(first, count) - timedelta(days=1)
