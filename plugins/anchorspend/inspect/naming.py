"""What a file's name says: the period it reports, the glob of its fellows, the threshold, the body."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePath

from anchorspend.contract import InstitutionType, Period
from anchorspend.contract.period import period_of_parts
from anchorspend.inspect.headers import vocabulary

_YEAR4 = r"(?P<{}>(?:19|20)\d\d)"
_MONTH = (
    r"(?P<{}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_NUMBER = r"(?P<month>0[1-9]|1[0-2])"
_GAP = r"[ _.,-]*"
_TO = r"[ _.]*(?:-|–|to|and|&|_)[ _.]*"
_NEXT_YEAR = r"[ _/-]?(?:(?:19|20)?\d\d)"
_LATE = timedelta(days=31)  # as the reader: a line may be dated a month past its file's period


def _month(group: str = "month") -> str:
    return r"(?<![a-z])" + _MONTH.format(group) + r"(?![a-z])"


_YEAR = r"(?<!\d)" + _YEAR4.format("year")
_SPAN = _MONTH.format("month") + _TO + _MONTH.format("to_month")
_FINANCIAL = _YEAR + r"(?:[ _/-](?:20)?\d\d|\d\d)(?!\d)"

# In this order; the first whose period agrees with the dates in the file is taken.
_YEAR_OF_MONTH = _YEAR4.format("financial_year")
_TWO_YEARS = r"[_/-]\d\d(?:\d\d)?"
_QUARTER = r"(?:q|qtr|quarter)[ _.-]*(?P<quarter>[1-4])"
_PART = r"(?P<part>(?:p|m|period|month)[ _.-]*\d\d?)"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_NOT_LETTERS, _NOT_DIGITS, _NO_DIGIT = r"(?<![a-z])", r"(?<!\d)", r"(?!\d)"
_PATTERNS = (
    ("day", rf"{_YEAR}[-_. ]?{_NUMBER}[-_. ]?{_DAY}{_NO_DIGIT}"),
    ("day", rf"{_NOT_DIGITS}{_DAY}[-_. ]{_NUMBER}[-_. ]{_YEAR4.format('year')}{_NO_DIGIT}"),
    ("month", rf"{_YEAR}[-_. ]?{_NUMBER}{_NO_DIGIT}"),
    ("months", rf"{_NOT_LETTERS}{_SPAN}{_GAP}{_YEAR4.format('year')}{_NO_DIGIT}(?!{_NEXT_YEAR}{_NO_DIGIT})"),
    ("months", rf"{_NOT_LETTERS}{_SPAN}{_GAP}{_YEAR_OF_MONTH}{_NEXT_YEAR}{_NO_DIGIT}"),
    ("months", rf"{_month()}{_GAP}{_YEAR4.format('year')}{_TO}{_MONTH.format('to_month')}{_GAP}20\d\d{_NO_DIGIT}"),
    ("months", rf"{_YEAR}{_GAP}{_SPAN}(?![a-z])"),
    ("month of a financial year", rf"{_month()}{_GAP}{_YEAR_OF_MONTH}{_TWO_YEARS}{_NO_DIGIT}"),
    ("month of a financial year", rf"{_NOT_DIGITS}{_YEAR_OF_MONTH}{_TWO_YEARS}{_NO_DIGIT}.*?{_month()}"),
    ("month", rf"{_month()}{_GAP}{_YEAR4.format('year')}{_NO_DIGIT}"),
    ("month", rf"{_YEAR}{_GAP}{_month()}"),
    ("month", rf"{_month()}[ _.,'’-]*(?P<year>[0-3]\d){_NO_DIGIT}"),
    ("month", rf"{_NOT_DIGITS}{_NUMBER}[-_. ]?{_YEAR4.format('year')}{_NO_DIGIT}"),
    ("quarter", rf"{_NOT_LETTERS}{_QUARTER}[ _.-]*(?:of[ _-]*)?(?:fy[ _-]*)?{_YEAR4.format('year')}"),
    ("quarter", rf"{_YEAR}(?:[ _/-](?:20)?\d\d|\d\d)?[ _.-]*{_QUARTER}{_NO_DIGIT}"),
    ("part of a financial year", rf"{_NOT_LETTERS}{_PART}[ _.-]*{_FINANCIAL}"),
    ("part of a financial year", rf"{_FINANCIAL}[ _.-]*{_PART}{_NO_DIGIT}"),
    ("financial year", _FINANCIAL),
    ("financial year", rf"{_NOT_LETTERS}fy[ _-]*(?P<year>(?:20)?\d\d){_NO_DIGIT}"),
    ("year", rf"{_YEAR}{_NO_DIGIT}"),
)


@dataclass(frozen=True)
class Named:
    """A period and the pattern that reads it from a name.

    `says` is month, quarter, financial year, ...; `name` the file's name, or the one to give it where its own names no
    year (`is_renamed`); `files` the glob of the file and its fellows; `fits` whether the dates in the file agree.
    """

    says: str
    name: str
    is_renamed: bool
    pattern: str
    period: Period
    files: str
    fits: bool


def period_in(name: str, year_start: int, dates: tuple[date, date] | None, today: date) -> Named:
    """The period of a file from its name, checked against the span of its dates.

    A name without a year gets a new one: the dates, or `today` where there are none, say which.
    """
    found = list(_found(name, year_start, dates))
    for one in found:
        if one.fits:
            return one
    # A year that is only a guess at a mere number is worse than a new name.
    if found and not (dates and found[0].says in {"year", "month"} and _far(found[0].period, dates)):
        return found[0]
    renamed = _with_period(name, year_start, dates, today)
    best = next((one for one in _found(renamed, year_start, dates) if one.fits), None)
    if best is None:
        best = next(_found(renamed, year_start, None))
    return Named(best.says, renamed, True, best.pattern, best.period, best.files, True)


def _found(name: str, year_start: int, dates: tuple[date, date] | None) -> Iterator[Named]:
    for says, search in _PATTERNS:
        found = re.search(search, name, re.IGNORECASE)
        if not found:
            continue
        parts = found.groupdict()
        pattern = _written(name, found)
        again = re.search(pattern, name, re.IGNORECASE)
        if not again or again.groupdict() != parts:  # the plain way of writing it finds something else in this name
            pattern = search
        try:
            period = period_of_parts(parts, year_start)
        except ValueError:
            continue
        if period.first.year < 1990:
            continue
        part = parts.get("part")
        if part:
            period = Period(f"{period.label}/{part.lower()}", period.first, period.last)
        yield Named(says, name, False, pattern, period, _glob(name, found), _fits(period, dates))


def _fits(period: Period, dates: tuple[date, date] | None) -> bool:
    """Whether most of a file's dates may stand in a file of the period: some bodies name the month of publication, and
    late payments stand in later files."""
    return dates is None or (period.first - timedelta(days=400) <= dates[0] and dates[1] <= period.last + _LATE)


def _far(period: Period, dates: tuple[date, date]) -> bool:
    return dates[0] - period.last > timedelta(days=400) or period.first - dates[1] > timedelta(days=400)


def _written(name: str, found: re.Match[str]) -> str:
    """The period of a name as a contract's pattern: its parts as groups, what stands between them as it is, after the
    word before it and with the ending behind it, so that no other digits of a name are taken for a period."""
    before = re.search(r"(^|[A-Za-z]+[ _-]*)$", name[: found.start()])
    steps = [_literal(before[0]) or "^"] if before else []
    place = found.start()
    for group in sorted(found.groupdict(), key=found.start):
        steps += [_literal(name[place : found.start(group)]), f"(?P<{group}>{_group(group, found[group])})"]
        place = found.end(group)
    steps.append(_literal(name[place : found.end()]))
    ending = PurePath(name).suffix
    if name[found.end() :] == ending:
        steps.append(f"{re.escape(ending)}$")
    elif name[found.end() - 1].isdigit():
        steps.append(r"(?!\d)")
    return "".join(steps)


def _group(group: str, text: str) -> str:
    if text.isdigit():
        return rf"\d{{{len(text)}}}" if group != "quarter" else "[1-4]"
    return "[a-z]{3,9}" if "month" in group else re.sub(r"\d+", r"\\d+", _literal(text))


def _literal(text: str) -> str:
    escaped = re.sub(r"\\([ &,'’–-])", r"\1", re.escape(text))
    return re.sub(r"\d+", lambda digits: rf"\d{{{len(digits[0])}}}", escaped)


def _glob(name: str, found: re.Match[str]) -> str:
    """The name with its period as `*`, and what is written as digits elsewhere too: numbers of months and weeks."""
    before = re.sub(r"(?<![\w£])\d{1,2}(?![\dk])([ _.-]+\d{1,2}(?!\d))?", "*", name[: found.start()])
    after = name[found.end() :]
    ending = PurePath(name).suffix
    after = re.sub(r"\d+", "*", after.removesuffix(ending)) + ending
    return re.sub(r"\*[* ._–-]*\*", "*", re.sub(r"[\[\]?]", "?", f"{before}*{after}"))


def _with_period(name: str, year_start: int, dates: tuple[date, date] | None, today: date) -> str:
    """A name with a year in it: the file's own, and what its dates say."""
    path = PurePath(name)
    first, last = dates or (today, today)
    stem = path.stem
    if span := re.search(rf"(?<![a-z]){_SPAN}(?![a-z])", stem, re.IGNORECASE):
        return f"{stem[: span.end()]} {_year_of(span['month'], first, last)}{stem[span.end() :]}{path.suffix}"
    if found := re.search(_month(), stem, re.IGNORECASE):
        return f"{stem[: found.end()]} {_year_of(found['month'], first, last)}{stem[found.end() :]}{path.suffix}"
    stem = re.sub(r"(?:19|20)\d\d", "", stem).strip(" -_") or "file"
    if (last - first).days <= 31:
        return f"{stem} {last:%Y-%m}{path.suffix}"
    year = first.year - (first.month < year_start)
    if last.year - (last.month < year_start) == year and year_start > 1 and (last - first).days > 100:
        return f"{stem} {year}-{(year + 1) % 100:02}{path.suffix}"
    if (last - first).days <= 100:
        return f"{stem} {first:%b} to {last:%b} {first.year}{path.suffix}"
    return f"{stem} {last:%Y-%m}{path.suffix}"


def _year_of(word: str, first: date, last: date) -> int:
    """The year a month of a name stands in, so that it lies nearest the file's dates."""
    names = [one.casefold() for one in calendar.month_abbr]
    month = names.index(word[:3].casefold())
    years = range(first.year - 1, last.year + 1)
    middle = first + (last - first) / 2
    return min(years, key=lambda year: abs((date(year, month, 15) - middle).days))


def threshold(name: str) -> int:
    """Pounds above which the file's name says a body publishes, 0 where it says nothing: `over-500`, `25k`."""
    found = re.search(
        r"(?:over|above|>|exceeding|greater[ _-]than)[ _-]*(?:gbp|£)?[ _-]*"
        r"(\d{1,3}(?:,?\d{3})|\d{2,3})(k|,?000)?(?!\d)",
        name, re.IGNORECASE,
    ) or re.search(r"(?<![\d])£?(\d{2,3})(k)(?![a-z])", name, re.IGNORECASE)  # fmt: skip
    if not found:
        return 0
    pounds = int(found[1].replace(",", "")) * (1000 if found[2] else 1)
    return pounds if 100 <= pounds <= 1_000_000 and not 1990 <= pounds <= 2100 else 0


def institution_type(*names: str) -> InstitutionType | None:
    """The type of a body from its own name, or from a file's; None where no word tells."""
    for name in names:
        text = re.sub(r"[_\W]+", " ", name)
        for type_id, pattern in vocabulary().institution_types.items():
            if re.search(pattern, text, re.IGNORECASE):
                return InstitutionType(type_id)
    return None


def kinds_named(name: str) -> list[str]:
    """The kinds whose words stand in a file's name."""
    return [kind for kind, pattern in vocabulary().file_names.items() if re.search(pattern, name, re.IGNORECASE)]
