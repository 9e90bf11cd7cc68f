"""Rows of cells to typed lines and quarantined ones, under one layout, part by part: memory does not grow."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import compress, islice
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from anchorspend.contract import Feed, Layout, Period
from anchorspend.kinds import Field, FieldType, Kind
from anchorspend.read import values
from anchorspend.read.base import Held, Sheet, note
from anchorspend.read.damage import Damage, Finding
from anchorspend.read.header import Header, find_header
from anchorspend.read.tables import open_tables

_PART = 2_000  # rows typed at a time: more are slower, because they outgrow the processor's caches
_LATEST_AFTER_PERIOD = timedelta(days=31)
_PENNY = Decimal("0.01")
_READS_LIKE_A_TOTAL = re.compile(r"\b(sub|grand)?[- ]?totals?\b|\bsum\b", re.IGNORECASE)

__all__ = ["Finding", "Held", "Part", "Problem", "Reading", "read"]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one cell of a line."""

    field: str | None
    column: str | None
    value: str | None
    reason: str


@dataclass(frozen=True)
class Quarantined:
    """A line that could not be typed: every cell as it stood, and every problem."""

    line_no: int
    sheet: str | None
    source_row: int
    amount: Decimal | None
    problems: list[Problem]
    cells: list[str]


@dataclass(frozen=True)
class Part:
    """Some lines of a file.

    `good` holds columns of one length: line_no, sheet, source_row and every mapped field of the kind, each value typed
    or None; `amount` sums the pounds of all lines of the part whose amount can be read, good and bad.
    """

    good: dict[str, list[Any]]
    bad: list[Quarantined]
    amount: Decimal


@dataclass
class Reading:
    """A file being read: iterate `parts` once; all else is whole when it ends.

    `totals` is the sum that the file's own totals rows state, None without one; `findings` are what a spreadsheet did
    to cells, in lines that are kept all the same or quarantined for it.
    """

    encoding: str | None
    parts: Iterator[Part] = field(default_factory=lambda: iter(()))
    lines: int = 0
    amount: Decimal = Decimal(0)
    totals: Decimal | None = None
    findings: list[Finding] = field(default_factory=list)


def read(file: BinaryIO, feed: Feed, layout: Layout, period: Period) -> Reading:
    """Open a file under a layout of its feed. Raises `Held` here or while iterating when the file is not as agreed.

    A line dated more than a month after the period its file reports is quarantined: late payments turn up in later
    files, but no file can hold payments that were not made yet.
    """
    encoding, sheets = open_tables(file, layout)
    reading = Reading(encoding)
    reading.parts = _parts(sheets, _Typer(feed.definition, layout, period.last + _LATEST_AFTER_PERIOD), reading)
    return reading


def _parts(sheets: Iterator[Sheet], typer: "_Typer", reading: Reading) -> Iterator[Part]:
    for sheet in sheets:
        header = find_header(sheet, typer.layout, typer.kind)
        first = header.cells[0]
        lines_before, amount_before = reading.lines, reading.amount
        total: int | None = None
        last: tuple[int, list[str]] = (0, [])
        while rows := list(islice(sheet.rows, _PART)):
            lines = [
                (number, cells)
                for number, cells in rows
                if any(map(str.strip, cells)) and (cells[0] != first or not header.repeats(cells))
            ]
            if typer.layout.totals:
                lines, totals = typer.apart(lines, header)
                for number, cells in totals:
                    if total is not None:
                        raise _two_totals(typer.layout, sheet, total, number)
                    total = number
                    amount = typer.stated_total(cells, header, f"{sheet.where}row {number}")
                    reading.totals = amount if reading.totals is None else _exact_sum((reading.totals, amount))
            part = typer.part(lines, header, sheet.name, first_line=reading.lines + 1)
            reading.lines += len(lines)
            reading.amount = _exact_sum((reading.amount, part.amount))
            last = lines[-1] if lines else last
            yield part
        if total is None and reading.lines > lines_before + 1:
            typer.refuse_total(
                last[1], header, f"{sheet.where}row {last[0]}", [reading.amount - amount_before, reading.amount]
            )
    reading.findings = typer.damage.findings()


def _two_totals(layout: Layout, sheet: Sheet, first: int, second: int) -> Held:
    assert layout.totals
    return Held(
        f"{sheet.where}rows {first} and {second} both read as the total by `totals: {{field: {layout.totals.field}, "
        f"label: {layout.totals.label!r}}}`; write a label that only the one has"
    )


class _Typer:
    """Types the cells of one layout; each distinct text of a column is looked at once per part."""

    def __init__(self, kind: Kind, layout: Layout, latest: date) -> None:
        self.layout = layout
        self.kind = kind
        self.damage = Damage()
        self._dated = kind.fields[kind.dated] if kind.dated else None
        self._latest = latest.isoformat()
        self._fallback = {name: number - 1 for name, number in layout.fallback.items()}
        as_date = functools.partial(
            values.workbook_date if layout.format == "workbook" else values.date,
            formats=tuple(layout.dates),
            earliest=kind.earliest_year,
        )
        self._as_given = _unmarked if layout.format == "workbook" else str
        self._is_negated = layout.payments_are == "negative"
        self._money = _negated if self._is_negated else values.money
        self._parsers: dict[FieldType, Callable[[str], Any]] = {
            FieldType.TEXT: lambda cell: values.text(self._as_given(cell)),
            FieldType.DATE: as_date,
            FieldType.MONEY: self._money,
            FieldType.INTEGER: values.integer,
            FieldType.FLAG: values.flag,
        }

    def part(self, lines: list[tuple[int, list[str]]], header: Header, sheet: str | None, first_line: int) -> Part:
        """Type some lines of one sheet."""
        problems: dict[int, list[Problem]] = {}
        columns = self._columns(self._grid(lines, header, problems), header, problems, [number for number, _ in lines])
        amounts = columns.get(self.kind.amount or "", [None] * len(lines))
        columns = {
            "line_no": list(range(first_line, first_line + len(lines))),
            "sheet": [sheet] * len(lines),
            "source_row": [number for number, _ in lines],
            **columns,
        }
        bad = [
            Quarantined(
                first_line + i, sheet, lines[i][0], amounts[i], problems[i], list(map(self._as_given, lines[i][1]))
            )
            for i in sorted(problems)
        ]
        if problems:
            is_good = [i not in problems for i in range(len(lines))]
            columns = {name: list(compress(column, is_good)) for name, column in columns.items()}
        return Part(columns, bad, _exact_sum(amount for amount in amounts if amount is not None))

    def apart(
        self, lines: list[tuple[int, list[str]]], header: Header
    ) -> tuple[list[tuple[int, list[str]]], list[tuple[int, list[str]]]]:
        """Lines, and the rows that the layout says are totals."""
        assert self.layout.totals
        place = header.position.get(self.layout.totals.field)
        if place is None:
            return lines, []
        label = re.compile(self.layout.totals.label, re.IGNORECASE)
        is_total = [label.fullmatch("".join(cells[place : place + 1]).strip()) is not None for _, cells in lines]
        if not any(is_total):
            return lines, []
        return list(compress(lines, (not one for one in is_total))), list(compress(lines, is_total))

    def stated_total(self, cells: list[str], header: Header, row: str) -> Decimal:
        """The pounds of a totals row. Raises `Held` when they cannot be read."""
        place = header.position.get(self.kind.amount or "", len(cells))
        cell = "".join(cells[place : place + 1]).strip()
        try:
            return self._money(cell)
        except ValueError as problem:
            raise Held(f"{row}: the total reads {cell!r}, {problem}; put the row right") from None

    def refuse_total(self, last: list[str], header: Header, row: str, sums: list[Decimal]) -> None:
        """Hold a file whose last line reads like the total of the others: counted, it would double the pounds.

        `sums` are the pounds of the sheet and of the file, with that line in them.
        """
        cells = [*map(str.strip, last), *[""] * (len(header.names) - len(last))]
        place = header.position.get(self.kind.amount or "")
        try:
            amount = self._money(cells[place]) if place is not None else Decimal(0)
        except ValueError:
            return
        others = [i for i, cell in enumerate(cells) if cell and i != place]
        label = next((i for i in others if _READS_LIKE_A_TOTAL.search(cells[i])), None)
        is_sum = amount and any(abs(_exact_sum((whole, -amount, -amount))) < _PENNY for whole in sums)
        if not is_sum or (others and label is None):
            return
        field = next((name for name, i in header.position.items() if i == label), None) or self._telling(cells, header)
        text = cells[label] if label is not None and header.position.get(field) == label else ""
        pattern = re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text).replace("'", "''")
        contract = f"totals: {{field: {field}, label: '{pattern}'}}"
        message = f"{row} holds £{amount:,}, the sum of the lines above it; if it is their total, set `{contract}`"
        found = [f"{row[0].upper()}{row[1:]} reads like a total: £{amount:,} is the sum of the lines above it."]
        raise Held(message, note(found, ["Send the file without the row, or tell us that it is the total."], contract))

    def _telling(self, cells: list[str], header: Header) -> str:
        """A field that is empty in a totals row, and in no other line if any such field is mapped."""
        empty = [name for name, place in header.position.items() if not cells[place]]
        filled = [name for name in empty if self.kind.fields[name].filled]
        return next(iter([*filled, *empty, *header.position]))

    def _grid(
        self, lines: list[tuple[int, list[str]]], header: Header, problems: dict[int, list[Problem]]
    ) -> list[tuple[str, ...]]:
        """The lines' cells by column, short lines filled up; what stands beyond the header, or in a column without one,
        is a problem of its line."""
        rows = [cells for _, cells in lines]
        grid = self._squared(rows, len(header.names), problems)
        for place in set(header.blanks) - set(self._fallback.values()):
            for i in (i for i, cell in enumerate(grid[place]) if cell.strip()):
                problem = Problem(None, None, self._as_given(grid[place][i]), "a cell under a blank header")
                problems.setdefault(i, []).append(problem)
        return grid

    def _squared(self, rows: list[list[str]], width: int, problems: dict[int, list[Problem]]) -> list[tuple[str, ...]]:
        """Columns of one length, as far as the header or a fallback reaches."""
        reach = max([width, *(place + 1 for place in self._fallback.values())])
        if set(map(len, rows)) == {width}:
            return [*zip(*rows, strict=True), *[("",) * len(rows)] * (reach - width)]
        for i, cells in enumerate(rows):
            for place, extra in enumerate(cells[width:], start=width):
                if extra.strip() and place not in self._fallback.values():
                    problems.setdefault(i, []).append(
                        Problem(None, None, self._as_given(extra), "a cell to the right of the header")
                    )
        level = [[*cells[:reach], *[""] * (reach - len(cells))] for cells in rows]
        return list(zip(*level, strict=True)) if level else [()] * reach

    def _columns(
        self, grid: list[tuple[str, ...]], header: Header, problems: dict[int, list[Problem]], rows: list[int]
    ) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {
            name: [None] * len(rows) for name in self.layout.columns if name not in header.position
        }
        for name, place in header.position.items():
            definition = self.kind.fields[name]
            cells = list(map(str.strip, grid[place]))
            if name in self._fallback:
                other = map(str.strip, grid[self._fallback[name]])
                cells = [own or instead for own, instead in zip(cells, other, strict=True)]
            # Most text needs no typing; what might is told by one character anywhere in the part.
            if definition.type is FieldType.TEXT:
                text = "\n".join(cells)
                self.damage.look(name, header.names[place], cells, text, rows)
                if not definition.filled and not _odd(text):
                    columns[name] = [cell or None for cell in cells]
                    continue
            if definition.type is FieldType.MONEY and (amounts := values.plain_money(cells)):
                columns[name] = [-amount for amount in amounts] if self._is_negated else amounts
                continue
            codes, distinct = pd.factorize(np.array(cells, dtype=object))
            typed, wrong = self._distinct(distinct, definition)
            columns[name] = typed[codes].tolist() if len(distinct) else []
            if wrong:
                if definition.type is not FieldType.TEXT:
                    self.damage.look(name, header.names[place], cells, "\n".join(cells), rows)
                for i in np.flatnonzero(np.isin(codes, list(wrong))):
                    problem = Problem(name, header.names[place], self._as_given(cells[i]), wrong[codes[i]])
                    problems.setdefault(int(i), []).append(problem)
        return columns

    def _distinct(self, cells: Any, of: Field) -> tuple[Any, dict[int, str]]:
        """Typed values of distinct texts, None where there is none, and the reasons of those that are wrong."""
        typed = np.empty(len(cells), dtype=object)
        wrong: dict[int, str] = {}
        parse = self._parsers[of.type]
        for i, cell in enumerate(cells):
            if not cell:
                if of.filled:
                    wrong[i] = "is empty"
                continue
            try:
                typed[i] = parse(cell)
                if of is self._dated and typed[i] > self._latest:
                    raise ValueError(f"lies after {self._latest}, a month past the period its file reports")
            except ValueError as problem:
                wrong[i] = str(problem)
        return typed, wrong


def _exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(prec=100):
        return sum(amounts, Decimal(0))


def _negated(cell: str) -> Decimal:
    return values.money(cell).copy_negate()


def _odd(text: str) -> bool:
    return "\x00" in text or values.DATE_MARK in text


def _unmarked(cell: str) -> str:
    """A workbook's cell without the mark `from_workbook` set on a date."""
    return cell.removeprefix(values.DATE_MARK)
