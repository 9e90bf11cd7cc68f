"""Columns: what the cells of one column are, told from every distinct cell and how often it stands there."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, localcontext
from functools import cached_property

from anchorspend.read import values
from anchorspend.read.values import DATE_MARK

# In the order in which they are tried where several fit: day before month, as in Britain.
DATE_FORMATS = (
    *("%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %b %y", "%d/%b/%Y", "%d/%b/%y"),
    *("%d %B %Y", "%d-%B-%Y", "%d-%B-%y", "%d %B %y"),
    *("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%y %H:%M", "%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S"),
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M"),
    *("%d/%m/%Y %I:%M:%S %p", "%d-%b-%Y %H:%M:%S", "%d-%b-%y %H:%M:%S", "%d %b %Y %H:%M", "%d %B %Y %H:%M"),
    *("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d%m%Y", "%d %m %Y", "%d%b%Y", "%d%b%y"),
    *("%A, %d %B %Y", "%A %d %B %Y", "%a %d %b %Y"),
    *("%B %d, %Y", "%b %d, %Y", "%b %d %Y", "%B %d %Y", "%d %b, %Y"),
    *("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%d-%m"),
)  # fmt: skip
_SWAPPED = {"%d/%m/%Y": "%m/%d/%Y", "%d/%m/%y": "%m/%d/%y", "%d-%m-%Y": "%m-%d-%Y", "%Y-%m-%d": "%Y-%d-%m",
            "%d/%m/%Y %H:%M": "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S": "%m/%d/%Y %H:%M:%S"}  # fmt: skip
SWAPPED = {**_SWAPPED, **{theirs: ours for ours, theirs in _SWAPPED.items()}}
_DATE_SHAPED = re.compile(
    r"(?=.{6,40}$)(?:(?:[A-Za-z]{3,9},? )?"
    r"\d{1,4}(?:[-/.]|,? ){1,2}(?:\d{1,2}|[A-Za-z]{3,9})(?:[-/.]|,? ){1,2}\d{1,4}(?:[T ].*)?"
    r"|\d{8}|\d{1,2}[A-Za-z]{3}\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4})"
)
_POSTCODE = re.compile(r"(GIR ?0AA|[A-Z]{1,2}[0-9][0-9A-Z]? {0,2}[0-9][A-Z]{2})", re.IGNORECASE)
_COMPANY = re.compile(
    r"(?:[0-9]{8}|(?:SC|NI|OC|SO|NC|FC|BR|IP|RC|RS|CE|GE|GN|LP|SL|NL|R0|NP|NO|NR|SP|SR|AC|SA|ZC|SI|IC|CS|SF|NF|GS)[0-9A-Z]{6})",
    re.IGNORECASE,
)
_VAT = re.compile(r"GB ?[0-9 ]{9,14}", re.IGNORECASE)
_EXPONENT = re.compile(r"[-+]?[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,3}")
_DATE_FOR_REFERENCE = re.compile(
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-[0-9]{2,4}|[0-9]{1,2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_ERRORS = re.compile(r"#(REF!|N/A|VALUE!|DIV/0!|NAME\?|NULL!|NUM!)|#{3,}")
_MOJIBAKE = re.compile(r"Â£|â€|Ã[\u0080-\u00bf]|\ufffd")
_TRIED = 600  # distinct cells that the formats are chosen on; the chosen ones are then held against every cell
MOST = 0.9  # share of the filled cells from which on a column is of a type


@dataclass(frozen=True)
class Dates:
    """The dates of a column. `formats` are those that fit, each for cells no other fits; `read` counts cells read.

    `is_ambiguous`: day and month could be exchanged in every cell. `is_mixed`: cells that can only have the day first
    stand beside cells that can only have the month first.
    """

    formats: tuple[str, ...]
    read: int
    true_dates: int
    is_ambiguous: bool
    is_mixed: bool
    days: Counter[str]
    unread: tuple[str, ...]

    def span(self) -> tuple[date, date] | None:
        """First and last day, stragglers of one in a hundred at either end left out."""
        if not self.days:
            return None
        ordered, total = sorted(self.days.items()), sum(self.days.values())
        return _at(ordered, total * 0.01), _at(ordered, total * 0.99)


def _at(ordered: Sequence[tuple[str, int]], place: float) -> date:
    seen = 0
    for day, count in ordered:
        seen += count
        if seen > place:
            return date.fromisoformat(day)
    return date.fromisoformat(ordered[-1][0])


@dataclass
class Column:
    """A column of a file: its place from 1, its header, and every distinct cell that is not blank with its count."""

    position: int
    header: str
    lines: int = 0
    cells: Counter[str] = field(default_factory=Counter)

    @cached_property
    def filled(self) -> int:
        """How many cells hold something."""
        return self.cells.total()

    @property
    def share_filled(self) -> float:
        """Share of the lines whose cell holds something, from 0 to 1."""
        return self.filled / self.lines if self.lines else 0.0

    @property
    def samples(self) -> list[str]:
        """The first three distinct cells as they stand."""
        return [cell.removeprefix(DATE_MARK) for cell, _ in zip(self.cells, range(3), strict=False)]

    def count(self, test: Callable[[str], object]) -> int:
        """How many filled cells pass."""
        return sum(times for cell, times in self.cells.items() if test(cell))

    def share(self, test: Callable[[str], object]) -> float:
        """Share of the filled cells that pass, 0 where none is filled."""
        return self.count(test) / self.filled if self.filled else 0.0

    @cached_property
    def dates(self) -> Dates:
        """The column read as dates."""
        return _dates(self.cells)

    @cached_property
    def pounds(self) -> dict[str, Decimal]:
        """Each cell that is an amount of money, with its pounds."""
        return {cell: amount for cell in self.cells if (amount := _money(cell)) is not None}

    @cached_property
    def money_share(self) -> float:
        """Share of the filled cells that are amounts."""
        return sum(self.cells[cell] for cell in self.pounds) / self.filled if self.filled else 0.0

    @cached_property
    def total(self) -> Decimal:
        """Sum of the amounts, exact."""
        return exact_sum(amount * self.cells[cell] for cell, amount in self.pounds.items())

    @property
    def negatives(self) -> int:
        """How many amounts are below nought."""
        return sum(self.cells[cell] for cell, amount in self.pounds.items() if amount < 0)

    @cached_property
    def type(self) -> str:
        """Likely type: empty, date, money, integer, flag, postcode, company, charity or VAT number, text."""
        return _type(self)

    @cached_property
    def oddities(self) -> list[str]:
        """What a spreadsheet or an export did to the cells, and mixtures that a reader may stumble over."""
        return list(_oddities(self))


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """A sum without rounding."""
    with localcontext(prec=100):
        return sum(amounts, Decimal(0))


def _money(cell: str) -> Decimal | None:
    if len(cell) > 40 or not any(map(str.isdigit, cell)):
        return None
    try:
        return values.money(cell)
    except ValueError:
        return None


def _type(column: Column) -> str:
    if not column.filled:
        return "empty"
    header = column.header.casefold()
    if column.share(_POSTCODE.fullmatch) >= 0.8:
        return "postcode"
    if column.dates.read >= MOST * column.filled and not _are_numbers(column):
        return "date"
    if "vat" in header and column.share(lambda cell: re.fullmatch(r"(GB ?)?[0-9 ]{9,14}", cell)) >= 0.5:
        return "VAT number"
    if column.share(_VAT.fullmatch) >= 0.8:
        return "VAT number"
    if "charit" in header and column.share(lambda cell: re.fullmatch(r"(SC0?)?[0-9]{5,8}(-[0-9]+)?", cell)) >= 0.5:
        return "charity number"
    if re.search(r"compan|\bcrn\b|registration", header) and column.share(_COMPANY.fullmatch) >= 0.4:
        return "company number"
    if (
        len(column.cells) <= 6
        and column.share(lambda cell: cell.casefold() in {"y", "n", "yes", "no", "true", "false"}) >= MOST
    ):
        return "flag"
    if column.money_share >= MOST:
        is_whole = column.share(lambda cell: re.fullmatch(r"[-+]?[0-9]{1,18}", cell)) >= MOST
        return "integer" if is_whole else "money"
    return "text"


def _are_numbers(column: Column) -> bool:
    """Whether what could be dates written without a break are rather numbers of something."""
    is_bare = column.share(str.isdigit) > 0.5
    return is_bare and (len(column.dates.days) > 800 or not re.search("date|paid|period", column.header, re.IGNORECASE))


def _dates(cells: Counter[str]) -> Dates:
    days: Counter[str] = Counter()
    true_dates, texts = 0, []
    for cell, times in cells.items():
        if cell.startswith(DATE_MARK):
            true_dates += times
            days[cell.removeprefix(DATE_MARK)] += times
        elif _DATE_SHAPED.fullmatch(cell):
            texts.append(cell)
    formats, is_ambiguous, is_mixed = _formats(texts, cells)
    unread: list[str] = []
    read = true_dates
    for cell, times in cells.items():
        if cell.startswith(DATE_MARK):
            continue
        day = _read(cell, formats)
        if day:
            read += times
            days[day] += times
        elif len(unread) < 5:
            unread.append(cell)
    return Dates(formats, read, true_dates, is_ambiguous, is_mixed, days, tuple(unread))


def _formats(texts: Sequence[str], counts: Counter[str]) -> tuple[tuple[str, ...], bool, bool]:
    """The formats that fit, each for further cells; whether every cell is ambiguous; whether it is mixed."""
    some = texts if len(texts) <= _TRIED else texts[:: -(-len(texts) // _TRIED)]
    fits = {one: {cell for cell in some if _day(cell, one)} for one in DATE_FORMATS}
    left, chosen = set(some), list[str]()
    is_mixed = False
    while left:
        gains = {one: sum(counts[cell] for cell in found & left) for one, found in fits.items()}
        best = max(DATE_FORMATS, key=lambda one: (gains[one], -DATE_FORMATS.index(one)))
        if not gains[best]:
            break
        left -= fits[best]
        if SWAPPED.get(best) in chosen:
            is_mixed = True  # both would call every other cell ambiguous, so only the commoner is declared
            continue
        chosen.append(best)
    swapped = [one for one in chosen if one in SWAPPED and fits[one]]
    is_ambiguous = bool(swapped) and all(fits[one] <= fits[SWAPPED[one]] for one in swapped if one != "%Y-%m-%d")
    is_ambiguous = is_ambiguous and any(one != "%Y-%m-%d" for one in swapped)
    # A cell apart in ten thousand is a slip of the pen, not a way of writing dates.
    total = sum(counts[cell] for cell in some)
    kept = [one for one in chosen if sum(counts[cell] for cell in fits[one]) > 0.0001 * total]
    return tuple(kept), is_ambiguous and not is_mixed, is_mixed


def _day(cell: str, one: str) -> bool:
    """Whether a format fits, quickly; what a chosen format reads is for `read` to say."""
    try:
        return 1990 <= datetime.strptime(cell, one).year <= 2100
    except ValueError:
        return False


def _read(cell: str, formats: Sequence[str]) -> str | None:
    try:
        return values.date(cell, formats) if formats and _DATE_SHAPED.fullmatch(cell) else None
    except ValueError:
        return None


def swapped_days(column: Column) -> Counter[str]:
    """The days of a column with day and month exchanged, where every cell allows it."""
    days: Counter[str] = Counter()
    for day, times in column.dates.days.items():
        year, month, number = day.split("-")
        days[f"{year}-{number}-{month}" if int(number) <= 12 else day] += times
    return days


def _oddities(column: Column) -> Iterable[str]:
    tests: list[tuple[Callable[[str], object], str]] = [
        (_EXPONENT.fullmatch, "a spreadsheet shortened it: digits are lost"),
        (_ERRORS.fullmatch, "a formula failed, or the column was too narrow"),
        (_MOJIBAKE.search, "letters were decoded wrongly before publication"),
        (lambda cell: "\x00" in cell, "a NUL character"),
    ]
    if column.type != "date":
        tests.append((_DATE_FOR_REFERENCE.fullmatch, "a spreadsheet took a reference for a date"))
        if column.type in {"text", "integer"}:
            tests.append((lambda cell: cell.startswith(DATE_MARK), "a true date among other cells"))
    for test, says in tests:
        if times := column.count(test):
            example = next(cell for cell in column.cells if test(cell)).removeprefix(DATE_MARK)
            yield f"{times:,} × {says}: {example[:30]!r}"
    dates = column.dates
    if column.type == "date":
        if dates.is_mixed:
            yield f"day first in some cells, month first in others: read as {readable(dates.formats)}"
        elif dates.is_ambiguous:
            yield "day and month could be exchanged in every cell"
        if len(dates.formats) + bool(dates.true_dates) > 1:
            yield f"{len(dates.formats) + bool(dates.true_dates)} ways to write a date"
        if column.filled > dates.read:
            yield f"{column.filled - dates.read:,} × no date: {dates.unread[0][:30]!r}"
    if column.type == "money" and (bad := column.count(lambda cell: cell not in column.pounds)):
        example = next(cell for cell in column.cells if cell not in column.pounds)
        yield f"{bad:,} × no amount: {example[:30]!r}"


def readable(formats: Iterable[str]) -> str:
    """Formats as people write them."""
    return ", ".join(map(values.readable_format, formats))
