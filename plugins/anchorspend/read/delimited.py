"""Delimited text as rows of cells, row by row: memory does not grow with the file."""

import codecs
import contextlib
import csv
import io
from collections.abc import Iterator
from itertools import count, islice
from typing import BinaryIO

from anchorspend.contract import Layout
from anchorspend.read.base import Held

_LONGEST_CELL = 1 << 20
_BLOCK = 1 << 20
_CHUNK = 1_000  # rows parsed at a time
_SAMPLE = 4_096


def encoding_of(file: BinaryIO, layout: Layout) -> str:
    """The encoding a file is read in. Raises `Held` when it is not the declared one."""
    if layout.encoding == "detect":
        return detect_encoding(file)
    declared = codecs.lookup(layout.encoding).name
    # One byte a character: such an encoding reads any UTF-8 without complaint, and every accent wrong.
    if declared in {"cp1252", "iso8859-1", "iso8859-15"} and _is_wide(file):
        raise Held(
            f"not {layout.encoding}, as the contract says, but {detect_encoding(file).removesuffix('-sig')}; "
            "write `encoding: detect`"
        )
    # The mark at the start would hide the quote of a quoted first header.
    return "utf-8-sig" if declared == "utf-8" else layout.encoding


def detect_encoding(file: BinaryIO) -> str:
    """UTF-16 by its mark or its NULs, UTF-8 where every byte is valid, else cp1252, or Latin-1 for bytes cp1252 has
    not."""
    file.seek(0)
    start = file.read(_SAMPLE)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if (utf16 := _unmarked_utf16(start)) and _decodes(file, utf16):
        return utf16
    return next((one for one in ("utf-8-sig", "cp1252") if _decodes(file, one)), "latin-1")


def _unmarked_utf16(start: bytes) -> str | None:
    """UTF-16 of mostly Western text: every other byte is NUL, and hardly one in between."""
    pairs = len(start) // 2
    first, second = start[: 2 * pairs : 2].count(0), start[1 : 2 * pairs : 2].count(0)
    if pairs >= 4 and max(first, second) > 0.7 * pairs and min(first, second) < 0.05 * pairs:
        return "utf-16-be" if first > second else "utf-16-le"
    return None


def _is_wide(file: BinaryIO) -> bool:
    """Whether a file is UTF-16, or UTF-8 with characters beyond ASCII."""
    if (found := detect_encoding(file)) != "utf-8-sig":
        return found.startswith("utf-16")
    file.seek(0)
    return not all(block.isascii() for block in iter(lambda: file.read(_BLOCK), b""))


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while block := file.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def rows(file: BinaryIO, encoding: str, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows. Raises `Held` where the text is not in the encoding or a quote is never closed."""
    dialect = _dialect(layout)
    previous = csv.field_size_limit(_LONGEST_CELL)
    begun, ended, last = 0, 0, (0, [""])
    file.seek(0)
    # Detached, not closed: the caller opened the file.
    wrapper = io.TextIOWrapper(file, encoding=encoding, newline="")
    reader, numbers = csv.reader(wrapper, dialect), count(1)
    numbered = zip(numbers, reader, strict=False)
    try:
        while chunk := list(islice(numbered, _CHUNK)):
            yield from chunk
            last, begun, ended = chunk[-1], ended, reader.line_num
        if any("\n" in cell or "\r" in cell for cell in last[1]):
            wrapper.seek(0)
            _refuse_open_quote(list(islice(wrapper, begun, None)), last[0], dialect)
    except csv.Error as problem:
        what = (
            f"a quote that is never closed or a cell over {_LONGEST_CELL:,} characters"
            if "limit" in str(problem)
            else problem
        )
        raise Held(f"row {next(numbers) - 1}: {what}; put the row right") from None
    except UnicodeError as problem:
        name = encoding.removesuffix("-sig")
        raise Held(
            f"row {next(numbers) - 1}: not {name}: {problem}; declare the right `encoding`, or `detect`"
        ) from None
    finally:
        with contextlib.suppress(ValueError):  # the caller closed the file before the last row was asked for
            wrapper.detach()
        csv.field_size_limit(previous)


def _dialect(layout: Layout) -> type[csv.Dialect]:
    class Agreed(csv.excel):
        delimiter = layout.delimiter
        quotechar = layout.quotechar or None
        quoting = csv.QUOTE_MINIMAL if layout.quotechar else csv.QUOTE_NONE

    return Agreed


def _refuse_open_quote(lines: list[str], number: int, dialect: type[csv.Dialect]) -> None:
    """A quote that is never closed swallows every row below it, so only the last row of a file can show it.

    `lines` are the last rows' lines; `number` is the last row's.
    """
    reader, starts = csv.reader(lines, dialect), [0]
    starts += [reader.line_num for _ in reader]
    try:
        list(csv.reader(lines[starts[-2] :], dialect, strict=True))
    except csv.Error as problem:
        if "unexpected end of data" in str(problem):
            raise Held(f"row {number}: a quote is never closed; put the row right") from None
