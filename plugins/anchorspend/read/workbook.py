"""The sheets of a workbook as rows of cells.

XLSX and XLSM are read by openpyxl, which streams, keeps `#REF!` apart from an empty cell and keeps every digit; XLS,
XLSB and ODS by calamine, which holds a sheet in memory and gives an error cell as an empty one.
"""

import contextlib
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO

import openpyxl

from anchorspend.contract import Layout
from anchorspend.read.base import Held, Sheet
from anchorspend.read.values import from_workbook

_EVERY_SHEET: str = Layout.model_fields["sheets"].default
_MOST_ROWS = 1 << 20  # of a sheet, in every spreadsheet there is
_CALAMINE = Path(__file__).with_name("calamine_process.py")


@dataclass(frozen=True)
class _Inside:
    """A sheet of cells, before it is known whether the layout wants it."""

    name: str
    is_hidden: bool
    rows: Iterator[tuple[int, list[str]]]


def sheets(file: BinaryIO, layout: Layout, *, is_xlsx: bool) -> Iterator[Sheet]:
    """The sheets a layout names that hold anything, one after the other.

    A hidden sheet is read only where `sheets` names it: it may repeat what another shows, or be a list of codes.
    Raises `Held` when none fits, one is broken, or a hidden one holds cells nobody spoke of.
    """
    with _openpyxl(file) if is_xlsx else _calamine(file, layout.sheets) as inside:
        yield from _wanted(inside, layout)


def _wanted(inside: Sequence[_Inside], layout: Layout) -> Iterator[Sheet]:
    wanted = [sheet for sheet in inside if re.fullmatch(layout.sheets, sheet.name)]
    if not wanted:
        names = ", ".join(sheet.name for sheet in inside)
        raise Held(f"no sheet fits `sheets: {layout.sheets}`; the workbook has {names}")
    is_empty = True
    for sheet in wanted:
        first = next((row for row in sheet.rows if any(map(str.strip, row[1]))), None)
        if first is None:
            continue
        if sheet.is_hidden and layout.sheets == _EVERY_SHEET:
            shown = "|".join(re.escape(one.name) for one in wanted if not one.is_hidden).replace("'", "''")
            raise Held(
                f"sheet {sheet.name!r} is hidden and not empty; say which sheets to read, such as `sheets: '{shown}'`"
            )
        is_empty = False
        yield Sheet(sheet.name, chain([first], sheet.rows))
    if is_empty:
        raise Held("every sheet of the workbook is empty; ask the publisher for it again")


@contextlib.contextmanager
def _openpyxl(file: BinaryIO) -> Iterator[list[_Inside]]:
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except Exception as problem:  # a broken workbook fails in as many ways as zip and XML have
        raise _broken(repr(problem)) from None
    inside = []
    for sheet in book.worksheets:  # sheets of cells only: a chart sheet has none
        # A read-only sheet believes the size its writer stated, which is often one cell.
        sheet.reset_dimensions()
        inside.append(_Inside(sheet.title, sheet.sheet_state != "visible", _numbered(sheet.values)))
    yield inside


@contextlib.contextmanager
def _calamine(file: BinaryIO, pattern: str) -> Iterator[list[_Inside]]:
    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(file, whole)
        whole.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-I", _CALAMINE, pattern],
            stdin=whole,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    with child:
        assert child.stdout
        try:
            yield [
                _Inside(name, is_hidden, _numbered(_rows_of(child.stdout, number)))
                for number, (name, is_hidden) in enumerate(_frame(child.stdout))
            ]
        finally:
            child.kill()


def _rows_of(stream: IO[bytes], number: int) -> Iterator[Any]:
    """The rows of one sheet; frames of earlier sheets, which nobody read to the end, are passed over."""
    while True:
        sheet, rows = _frame(stream)
        if sheet == number and rows is None:
            return
        if sheet == number:
            yield from rows


def _frame(stream: IO[bytes]) -> Any:
    try:
        frame = pickle.load(stream)  # noqa: S301  # what our own process wrote
    except Exception:  # a frame may be cut anywhere
        raise _broken("the reader gave up on it") from None
    if frame == "locked":
        raise Held("the workbook is locked with a password; ask the publisher for it without one")
    if isinstance(frame, str):
        raise _broken(frame)
    return frame


def _numbered(rows: Iterable[Any]) -> Iterator[tuple[int, list[str]]]:
    numbered = enumerate(rows, start=1)
    while True:
        try:
            number, row = next(numbered)
        except StopIteration:
            return
        except Held:
            raise
        except Exception as problem:
            raise _broken(repr(problem)) from None
        if number > _MOST_ROWS:
            raise _broken(f"a sheet has more than {_MOST_ROWS:,} rows")
        yield number, [from_workbook(cell) for cell in row]


def _broken(problem: str) -> Held:
    return Held(f"the workbook cannot be read: {problem}; open it in a spreadsheet and save it again")
