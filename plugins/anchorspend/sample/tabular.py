"""Tables of typed records as a body publishes them, some cells wrong, and the account of what went into each file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anchorspend.sample.money import write_money
from anchorspend.sample.periods import Period, periods
from anchorspend.sample.publish import Account, Batch, FileError, set_published, write_rows
from anchorspend.sample.tables import Layout, TableFiles
from anchorspend.sample.workbooks import Cell, write_workbook

LOADS = frozenset({"no_end_date", "month_first", "lost_zeros"})
"""Errors with which a line is loaded all the same."""
_PUBLISHED_AFTER, _CORRECTED_AFTER = timedelta(25), timedelta(40)
_LEFT_OUT = 0.05
"""Share of records missing from a file that is later corrected."""


class Pence(int):
    """An amount, so that it is written as pounds and not as a number."""


Value = str | Pence | int | bool | date | None


@dataclass
class Record:
    """One record of a file: its values by field. `error` is what is wrong with the cell of `wrong` when written.

    `key` is whatever the maker of the record knows it by.
    """

    values: Mapping[str, Value]
    error: str = ""
    wrong: str = ""
    key: int = -1

    @property
    def loads(self) -> bool:
        """Whether its line can be loaded."""
        return not self.error or self.error in LOADS


class Place(NamedTuple):
    """Where a record stands."""

    record: Record
    file: str
    sheet: str
    row: int


@dataclass(frozen=True)
class Tables(Account):
    """The account of a feed's tables. `places`: the loadable records of files that count."""

    places: list[Place]


def publish_tables(
    rng: np.random.Generator,
    folder: Path,
    files: TableFiles,
    year_starts: int,
    records: Mapping[str, list[Record]],
    amount: str = "",
) -> Tables:
    """Write a feed's files into a folder, one a period. `records` are by label of the period; `amount` names the field
    whose pounds the batches count."""
    folder.mkdir(parents=True, exist_ok=True)
    account = Tables(errors=[], batches=[], places=[])
    for period in periods(files.every, year_starts):
        if period.first < files.since:
            continue
        layout = [one for one in files.layouts if one.starts <= period.first][-1]
        path = folder / files.file.format(**period._asdict())
        published = period.last + _PUBLISHED_AFTER
        held = records.get(period.label, [])
        if period.label in files.republished:
            kept = [record for record in held if rng.random() >= _LEFT_OUT]
            wrong = Tables(errors=[], batches=[], places=[])
            _write(path, layout, period, [_ten_times(kept[0], amount), *kept[1:]], amount, published, wrong)
            account.errors.extend(wrong.errors)
            account.batches.append(wrong.batches[0]._replace(superseded=True))
            path = path.with_stem(f"{path.stem}_revised")
            published += _CORRECTED_AFTER
        _write(path, layout, period, held, amount, published, account)
    return account


def by_period(files: TableFiles, year_starts: int, dated: Iterable[tuple[date, Record]]) -> dict[str, list[Record]]:
    """Records by label of the period their day lies in, in the order of days. Days outside the years are left out."""
    every = list(periods(files.every, year_starts))
    firsts = [period.first.toordinal() for period in every]
    found: dict[str, list[Record]] = {}
    for day, record in sorted(dated, key=lambda pair: pair[0]):
        place = int(np.searchsorted(firsts, day.toordinal(), side="right")) - 1
        if place >= 0 and day <= every[-1].last:
            found.setdefault(every[place].label, []).append(record)
    return found


def _ten_times(record: Record, amount: str) -> Record:
    value = record.values[amount]
    assert isinstance(value, Pence)
    return replace(record, values={**record.values, amount: Pence(value * 10)})


def _write(
    path: Path, layout: Layout, period: Period, records: list[Record], amount: str, published: date, account: Tables
) -> None:
    """Write one file and add it to the account."""
    heading: list[list[Cell]] = [[text.format(**period._asdict())] if text else [] for text in layout.preamble]
    fields = list(layout.columns.values())
    headers: list[Cell] = list(layout.columns)
    sheet = f"{period.first:%b %Y}" if layout.format == "xlsx" else ""
    rows: list[list[Cell]] = []
    bad = 0
    for number, record in enumerate(records, start=len(heading) + 2):
        cells = [_cell(layout, record.values.get(field), field) for field in fields]
        if record.error and record.wrong in fields:
            column = fields.index(record.wrong)
            cells[column] = _spoilt(layout, record)
            error = FileError(
                path.name, sheet, number, str(headers[column]), str(cells[column]), record.error, record.loads
            )
            account.errors.append(error)
        bad += not record.loads
        if record.loads:
            account.places.append(Place(record, path.name, sheet, number))
        rows.append(cells)
    table = [*heading, [*headers], *rows]
    if layout.format == "xlsx":
        write_workbook(path, {"Notes": [["Published under the transparency rules."]], sheet: table})
    else:
        write_rows(path, table, encoding=layout.encoding, delimiter=layout.delimiter)
    set_published(path, published)
    pence = sum(_pence(record, amount) for record in records if record.loads)
    account.batches.append(Batch(path.name, period.label, len(records), bad, pence, superseded=False))


def _pence(record: Record, amount: str) -> int:
    value = record.values.get(amount)
    return int(value) if isinstance(value, Pence) else 0


def _cell(layout: Layout, value: Value, field: str) -> Cell:
    if field.startswith("="):
        return field[1:]
    match value:
        case None:
            return ""
        case bool():
            return "Yes" if value else "No"
        case Pence():
            return write_money(layout.money, [value])[0]
        case date():
            return value if layout.format == "xlsx" else value.strftime(layout.dates[0])
        case int():
            return value if layout.format == "xlsx" else str(value)
    return value


def _spoilt(layout: Layout, record: Record) -> str:
    """What stands where the value of a record's wrong cell should."""
    value, style = record.values.get(record.wrong), layout.dates[0]
    match record.error:
        case "bad_date":
            for directive, text in {"%d": "31", "%m": "02", "%b": "Feb", "%B": "February"}.items():
                style = style.replace(directive, text)
            assert isinstance(value, date)
            return value.strftime(style)
        case "month_first":
            assert isinstance(value, date)
            return value.strftime(style.replace("%d", "%-m").replace("%m", "%d").replace("%-m", "%m"))
        case "bad_amount":
            return "TBC"
        case "lost_zeros":
            return str(value).lstrip("0")
    return ""
