"""Survey: the rows of a file, as `read` gives them, become a header, columns and what stands around them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, BinaryIO

import yaml

from anchorspend.contract import Layout, normalise_header
from anchorspend.inspect.columns import Column
from anchorspend.inspect.headers import is_known, is_like_known
from anchorspend.read import values
from anchorspend.read.tables import Held, Sheet, open_tables
from anchorspend.read.values import DATE_MARK

_HEADER_WITHIN = 200
_TOTAL = re.compile(r"(grand|sub|overall|report|sum)?[ -]*totals?\b.{0,40}|total.{0,40}", re.IGNORECASE)
_MOST_TOTALS = 50

Row = tuple[int, list[str]]


@dataclass
class SheetSeen:
    """A sheet: its name (None in a CSV), its lines below the header that are not blank, and the header's row."""

    name: str | None
    lines: int
    header_row: int | None
    headers: list[str]
    is_read: bool = False


@dataclass
class Table:
    """The sheets of a file that share a header, as one table.

    `preamble` are the rows above the header; `beyond` the columns right of the header in which something stands;
    `totals` the rows that read like totals, `last` the last row; both are counted among the lines. `short` and `long`
    count the lines with fewer cells than the header, and with cells beyond it; `blank_ends` the blank cells that end
    the header.
    """

    sheets: list[SheetSeen]
    header_row: int | None
    headers: list[str]
    preamble: list[Row]
    columns: list[Column]
    beyond: list[Column]
    lines: int
    repeated: int
    headers_again: int
    totals: list[Row]
    last: Row | None
    short: int
    long: int
    blank_ends: int = 0
    sheets_pattern: str | None = None
    encoding: str | None = None

    def without(self, row: Row) -> None:
        """Take one row, a total, out of the lines and columns."""
        self.lines -= 1
        for column, cell in zip(self.columns, _padded(row[1], len(self.columns)), strict=False):
            column.lines -= 1
            if text := cell.strip():
                column.cells[text] -= 1
                if not column.cells[text]:
                    del column.cells[text]
            for known in ("filled", "dates", "pounds", "money_share", "total", "type", "oddities"):
                column.__dict__.pop(known, None)


@dataclass
class _Growing:
    headers: list[str]
    header_row: int | None
    preamble: list[Row]
    sheets: list[SheetSeen] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    counters: list[Counter[str]] = field(default_factory=list)
    beyond: dict[int, Counter[str]] = field(default_factory=dict)
    totals: list[Row] = field(default_factory=list)
    last: Row | None = None
    lines: int = 0
    again: int = 0
    short: int = 0
    long: int = 0
    blank_ends: int = 0


def survey(file: BinaryIO, keys: dict[str, Any]) -> Table:
    """Read a file whole under a layout that says only how to open it. Raises `Held` when it cannot be opened."""
    pattern: str | None = None
    try:
        return _survey(file, keys)
    except Held as held:
        # A hidden sheet with cells in it: the reader names the sheets that are shown.
        suggested = re.search(r"`sheets: (.+)`", str(held)) if "is hidden" in str(held) else None
        if not suggested:
            raise
        pattern = str(yaml.safe_load(suggested[1]))
    table = _survey(file, {**keys, "sheets": pattern})
    table.sheets_pattern = table.sheets_pattern or pattern
    return table


def _survey(file: BinaryIO, keys: dict[str, Any]) -> Table:
    file.seek(0)
    encoding, sheets = open_tables(file, Layout.model_validate({"columns": {}, **keys}))
    growing: dict[tuple[str, ...], _Growing] = {}
    seen = [_add(sheet, growing) for sheet in sheets]
    main = max(growing.values(), key=lambda one: (one.header_row is not None, one.lines), default=None)
    if main is None:
        raise Held("the file holds no rows; ask the publisher for it again")
    for one in main.sheets:
        one.is_read = True
    others = [one for one in seen if not one.is_read]
    pattern = None
    if others and keys.get("format") != "json":
        named = [one.name.rpartition("/")[2] if "members" in keys else one.name for one in main.sheets if one.name]
        pattern = "|".join(re.sub(r"\\([ &'_-])", r"\1", re.escape(name)) for name in named if name)
    return Table(
        seen,
        main.header_row,
        main.headers,
        main.preamble,
        [
            Column(place + 1, header, main.lines, counter)
            for place, (header, counter) in enumerate(zip(main.headers, main.counters, strict=True))
        ],
        [Column(place + 1, "", main.lines, counter) for place, counter in sorted(main.beyond.items())],
        main.lines,
        main.lines - len(main.seen),
        main.again,
        main.totals,
        main.last,
        main.short,
        main.long,
        main.blank_ends,
        pattern,
        encoding,
    )


def _add(sheet: Sheet, growing: dict[tuple[str, ...], _Growing]) -> SheetSeen:
    """Count the rows of a sheet into the table that has its header."""
    head = list(islice(sheet.rows, _HEADER_WITHIN))
    place = find_header([cells for _, cells in head], is_records=bool(head) and head[0][0] == 0)
    if place is None:
        rows = head
        width = max((len(cells) for _, cells in head), default=0)
        headers, number, preamble = [""] * width, None, []
    else:
        number, cells = head[place]
        headers = [" ".join(cell.replace(DATE_MARK, "").split()) for cell in cells]
        while headers and not headers[-1]:
            headers.pop()
        rows, preamble = head[place + 1 :], [row for row in head[:place] if any(map(str.strip, row[1]))]
    blank_ends = 0 if place is None else len(head[place][1]) - len(headers)
    names = tuple(map(normalise_header, headers))
    # Columns in another order are the same table: the reader finds them by their headers.
    order: list[int] | None = None
    key = names
    if names not in growing and len(set(names)) == len(names):
        key = next((other for other in growing if sorted(other) == sorted(names)), names)
        order = [names.index(name) for name in key] if key != names else None
    table = growing.setdefault(key, _Growing(headers, number, preamble, counters=[Counter() for _ in headers]))
    table.blank_ends = max(table.blank_ends, blank_ends)
    before = table.lines
    _count(table, chain(rows, sheet.rows), names, order)
    found = SheetSeen(sheet.name, table.lines - before, number, headers)
    table.sheets.append(found)
    return found


def _count(table: _Growing, rows: Iterable[Row], names: tuple[str, ...], order: list[int] | None) -> None:
    width = len(names)
    for number, given in rows:
        cells = list(map(str.strip, given))
        if not any(cells):
            continue
        if names and tuple(map(normalise_header, _padded(cells, width)[:width])) == names and any(names):
            table.again += 1
            continue
        for place in range(width, len(cells)):
            if cells[place]:
                table.beyond.setdefault(place, Counter())[cells[place]] += 1
        table.short += len(cells) < width
        table.long += any(cells[width:])
        level = _padded(cells, width)[:width]
        if order:
            level = [level[place] for place in order]
        for counter, cell in zip(table.counters, level, strict=True):
            if cell:
                counter[cell] += 1
        table.seen[tuple(level)] += 1
        table.lines += 1
        table.last = (number, level)
        if len(table.totals) < _MOST_TOTALS and any(cell and _TOTAL.fullmatch(cell) for cell in level):
            table.totals.append((number, level))


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]


def find_header(rows: Sequence[Sequence[str]], is_records: bool = False) -> int | None:
    """The place of the header among the first rows: the row with most known names; else the first row of words that is
    as wide as the rows below it. None when there is none."""
    if is_records:
        return 0
    best, best_score = None, 0.0
    for place, row in enumerate(rows):
        cells = [cell for cell in map(str.strip, row) if cell]
        if not cells or any(map(_is_value, cells)):
            continue
        known = sum(is_known(cell) for cell in cells)
        like = sum(is_like_known(cell) for cell in cells) if known < len(cells) else known
        score = 3.0 * known + (like - known) - 0.1 * (len(cells) - like)
        if (known + like >= 2 or (known and len(cells) == 1 == _width(rows))) and score > best_score * 1.3:
            best, best_score = place, score
    if best is not None and best_score >= 2:
        return best
    width = _width(rows)
    for place, row in enumerate(rows[:-1] or rows):
        cells = [cell for cell in map(str.strip, row) if cell]
        below = [any(map(_is_value, map(str.strip, one))) for one in rows[place + 1 : place + 6]]
        if len(cells) >= max(2, 0.6 * width) and not any(map(_is_value, cells)) and (any(below) or not below):
            return place
    return None


def _width(rows: Sequence[Sequence[str]]) -> int:
    """How many cells most rows fill."""
    widths = Counter(sum(1 for cell in row if cell.strip()) for row in rows)
    widths.pop(0, None)
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _is_value(cell: str) -> bool:
    """Whether a cell is a date or a number, which no header is."""
    if cell.startswith(DATE_MARK) or re.fullmatch(r"\d{1,2}[/.-]\w{1,9}[/.-]\d{2,4}.*|\d{4}-\d\d-\d\d.*", cell):
        return True
    if not any(map(str.isdigit, cell)):
        return False
    try:
        values.money(cell)
    except ValueError:
        return False
    return True


def rows_of(table: Table) -> Iterator[Row]:
    """The rows that may be totals: those that read so, and the last."""
    yield from table.totals
    if table.last and table.last not in table.totals:
        yield table.last
