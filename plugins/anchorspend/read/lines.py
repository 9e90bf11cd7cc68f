"""Rows of cells to typed lines and quarantined ones, under one layout, part by part: memory does not grow."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import compress, islice
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from anchorspend.contract import Feed, Layout, Period, normalise_header
from anchorspend.kinds import Field, FieldType, Kind
from anchorspend.read import values
from anchorspend.read.tables import Held, Sheet, open_tables

_PART = 2_000  # rows typed at a time: more are slower, because they outgrow the processor's caches
_LATEST_AFTER_PERIOD = timedelta(days=31)

__all__ = ["Held", "Part", "Problem", "Reading", "read"]


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
    """A file being read: iterate `parts` once; the counts are whole when it ends."""

    encoding: str | None
    parts: Iterator[Part] = field(default_factory=lambda: iter(()))
    lines: int = 0
    amount: Decimal = Decimal(0)


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
        header = _find_header(sheet, typer.layout)
        while rows := list(islice(sheet.rows, _PART)):
            lines = [(number, cells) for number, cells in rows if any(map(str.strip, cells))]
            part = typer.part(lines, header, sheet.name, first_line=reading.lines + 1)
            reading.lines += len(lines)
            reading.amount = _exact_sum((reading.amount, part.amount))
            yield part


@dataclass(frozen=True)
class _Header:
    """Where each mapped field stands, and what each column is called."""

    position: dict[str, int]
    names: list[str]


def _find_header(sheet: Sheet, layout: Layout) -> _Header:
    """Read up to and including the header row: the first that holds a spelling of every mapped field.

    A mapped header that is gone and a header nobody mapped both hold the file: neither may be guessed.
    """
    wanted = {name: {normalise_header(s) for s in spellings} for name, spellings in layout.spellings().items()}
    where = f"sheet {sheet.name!r}: " if sheet.name else ""
    nearest: tuple[int, list[str], list[str]] = (0, [], [])
    for _, cells in islice(sheet.rows, layout.header_within):
        names = [normalise_header(cell) for cell in cells]
        missing = [name for name, spellings in wanted.items() if not spellings & set(names)]
        if not missing:
            return _header(cells, names, wanted, layout, where)
        nearest = max(nearest, (len(wanted) - len(missing), missing, cells), key=lambda seen: seen[0])
    found, missing, cells = nearest
    if not found:
        raise Held(
            f"{where}no header row in the first {layout.header_within} rows; the contract looks for "
            f"{', '.join(repr(s[0]) for s in layout.spellings().values())}"
        )
    gone = "; ".join(f"{name} ({' or '.join(map(repr, layout.spellings()[name]))})" for name in missing)
    seen = ", ".join(cell for cell in cells if cell.strip())
    raise Held(
        f"{where}the layout changed: no column for {gone}. The header row reads {seen}. "
        "Add the new name to the field's spellings under `columns`, or a layout that `starts` with this period"
    )


def _header(cells: Sequence[str], names: list[str], wanted: dict[str, set[str]], layout: Layout, where: str) -> _Header:
    position = {}
    for name, spellings in wanted.items():
        places = [i for i, header in enumerate(names) if header in spellings]
        if len(places) > 1:
            raise Held(f"{where}two columns could be {name}: {', '.join(cells[i] for i in places)}; map one of them")
        position[name] = places[0]
    known = {header for spellings in wanted.values() for header in spellings} | set(
        map(normalise_header, layout.ignore)
    )
    strangers = [cell.strip() for cell, name in zip(cells, names, strict=True) if name and name not in known]
    if strangers:
        raise Held(
            f"{where}the layout changed: nobody mapped the column {', '.join(map(repr, strangers))}. "
            f"Map it under `columns`, or accept it with `ignore: {json.dumps(strangers, ensure_ascii=False)}`"
        )
    return _Header(position, [cell.strip() for cell in cells])


class _Typer:
    """Types the cells of one layout; each distinct text of a column is looked at once per part."""

    def __init__(self, kind: Kind, layout: Layout, latest: date) -> None:
        self.layout = layout
        self._kind = kind
        self._dated = kind.fields[kind.dated] if kind.dated else None
        self._latest = latest.isoformat()
        self._fallback = {name: number - 1 for name, number in layout.fallback.items()}
        as_date = functools.partial(
            values.workbook_date if layout.format == "workbook" else values.date, formats=tuple(layout.dates)
        )
        self._as_given = _unmarked if layout.format == "workbook" else str
        self._is_negated = layout.payments_are == "negative"
        self._parsers: dict[FieldType, Callable[[str], Any]] = {
            FieldType.TEXT: lambda cell: values.text(self._as_given(cell)),
            FieldType.DATE: as_date,
            FieldType.MONEY: _negated if self._is_negated else values.money,
            FieldType.INTEGER: values.integer,
            FieldType.FLAG: values.flag,
        }

    def part(self, lines: list[tuple[int, list[str]]], header: _Header, sheet: str | None, first_line: int) -> Part:
        """Type some lines of one sheet."""
        problems: dict[int, list[Problem]] = {}
        columns = self._columns(self._grid(lines, len(header.names), problems), header, problems)
        amounts = columns.get(self._kind.amount or "", [None] * len(lines))
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

    def _grid(
        self, lines: list[tuple[int, list[str]]], width: int, problems: dict[int, list[Problem]]
    ) -> list[tuple[str, ...]]:
        """The lines' cells by column, short lines filled up; what stands beyond the header is a problem of its line."""
        rows = [cells for _, cells in lines]
        reach = max([width, *(place + 1 for place in self._fallback.values())])
        if set(map(len, rows)) == {width}:
            return [*zip(*rows, strict=True), *[("",) * len(rows)] * (reach - width)]
        for i, cells in enumerate(rows):
            for place, extra in enumerate(cells[width:], start=width):
                if extra.strip() and place not in self._fallback.values():
                    problems.setdefault(i, []).append(Problem(None, None, extra, "a cell to the right of the header"))
        level = [[*cells[:reach], *[""] * (reach - len(cells))] for cells in rows]
        return list(zip(*level, strict=True)) if level else [()] * reach

    def _columns(
        self, grid: list[tuple[str, ...]], header: _Header, problems: dict[int, list[Problem]]
    ) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {}
        for name, place in header.position.items():
            definition = self._kind.fields[name]
            cells = list(map(str.strip, grid[place]))
            if name in self._fallback:
                other = map(str.strip, grid[self._fallback[name]])
                cells = [own or instead for own, instead in zip(cells, other, strict=True)]
            # Most text needs no typing; what might is told by one character anywhere in the part.
            if definition.type is FieldType.TEXT and not definition.filled and not _odd("".join(cells)):
                columns[name] = [cell or None for cell in cells]
                continue
            if definition.type is FieldType.MONEY and (amounts := values.plain_money(cells)):
                columns[name] = [-amount for amount in amounts] if self._is_negated else amounts
                continue
            codes, distinct = pd.factorize(np.array(cells, dtype=object))
            typed, wrong = self._distinct(distinct, definition)
            columns[name] = typed[codes].tolist() if len(distinct) else []
            if wrong:
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
