"""A file as sheets of rows of cells, whatever its format. What a file is, its bytes tell and never its name."""

import contextlib
import re
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Literal, TypeVar

from anchorspend.contract import Layout
from anchorspend.read import archive, delimited, records, workbook
from anchorspend.read.base import Held, Sheet, note
from anchorspend.read.delimited import detect_encoding

__all__ = ["Held", "Sheet", "detect_encoding", "open_tables"]

_Form = Literal["empty", "text", "json", "page", "xlsx", "xlsb", "xls", "ods", "zip", "other"]
_Item = TypeVar("_Item")
_START = 1_024
_SPREADSHEETS = {"xlsx", "xlsb", "xls", "ods"}
# The first bytes of what publishers send by mistake, or packed in a way nobody unpacks here.
_OTHERS = {
    b"%PDF": "a PDF",
    b"\x1f\x8b": "packed with gzip",
    b"7z\xbc\xaf\x27\x1c": "packed with 7-Zip",
    b"Rar!": "packed with RAR",
}
_AGREED = {"csv": "CSV", "workbook": "an XLSX workbook", "json": "JSON"}
_PAGE = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|table|\?xml|!--)", re.IGNORECASE)
_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*[{\]])")


def open_tables(file: BinaryIO, layout: Layout) -> tuple[str | None, Iterator[Sheet]]:
    """The encoding and the sheets of a file that can be read from any place in it.

    The encoding is None for workbooks; of a zip, it is every encoding of its members, with commas. In a zip a sheet is
    called by its member, `member/sheet` in a workbook. Raises `Held`, here or while iterating, when the file is not
    what the layout says.
    """
    form = _form(file)
    if form != "zip":
        return _tables(file, form, layout)
    package = archive.open_zip(file)
    with contextlib.ExitStack() as temporary:
        opened: list[tuple[str, Iterator[Sheet]]] = []
        encodings: set[str] = set()
        for member in archive.members(package, layout.members, temporary):
            try:
                encoding, sheets = _tables(member.file, _form(member.file), layout)
            except Held as held:
                raise held.inside(member.name) from None
            encodings |= {encoding} if encoding else set()
            opened.append((member.name, sheets))
        return ", ".join(sorted(encodings)) or None, _of_members(opened, temporary.pop_all())


def _of_members(opened: list[tuple[str, Iterator[Sheet]]], temporary: contextlib.ExitStack) -> Iterator[Sheet]:
    with temporary:
        for name, sheets in opened:
            for sheet in _named_where_held(sheets, name):
                whole = f"{name}/{sheet.name}" if sheet.name else name
                yield Sheet(whole, _named_where_held(sheet.rows, whole))


def _named_where_held(items: Iterator[_Item], place: str) -> Iterator[_Item]:
    try:
        yield from items
    except Held as held:
        raise held.inside(place) from None


def _tables(file: BinaryIO, form: _Form, layout: Layout) -> tuple[str | None, Iterator[Sheet]]:
    """The encoding and the sheets of one file that is no zip of files."""
    _refuse_impostor(file, form, layout)
    if layout.format == "workbook":
        if form in {"xlsb", "ods"}:
            archive.verify(archive.open_zip(file))
        file.seek(0)
        return None, workbook.sheets(file, layout, is_xlsx=form == "xlsx")
    reader = records if layout.format == "json" else delimited
    encoding = reader.encoding_of(file, layout)
    return encoding, iter([Sheet(None, reader.rows(file, encoding, layout))])


def _form(file: BinaryIO) -> _Form:
    file.seek(0)
    start = file.read(_START)
    file.seek(0)
    if not start.strip():
        return "empty"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _form_of_zip(archive.open_zip(file))
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return "xls"
    if start.startswith(tuple(_OTHERS)):
        return "other"
    if _PAGE.match(start):
        return "page"
    return "json" if _JSON.match(start) else "text"


def _form_of_zip(package: zipfile.ZipFile) -> _Form:
    names = set(package.namelist())
    if "[Content_Types].xml" in names:
        return "xlsb" if "xl/workbook.bin" in names else "xlsx"
    return "ods" if "content.xml" in names and "mimetype" in names else "zip"


def _refuse_impostor(file: BinaryIO, form: _Form, layout: Layout) -> None:
    fits: dict[str, set[str]] = {"csv": {"text"}, "workbook": _SPREADSHEETS, "json": {"text", "json"}}
    if form in fits[layout.format]:
        return
    agreed, contract = _AGREED[layout.format], None
    if form == "empty":
        what, do = "the file is empty", "ask the publisher for it again"
    elif form == "page":
        what, do = "this is a web page, not a data file", "check the address it was fetched from"
    elif form == "zip":
        what, do = "this is a zip within a zip", "ask for a zip of the files themselves"
    elif form == "other":
        start = file.read(8)
        what = f"this is {next(words for magic, words in _OTHERS.items() if start.startswith(magic))}"
        do = f"ask for {agreed}"
    else:
        is_workbook = form in _SPREADSHEETS
        contract = f"format: {'workbook' if is_workbook else 'json' if form == 'json' else 'csv'}"
        what = f"this is {'a workbook' if is_workbook else 'JSON' if form == 'json' else 'text'}, not {agreed}"
        do = f"set `{contract}` if it is meant to be, or ask for {agreed}"
    letter = note([f"{what[0].upper()}{what[1:]}."], [f"Send it again as {agreed}."], contract)
    raise Held(f"{what}; {do}", letter)
