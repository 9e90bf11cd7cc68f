"""One cell to one typed value. Each function raises `ValueError` with a reason for people.

Money is exact decimal, never floating point, and is kept as finely as it was published: some ledgers hold fractions of
a penny, and rounding each line would move the total.
"""

import datetime as dt
import functools
import re
from collections.abc import Sequence
from decimal import Decimal

# Pounds as ledgers write them: £1,234.50  (1,234.50)  -£12  £-12  12.00-  1234.5  12.00 CR  GBP 12
_PLAIN = r"-?(?:[0-9]{1,13}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.[0-9]{1,2})?"
_ALL_PLAIN = re.compile(rf"(?:{_PLAIN}\n)*{_PLAIN}")
_MONEY = re.compile(
    r"(?P<side>CR|DR)?(?P<open>\()?(?P<sign>[-+])?(?:£|GBP)?(?P<sign2>[-+])?"
    r"(?P<digits>([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)(?:GBP)?(?P<trail>-)?(?P<close>\))?(?P<side2>CR|DR)?"
)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-" * 8)
_THOUSANDS_SPACE = re.compile(r"(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")  # which nobody types by accident
_SPACE_IN_NUMBER = re.compile(r"[0-9.,]\s+[0-9.,]")
_OTHER_CURRENCIES = {"€": "euros", "EUR": "euros", "$": "dollars", "USD": "dollars", "¥": "yen", "CHF": "francs"}
_SIGNS = {"+": "+", "DR": "+", "-": "-", "(": "-", "CR": "-"}
_SHORTENED = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]{1,3}")
_FLAGS = {"y": "t", "yes": "t", "true": "t", "1": "t", "n": "f", "no": "f", "false": "f", "0": "f"}
_PENNY = Decimal("0.01")
_NOISE = Decimal("0.000001")  # what binary floating point in a spreadsheet leaves behind, far below a penny
_LARGEST = Decimal(10) ** 13
_EARLIEST, _LATEST = 1990, 2100
_FRACTION = re.compile(r"(?<=:[0-9]{2})\.[0-9]+")
DATE_MARK = "\ue000"  # of the private use area, which no text holds


def money(cell: str) -> Decimal:
    """Pounds.

    Accepts £ and GBP, thousands commas or no-break spaces, a minus or dash before, after or behind the £, brackets,
    and CR (negative) or DR. Refuses other currencies, digits grouped wrongly, two signs, and a number a spreadsheet
    shortened (`1.2E+05`).
    """
    shown = _THOUSANDS_SPACE.sub(",", cell.translate(_DASHES).upper().strip())
    text = "".join(shown.split())
    found = None if _SPACE_IN_NUMBER.search(shown) else _MONEY.fullmatch(text)
    if not found or bool(found["open"]) != bool(found["close"]):
        return _from_exponent(text)
    signs = [_SIGNS[found[part]] for part in ("side", "open", "sign", "sign2", "trail", "side2") if found[part]]
    if len(signs) > 1:
        raise ValueError("an amount with two signs")
    pounds = _without_noise(Decimal(found["digits"].replace(",", "")))
    if pounds >= _LARGEST:
        raise ValueError("more than ten million million pounds")
    # copy_negate, because a unary minus would round to the precision of the context.
    return pounds.copy_negate() if signs == ["-"] else pounds


def plain_money(cells: Sequence[str]) -> list[Decimal] | None:
    """What `money` gives for each of many cells, at a tenth of its cost; None unless all are plain digits."""
    lines = "\n".join(cells)
    if lines.count("\n") >= len(cells) or not _ALL_PLAIN.fullmatch(lines):
        return None
    return list(map(Decimal, lines.replace(",", "").split("\n")))


def _from_exponent(text: str) -> Decimal:
    if not _SHORTENED.fullmatch(text):
        for sign, name in _OTHER_CURRENCIES.items():
            if sign in text:
                raise ValueError(f"an amount in {name}, and only pounds are read")
        raise ValueError("not an amount of money")
    if abs(Decimal(text)) < _NOISE:
        return Decimal(0)
    raise ValueError("a spreadsheet shortened this number and lost its last digits")


def _without_noise(pounds: Decimal) -> Decimal:
    rounded = pounds.quantize(_PENNY) if pounds < _LARGEST else pounds
    return rounded if abs(pounds - rounded) < _NOISE else pounds


def date(cell: str, formats: Sequence[str], earliest: int = _EARLIEST) -> str:
    """ISO date of a cell: the day the declared formats agree on, in the offset it is written in.

    Refuses a cell that two formats read as different days, and years before `earliest` or after 2100.
    """
    readings = {day: one for one in formats if (day := _day(cell, one))}
    plausible = {day: one for day, one in readings.items() if earliest <= day.year <= _LATEST}
    if len(plausible) > 1:
        shown = " or ".join(f"{day} ({readable_format(one)})" for day, one in sorted(plausible.items()))
        raise ValueError(f"could be {shown}; the contract declares both ways to write a date")
    if readings:
        return _plausible(next(iter(plausible or readings)), earliest)
    raise ValueError(f"not a date written {' or '.join(map(readable_format, formats))}")


@functools.lru_cache(maxsize=4096)
def _day(cell: str, date_format: str) -> dt.date | None:
    if "%S" in date_format and "%f" not in date_format:
        cell = _FRACTION.sub("", cell)
    try:
        return dt.datetime.strptime(cell, date_format).date()
    except ValueError:
        return None


def _plausible(day: dt.date, earliest: int) -> str:
    if not earliest <= day.year <= _LATEST:
        raise ValueError(f"the year {day.year} is not between {earliest} and {_LATEST}")
    return day.isoformat()


def readable_format(date_format: str) -> str:
    """A strptime format as people write it: dd/mm/yyyy."""
    words = {"%d": "dd", "%m": "mm", "%Y": "yyyy", "%y": "yy", "%b": "Mon", "%B": "Month"}
    words |= {"%H": "hh", "%M": "mm", "%S": "ss", "%z": "+hh:mm"}
    return re.sub(r"%.", lambda code: words.get(code[0], code[0]), date_format)


def integer(cell: str) -> str:
    """A whole number, thousands commas allowed."""
    text = cell.replace(",", "").removesuffix(".0")
    if not re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        raise ValueError("not a whole number")
    return text


def flag(cell: str) -> str:
    """Yes or no, as `t` or `f`."""
    try:
        return _FLAGS[cell.casefold()]
    except KeyError:
        raise ValueError("neither yes nor no") from None


def text(cell: str) -> str:
    """Words as they stand."""
    if "\x00" in cell:
        raise ValueError("holds a NUL character")
    return cell


def from_workbook(cell: object) -> str:
    """A workbook's cell as the text a CSV would hold: dates ISO behind `DATE_MARK`, whole numbers without a point.

    The mark keeps a true date apart from text that looks like one, so that declared formats judge only text.
    """
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime):
        return f"{DATE_MARK}{cell.date().isoformat()}"
    if isinstance(cell, dt.date):
        return f"{DATE_MARK}{cell.isoformat()}"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


def workbook_date(cell: str, formats: Sequence[str], earliest: int = _EARLIEST) -> str:
    """Like `date`, for cells of `from_workbook`."""
    if cell.startswith(DATE_MARK):
        return _plausible(dt.date.fromisoformat(cell.removeprefix(DATE_MARK)), earliest)
    return date(cell, formats, earliest)
