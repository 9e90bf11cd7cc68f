"""A file as sheets of rows of cells, row by row, whatever its format: memory does not grow with the file."""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, BinaryIO

import openpyxl

from anchorspend.contract import Layout
from anchorspend.errors import UserError
from anchorspend.read.values import from_workbook

_LONGEST_CELL = 1 << 20
_BLOCK = 1 << 20
_CHUNK = 1_000  # rows parsed at a time


class Held(UserError):
    """A file that is held whole: nothing of it is counted until the file or the contract is put right."""


@dataclass
class Sheet:
    """One table of a file. `rows` yields the row's number as a spreadsheet shows it, from 1, and its cells."""

    name: str | None
    rows: Iterator[tuple[int, list[str]]]


def open_tables(file: BinaryIO, layout: Layout) -> tuple[str | None, Iterator[Sheet]]:
    """The encoding (None for workbooks) and the sheets of a file. Raises `Held` when it is not what the layout says."""
    start = file.read(1024)
    file.seek(0)
    _refuse_impostor(start, layout.format)
    if layout.format == "workbook":
        return None, _workbook(file, layout)
    encoding = detect_encoding(file) if layout.encoding == "detect" else layout.encoding
    file.seek(0)
    return encoding, iter([Sheet(None, _csv_rows(file, encoding, layout.delimiter))])


def _refuse_impostor(start: bytes, format_name: str) -> None:
    is_zip, is_ole = start.startswith(b"PK\x03\x04"), start.startswith(b"\xd0\xcf\x11\xe0")
    if not start.strip():
        raise Held("the file is empty; ask the publisher for it again")
    if re.match(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml)", start, re.IGNORECASE):
        raise Held("this is a web page, not a data file; check the address it was fetched from")
    if format_name == "csv" and (is_zip or is_ole):
        raise Held("this is a workbook or a zip, though the contract says CSV; set `format: workbook` or ask for CSV")
    if format_name == "workbook" and not is_zip:
        raise Held("this is not an XLSX workbook; set `format: csv` if it is text, or have it saved as XLSX")


def detect_encoding(file: BinaryIO) -> str:
    """UTF-16 by its mark, UTF-8 where every byte is valid, else cp1252, or Latin-1 for bytes cp1252 has not."""
    start = file.read(4)
    file.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8-sig", "cp1252"):
        decoder = codecs.getincrementaldecoder(encoding)()
        file.seek(0)
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _csv_rows(file: BinaryIO, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    previous = csv.field_size_limit(_LONGEST_CELL)
    begun, ended, last = 0, 0, (0, [""])
    # Detached, not closed: the caller opened the file.
    wrapper = io.TextIOWrapper(file, encoding=encoding, newline="")
    reader, numbers = csv.reader(wrapper, delimiter=delimiter), count(1)
    numbered = zip(numbers, reader, strict=False)
    try:
        while chunk := list(islice(numbered, _CHUNK)):
            yield from chunk
            last, begun, ended = chunk[-1], ended, reader.line_num
        if any("\n" in cell or "\r" in cell for cell in last[1]):
            wrapper.seek(0)
            _refuse_open_quote(list(islice(wrapper, begun, None)), last[0], delimiter)
    except csv.Error as problem:
        what = (
            f"a quote that is never closed or a cell over {_LONGEST_CELL:,} characters"
            if "limit" in str(problem)
            else problem
        )
        raise Held(f"row {next(numbers) - 1}: {what}; put the row right") from None
    except UnicodeError as problem:
        raise Held(
            f"row {next(numbers) - 1}: not {encoding}: {problem}; declare the right `encoding`, or `detect`"
        ) from None
    finally:
        with contextlib.suppress(ValueError):  # the caller closed the file before the last row was asked for
            wrapper.detach()
        csv.field_size_limit(previous)


def _refuse_open_quote(lines: list[str], number: int, delimiter: str) -> None:
    """A quote that is never closed swallows every row below it, so only the last row of a file can show it.

    `lines` are the last rows' lines; `number` is the last row's.
    """
    reader, starts = csv.reader(lines, delimiter=delimiter), [0]
    starts += [reader.line_num for _ in reader]
    try:
        list(csv.reader(lines[starts[-2] :], delimiter=delimiter, strict=True))
    except csv.Error as problem:
        if "unexpected end of data" in str(problem):
            raise Held(f"row {number}: a quote is never closed; put the row right") from None


def _workbook(file: BinaryIO, layout: Layout) -> Iterator[Sheet]:
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except Exception as problem:  # a broken workbook fails in as many ways as zip and XML have
        raise _broken(problem) from None
    # Sheets of cells only: a chart sheet has none.
    sheets = [sheet for sheet in book.worksheets if re.fullmatch(layout.sheets, sheet.title)]
    if not sheets:
        raise Held(f"no sheet fits `sheets: {layout.sheets}`; the workbook has {', '.join(book.sheetnames)}")
    for sheet in sheets:
        # A read-only sheet believes the size its writer stated, which is often one cell.
        sheet.reset_dimensions()
        yield Sheet(sheet.title, _sheet_rows(sheet))


def _sheet_rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    rows = enumerate(sheet.values, start=1)
    while True:
        try:
            number, row = next(rows)
        except StopIteration:
            return
        except Exception as problem:
            raise _broken(problem) from None
        yield number, [from_workbook(cell) for cell in row]


def _broken(problem: Exception) -> Held:
    return Held(f"the workbook cannot be read: {problem!r}; open it in a spreadsheet and save it again")
