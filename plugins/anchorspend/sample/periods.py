"""The spans of time that files report over the county's years."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal, NamedTuple

from anchorspend.sample.tables import YEARS, financial_year

Every = Literal["month", "quarter", "year"]
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Period(NamedTuple):
    """A month, quarter or year of a body's calendar, with what file names are filled from."""

    label: str
    first: date
    last: date
    year: int
    year_label: str
    quarter: int


def periods(every: Every, year_starts: int) -> Iterator[Period]:
    """Each period of the county's years, in order."""
    months = _MONTHS[every]
    for number in range(len(YEARS) * 12 // months):
        month = YEARS[0] * 12 + year_starts - 1 + number * months
        year, quarter = YEARS[0] + number * months // 12, number * months % 12 // 3 + 1
        first, after = date(month // 12, month % 12 + 1, 1), month + months
        last = date(after // 12, after % 12 + 1, 1) - timedelta(1)
        year_label = financial_year(year)
        label = {"month": f"{first:%Y-%m}", "quarter": f"{year}-Q{quarter}", "year": year_label}[every]
        yield Period(label, first, last, year, year_label, quarter)


def year_of(day: date, year_starts: int) -> int:
    """The calendar year in which a day's financial year begins."""
    return day.year - (day.month < year_starts)
