"""The sheets of a workbook as rows of cells.

XLSX and XLSM are read by openpyxl, which streams, keeps `#REF!` apart from an empty cell and keeps every digit; XLS,
XLSB and ODS by calamine, which holds a sheet in memory and gives an error cell as an empty one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Literal

import openpyxl
import python_calamine

from anchorspend.contract import Layout
from anchorspend.read.base import Held, Sheet
from anchorspend.read.values import from_workbook

_EVERY_SHEET: str = Layout.model_fields["sheets"].default


@dataclass(frozen=True)
class _Inside:
    """A sheet of cells, before it is known whether the layout wants it."""

    name: str
    is_hidden: bool
    rows: Iterator[tuple[int, list[str]]]


def sheets(file: BinaryIO, kind: Literal["xlsx", "xls", "xlsb", "ods"], layout: Layout) -> Iterator[Sheet]:
    """The sheets a layout names that hold anything, one after the other.

    A hidden sheet is read only where `sheets` names it: it may repeat what another shows, or be a list of codes.
    Raises `Held` when none fits, one is broken, or a hidden one holds cells nobody spoke of.
    """
    inside = list(_by_openpyxl(file) if kind == "xlsx" else _by_calamine(file))
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
            shown = "|".join(re.escape(one.name) for one in wanted if not one.is_hidden)
            raise Held(
                f"sheet {sheet.name!r} is hidden and not empty; say which sheets to read, "
                f"such as `sheets: {_yaml_quoted(shown)}`"
            )
        is_empty = False
        yield Sheet(sheet.name, chain([first], sheet.rows))
    if is_empty:
        raise Held("every sheet of the workbook is empty; ask the publisher for it again")


def _by_openpyxl(file: BinaryIO) -> Iterator[_Inside]:
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except Exception as problem:  # a broken workbook fails in as many ways as zip and XML have
        raise _broken(problem) from None
    for sheet in book.worksheets:  # sheets of cells only: a chart sheet has none
        # A read-only sheet believes the size its writer stated, which is often one cell.
        sheet.reset_dimensions()
        yield _Inside(sheet.title, sheet.sheet_state != "visible", _guarded(enumerate(sheet.values, start=1)))


def _by_calamine(file: BinaryIO) -> Iterator[_Inside]:
    try:
        book = python_calamine.load_workbook(file)
    except python_calamine.PasswordError:
        raise Held("the workbook is locked with a password; ask the publisher for it without one") from None
    except BaseException as problem:
        raise _panic_is_broken(problem) from None
    for about in book.sheets_metadata:
        if about.typ is python_calamine.SheetTypeEnum.WorkSheet:
            is_hidden = about.visible is not python_calamine.SheetVisibleEnum.Visible
            yield _Inside(about.name, is_hidden, _guarded(_calamine_rows(book, about.name)))


def _calamine_rows(book: python_calamine.CalamineWorkbook, name: str) -> Iterator[tuple[int, list[Any]]]:
    sheet = book.get_sheet_by_name(name)
    if sheet.start is not None:
        # Columns that are empty down to the last row are left out; rows are not.
        margin = [""] * sheet.start[1]
        yield from ((number, [*margin, *row]) for number, row in enumerate(sheet.iter_rows(), start=1))


def _guarded(rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, list[str]]]:
    while True:
        try:
            number, row = next(rows)
        except StopIteration:
            return
        except BaseException as problem:
            raise _panic_is_broken(problem) from None
        yield number, [from_workbook(cell) for cell in row]


def _panic_is_broken(problem: BaseException) -> BaseException:
    """What to raise for what a reader raised. A panic in calamine is no `Exception`, and its class has no import."""
    if isinstance(problem, Exception) or type(problem).__name__ == "PanicException":
        return _broken(problem)
    return problem


def _broken(problem: BaseException) -> Held:
    return Held(f"the workbook cannot be read: {problem!r}; open it in a spreadsheet and save it again")


def _yaml_quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
