"""An institution's ledger files as it publishes them, errors included, and the account of what went into each."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from anchorspend.sample.money import pounds, write_money
from anchorspend.sample.names import pick
from anchorspend.sample.periods import Period, periods
from anchorspend.sample.tables import Body, Layout, LedgerFiles, categories
from anchorspend.sample.workbooks import write_workbook

_PUBLISHED_AFTER, _LATE_BY, _CORRECTED_AFTER = timedelta(20), timedelta(75), timedelta(40)
_LEFT_OUT = 0.03
"""Share of lines missing from a file that is later corrected."""
_BROKEN_CELLS = 0.05
"""Share of cells with a line break, in a column that has them."""
_VENDOR_FIELDS = ("supplier_ref", "company_number", "charity_number", "vat_number")


class FileError(NamedTuple):
    """A cell that is wrong. `row` counts from 1, as a spreadsheet shows it, or over the records of a JSON file.

    `loads`: whether its line can be loaded all the same, as with a company number that lost its leading zeros.
    """

    file: str
    sheet: str
    row: int
    column: str
    value: str
    error: str
    loads: bool = False


class Batch(NamedTuple):
    """What one file holds: its period, lines, how many of them cannot be loaded, and the pence of those that can."""

    file: str
    period: str
    lines: int
    quarantined: int
    pence: int
    superseded: bool


@dataclass(frozen=True)
class Account:
    """What went into the files of a feed."""

    errors: list[FileError]
    batches: list[Batch]


@dataclass(frozen=True)
class Published(Account):
    """The account of the files of a feed that says who was paid.

    `records`: who is paid, with supplier (position in the world), supplier_ref, name and postcode as written. `lines`:
    the lines that count, with record (position in `records`), file, sheet and row; those that cannot be loaded or that
    stand in a superseded file are not among them.
    """

    records: pd.DataFrame
    lines: pd.DataFrame


def publish_ledger(
    rng: np.random.Generator, folder: Path, body: Body, records: pd.DataFrame, lines: pd.DataFrame
) -> Published:
    """Write a body's ledger files into a folder. `records` and `lines` are of `vendors` and `ledgers`."""
    files = body.ledger
    assert files, "the body publishes a ledger"
    folder.mkdir(parents=True, exist_ok=True)
    texts = _texts(body, records, lines)
    written: list[_Written] = []
    for period, held in _by_period(files, body.year_starts, lines):
        layout = [one for one in files.layouts if one.starts <= period.first][-1]
        path = folder / files.file.format(**period._asdict())
        published = period.last + _PUBLISHED_AFTER + (_LATE_BY if period.label in files.late else timedelta())
        if period.label in files.republished:
            wrong = _write(rng, path, body, layout, period, _with_mistakes(rng, held), texts, published)
            written.append(_Written(wrong.places[:0], [], wrong.batch._replace(superseded=True)))
            path = path.with_stem(f"{path.stem}_revised")
            published += _CORRECTED_AFTER
        written.append(_write(rng, path, body, layout, period, held, texts, published))
    if not any("supplier_ref" in layout.columns.values() for layout in files.layouts):
        records = records.assign(supplier_ref="")
    return Published(
        errors=[error for one in written for error in one.errors],
        batches=[one.batch for one in written],
        records=records,
        lines=lines.join(pd.concat([one.places for one in written]), how="inner"),
    )


def _by_period(files: LedgerFiles, year_starts: int, lines: pd.DataFrame) -> Iterator[tuple[Period, pd.DataFrame]]:
    """Each period of the county's years, with the lines filed in it."""
    first_days = [np.datetime64(period.first) for period in periods(files.every, year_starts)]
    filed_in = np.searchsorted(first_days, lines.filed_date.to_numpy().astype("M8[D]"), side="right") - 1
    by_period = {int(str(number)): part for number, part in lines.groupby(filed_in)}
    for number, period in enumerate(periods(files.every, year_starts)):
        yield period, by_period.get(number, lines[:0])


def _texts(body: Body, records: pd.DataFrame, lines: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every field a layout may show that is neither money nor a date: text by line."""
    record, category = lines.record.to_numpy(), lines.category.to_numpy()
    labels = [one.label for one in categories()]
    areas, kinds = zip(*(label.split(": ", 1) for label in labels), strict=True)
    purchases = [one.purchases for one in categories()]
    initials = ("INV", "", "SI-")

    def each(values: Sequence[str], position: np.ndarray) -> np.ndarray:
        return np.array(values, dtype=object).take(position)

    return {
        "supplier_name": each(records["name"].tolist(), record),
        "supplier_postcode": each(records.postcode.tolist(), record),
        **{field: each(records[field].tolist(), record) for field in _VENDOR_FIELDS},
        "category_code": each([one.code for one in categories()], category),
        "category_label": each(labels, category),
        "expense_area": each(areas, category),
        "expense_type": each(kinds, category),
        "department": each(body.departments, category % len(body.departments)),
        "description": np.array(
            [purchases[i][choice] for i, choice in zip(category, lines.purchase, strict=True)], dtype=object
        ),
        "invoice_ref": np.array(
            [f"{initials[i % 3]}{number}" for i, number in zip(record, lines.invoice, strict=True)], dtype=object
        ),
        "transaction_ref": np.array([str(number) for number in lines.transaction], dtype=object),
        "contract_ref": lines.contract_ref.to_numpy(),
    }


def _with_mistakes(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of a file as first published: some left out, one with its decimal point a place too far right."""
    kept = lines[rng.random(len(lines)) >= _LEFT_OUT].copy()
    kept.loc[kept.index[0], "pence"] *= 10
    return kept


class _Written(NamedTuple):
    """What went into one file. `places`: file, sheet and row by index of the lines that can be loaded."""

    places: pd.DataFrame
    errors: list[FileError]
    batch: Batch


def _write(
    rng: np.random.Generator,
    path: Path,
    body: Body,
    layout: Layout,
    period: Period,
    lines: pd.DataFrame,
    texts: dict[str, np.ndarray],
    published: date,
) -> _Written:
    """Write one file, its control total where there is one, and date both."""
    sheets = {"": lines}
    if layout.format == "xlsx":
        sheets = {f"{month:%b %Y}": part for month, part in lines.groupby(lines.payment_date.dt.to_period("M"))}
    grids = {}
    for sheet, part in sheets.items():
        heading = [text.format(sheet=sheet, **period._asdict()) for text in layout.preamble]
        grids[sheet] = _Grid(rng, path.name, sheet, layout, heading, part, texts)
        grids[sheet].break_lines(0 if (part.year == body.flawless_year).any() else body.broken_lines)
    if layout.format == "xlsx":
        notes = [["Payments by month, one sheet each."]]
        write_workbook(path, {"Notes": notes, **{sheet: grid.rows() for sheet, grid in grids.items()}})
    else:
        write_rows(path, grids[""].rows(), encoding=layout.encoding, delimiter=layout.delimiter)
    set_published(path, published)
    if body.ledger and body.ledger.sidecar_until and period.last <= body.ledger.sidecar_until:
        sidecar = path.with_name(f"control_{path.stem}.csv")
        write_rows(sidecar, [["Lines", "Total"], [len(lines), pounds(int(lines.pence.sum()))]])
        set_published(sidecar, published)
    places = pd.concat([grid.places() for grid in grids.values()])
    errors = [error for grid in grids.values() for error in grid.errors]
    batch = Batch(
        path.name, period.label, len(lines), len(errors), int(lines.pence[places.index].sum()), superseded=False
    )
    return _Written(places, errors, batch)


class _Grid:
    """The cells of one table of a file: a heading, the header and the lines, some of them broken."""

    def __init__(
        self,
        rng: np.random.Generator,
        file: str,
        sheet: str,
        layout: Layout,
        heading: list[str],
        lines: pd.DataFrame,
        texts: dict[str, np.ndarray],
    ) -> None:
        self._rng, self._layout, self._lines, self._texts = rng, layout, lines, texts
        self._file, self._sheet = file, sheet
        self._heading = [[text] if text else [] for text in heading]
        self._cells = [list(row) for row in zip(*self._columns(), strict=True)]
        position = np.arange(len(lines))
        self._row_numbers = len(heading) + 2 + position
        if layout.blank_row_after:
            self._row_numbers = self._row_numbers + position // layout.blank_row_after
        self._broken: list[int] = []
        self.errors: list[FileError] = []

    def _columns(self) -> Iterator[list[Any]]:
        for header, field in self._layout.columns.items():
            cells = self._column(field)
            if header == self._layout.newlines_in:
                torn = self._rng.random(len(cells)) < _BROKEN_CELLS
                cells = [cell.replace(" ", "\n", 1) if tear else cell for cell, tear in zip(cells, torn, strict=True)]
            yield cells

    def _column(self, field: str) -> list[Any]:
        if field.startswith("="):
            return [field[1:]] * len(self._lines)
        if field == "amount":
            return write_money(self._layout.money, self._lines.pence.tolist())
        if field in self._texts:
            return list(self._texts[field][self._lines.index])
        days = self._lines[field].dt
        if self._layout.format == "xlsx":
            return list(days.date)
        styles = self._layout.dates
        # Lines that stand twice must be written alike, so the style follows from the invoice.
        return [_formatted(day, styles[i % len(styles)]) for day, i in zip(days.date, self._lines.invoice, strict=True)]

    def break_lines(self, share: float) -> None:
        """Spoil a share of the lines, rounded down, so that none of these can be loaded."""
        alone = np.flatnonzero(self._lines.times == 1)
        for position in sorted(self._rng.choice(alone, int(len(self._lines) * share), replace=False).tolist()):
            error = pick(self._rng, ("bad_date", "bad_amount", "no_amount", "extra_cell"))
            column, value = self._spoil(position, error)
            self._broken.append(position)
            row = int(self._row_numbers[position])
            self.errors.append(FileError(self._file, self._sheet, row, column, value, error))

    def _spoil(self, position: int, error: str) -> tuple[str, str]:
        """Put an error into a line; returns the header over it, empty beyond the last, and what stands there now."""
        cells = self._cells[position]
        if error == "extra_cell":
            cells += [""] * self._layout.trailing_cells + ["see remittance"]
            return "", "see remittance"
        field, value = {
            "bad_date": ("payment_date", self._no_such_day(self._lines.payment_date.iloc[position])),
            "bad_amount": ("amount", "n/a"),
            "no_amount": ("amount", ""),
        }[error]
        column = list(self._layout.columns.values()).index(field)
        cells[column] = value
        return list(self._layout.columns)[column], value

    def _no_such_day(self, day: date) -> str:
        """The 31st of February, written as the layout writes dates."""
        style = self._layout.dates[0]
        for directive, text in {"%d": "31", "%m": "02", "%b": "Feb", "%B": "February"}.items():
            style = style.replace(directive, text)
        return day.strftime(style)

    def rows(self) -> list[list[Any]]:
        """Every row of the table, from the heading on."""
        blank = [""] * len(self._layout.columns)
        trailing = [""] * self._layout.trailing_cells
        every = self._layout.blank_row_after
        body: list[list[Any]] = []
        for position, cells in enumerate(self._cells):
            if every and position and position % every == 0:
                body.append(blank)
            body.append([*cells, *trailing])
        return [*self._heading, list(self._layout.columns), *body, *[blank] * self._layout.blank_rows_at_end]

    def places(self) -> pd.DataFrame:
        """File, sheet and row of the lines that can be loaded."""
        rows = pd.Series(self._row_numbers, self._lines.index, name="row").drop(self._lines.index[self._broken])
        return rows.to_frame().assign(file=self._file, sheet=self._sheet)


@lru_cache(maxsize=4096)
def _formatted(day: date, style: str) -> str:
    return day.strftime(style)


def write_rows(path: Path, rows: Iterable[Iterable[object]], *, encoding: str = "utf-8", delimiter: str = ",") -> None:
    """A text table, its rows ended as spreadsheets end them."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def set_published(path: Path, day: date) -> None:
    """Give a file the modification time of a morning: a later version of a period must be the newer file."""
    moment = datetime.combine(day, time(9), UTC).timestamp()
    os.utime(path, (moment, moment))
