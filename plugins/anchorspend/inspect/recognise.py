"""Recognise: what a file is by its bytes, and what `read` needs to be told to open it."""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal

from anchorspend.errors import UserError
from anchorspend.read.tables import detect_encoding

_START = 1 << 16
_SNIFFED = 1 << 20
_DELIMITERS = (",", ";", "\t", "|", "^", "~")
_MAGIC = {
    b"%PDF": "PDF document",
    b"\x1f\x8b": "gzip archive",
    b"7z\xbc\xaf\x27\x1c": "7-Zip archive",
    b"Rar!": "RAR archive",
    b"\x89PNG": "PNG picture",
    b"\xff\xd8\xff": "JPEG picture",
    b"{\\rtf": "RTF document",
    b"PAR1": "Parquet file",
    b"SQLite format 3": "SQLite database",
}
_ENDINGS = {"csv": {".csv", ".txt", ".tsv", ".dat"}, "workbook": {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"},
            "json": {".json"}}  # fmt: skip
_ALL_ENDINGS = set().union(*_ENDINGS.values())


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    `format` names it for people; `reads_as` is the layout's `format`, None where nothing here reads it. `problem` says
    why, or what is wrong with its name. `members` are the files of a zip, `wanted` the pattern of those with data.
    """

    format: str
    reads_as: Literal["csv", "workbook", "json"] | None = None
    encoding: str | None = None
    encoding_sure: str | None = None
    delimiter: str = ","
    quotechar: str = '"'
    line_ending: str | None = None
    records: str = ""
    members: tuple[str, ...] = ()
    wanted: str = ".*"
    problem: str | None = None
    declared_encoding: str = "detect"

    def layout(self) -> dict[str, Any]:
        """The keys of a layout that open the file, those that differ from its defaults."""
        keys: dict[str, Any] = {}
        if self.reads_as and self.reads_as != "csv":
            keys["format"] = self.reads_as
        if self.wanted != ".*":
            keys["members"] = self.wanted
        if self.records:
            keys["records"] = self.records
        if self.declared_encoding != "detect":
            keys["encoding"] = self.declared_encoding
        if self.delimiter != ",":
            keys["delimiter"] = self.delimiter
        if self.quotechar != '"':
            keys["quotechar"] = self.quotechar
        return keys


def recognise(path: Path) -> Recognised:
    """What a file is. Raises `UserError` when there is no such file or it cannot be opened."""
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name one of its files")
    if not path.exists():
        raise UserError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            found = _recognise(file, path.name)
    except OSError as problem:
        raise UserError(f"{path}: cannot be read: {problem.strerror}") from None
    ending = path.suffix.casefold()
    if found.reads_as and not found.members and not found.problem and ending in _ALL_ENDINGS - _ENDINGS[found.reads_as]:
        return replace(found, problem=f"the name ends in {ending}, and the file is {_a(found.format)}")
    return found


def _a(words: str) -> str:
    return f"an {words}" if words[:1] in "AEIOUX" else f"a {words}"


def _recognise(file: BinaryIO, name: str) -> Recognised:
    start = file.read(_START)
    file.seek(0)
    if not start.strip(b"\x00\t\r\n \xef\xbb\xbf\xff\xfe"):
        return Recognised("empty file", problem="the file is empty; ask the publisher for it again")
    for magic, says in _MAGIC.items():
        if start.startswith(magic):
            return _not_read(says, name)
    if start.startswith(b"PK"):
        return _zip(file, name)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return Recognised("XLS workbook (Excel 97-2003)", "workbook")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"<(!doctype|html|head|body|table|meta|style|script|div)", text, re.IGNORECASE):
        return _not_read("HTML page", name, "check the address it was fetched from")
    if text.startswith(b"<?xml"):
        if b"urn:schemas-microsoft-com:office:spreadsheet" in text:
            return _not_read("XML spreadsheet (Excel 2003)", name, "open it in a spreadsheet and save it as XLSX")
        is_page = b"<html" in text[:2000].lower()
        return _not_read("HTML page" if is_page else "XML document", name)
    if re.match(rb"(\{\s*[\"}]|\[\s*[{\]])", text):
        return _json(file)
    return _text(file, start)


def _not_read(says: str, name: str, do: str = "ask for CSV or a workbook") -> Recognised:
    ending = PurePath(name).suffix
    called = f" called {ending}" if ending and ending.strip(".").casefold() not in says.casefold() else ""
    return Recognised(f"{says}{called}", problem=f"this is {_a(says)}{called}, not a table of data; {do}")


def _zip(file: BinaryIO, name: str) -> Recognised:
    try:
        with zipfile.ZipFile(file) as package:
            names = package.namelist()
            if "[Content_Types].xml" in names:
                if "xl/workbook.bin" in names:
                    return Recognised("XLSB workbook (Excel binary)", "workbook")
                if any(one.startswith("xl/") for one in names):
                    is_macro = "xl/vbaProject.bin" in names
                    return Recognised("XLSM workbook (with macros)" if is_macro else "XLSX workbook", "workbook")
                return _not_read("Office document without sheets", name)
            if "mimetype" in names and "content.xml" in names:
                is_sheet = b"spreadsheet" in package.read("mimetype")[:100]
                if is_sheet:
                    return Recognised("ODS workbook (OpenDocument)", "workbook")
                return _not_read("OpenDocument text", name)
            return _zip_of_files(package)
    except Exception as problem:  # a damaged zip fails in as many ways as it has fields
        return Recognised("broken zip", problem=f"the zip cannot be unpacked: {problem!r}; ask for it again")


def _zip_of_files(package: zipfile.ZipFile) -> Recognised:
    """The members that are tables; the first of them says how they are read."""
    names = [
        info.filename
        for info in package.infolist()
        if not info.is_dir() and "__MACOSX" not in info.filename and not PurePath(info.filename).name.startswith(".")
    ]
    by_ending = Counter(PurePath(name).suffix.casefold() for name in names)
    known = [ending for ending, _ in by_ending.most_common() if ending in _ALL_ENDINGS]
    data = [name for name in names if known and PurePath(name).suffix.casefold() == known[0]]
    # What describes the data is no data: metadata.csv beside payments.csv.
    data = [name for name in data if not re.search("metadata|readme|notes|lookup|licen[cs]e", name, re.I)] or data
    if not data:
        shown = ", ".join(names[:5]) or "nothing"
        return Recognised(f"zip of {shown}", members=tuple(names), problem="the zip holds no table; unpack it yourself")
    with package.open(data[0]) as member:
        inner = _recognise(io.BytesIO(member.read(64 << 20)), data[0])
    wanted = ".*" if len(data) == len(names) else "|".join(re.escape(name).replace(r"\-", "-") for name in data)
    if len(data) < len(names) and len(data) == by_ending[known[0]]:
        wanted = rf".*{re.escape(known[0])}"
    count = f"{len(data)} × " if len(data) > 1 else ""
    return replace(inner, format=f"zip of {count}{inner.format}", members=tuple(names), wanted=wanted)


def _json(file: BinaryIO) -> Recognised:
    raw = file.read()
    file.seek(0)
    encoding = json.detect_encoding(raw[:4])
    try:
        content = json.loads(raw.decode(encoding))
    except (ValueError, RecursionError) as error:
        return Recognised("JSON, damaged", problem=f"this begins like JSON and is none: {error}; ask for it again")
    path, records = _records(content, "")
    problem = None if records else "the JSON holds no list of records"
    says = "JSON, OCDS releases" if path.endswith("releases") else "JSON"
    return Recognised(says, "json" if records else None, encoding, "certain", records=path, problem=problem)


def _records(content: Any, path: str, depth: int = 0) -> tuple[str, int]:
    """The path of the longest list of objects, and how many it holds."""
    if isinstance(content, list):
        return path, len(content) if content and all(isinstance(one, dict) for one in content) else 0
    if not isinstance(content, dict) or depth > 3:
        return path, 0
    inner = (_records(value, f"{path}/{key}".strip("/"), depth + 1) for key, value in content.items() if "/" not in key)
    return max(inner, key=lambda one: one[1], default=(path, 0))


def _text(file: BinaryIO, start: bytes) -> Recognised:
    encoding, sure, declared = _encoding(file, start)
    text = start.decode(encoding, errors="replace").removeprefix("\ufeff")
    strange = sum(not letter.isprintable() and letter not in "\t\r\n\x0b\x0c\x1a\ufeff\xa0" for letter in text)
    if strange > 0.02 * len(text) or (start.count(b"\x00") > 0.01 * len(start) and not encoding.startswith("utf-")):
        return Recognised("unknown binary file", problem="neither text nor a format known here; ask for CSV")
    file.seek(0)
    longer = file.read(_SNIFFED).decode(encoding, errors="replace").removeprefix("\ufeff")
    ending = _line_ending(longer)
    delimiter = sniff_delimiter(longer)
    words = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}.get(delimiter, repr(delimiter))
    quotechar = '"' if _quotes_help(longer, delimiter) else ""
    return Recognised(
        f"CSV, separated by {words}", "csv", encoding, sure, delimiter, quotechar, ending, declared_encoding=declared
    )


def _encoding(file: BinaryIO, start: bytes) -> tuple[str, str, str]:
    """The encoding, how sure it is, and what a layout must declare for it."""
    file.seek(0)
    raw = file.read(_SNIFFED)
    file.seek(0)
    found = detect_encoding(file)
    file.seek(0)
    if found.startswith("utf-16"):
        return (
            found,
            "certain, by its byte-order mark" if start[:2] in {b"\xff\xfe", b"\xfe\xff"} else "likely",
            "detect",
        )
    if found.startswith("utf-8"):
        is_plain = raw.isascii()
        return (
            found.removesuffix("-sig"),
            "certain, plain ASCII" if is_plain else "certain, every byte is valid",
            "detect",
        )
    # In cp850, the console's code page, £ is 9C; cp1252 has œ there.
    if re.search(rb"(?:^|[\s,;(\"])\x9c ?[0-9(]", raw):
        return "cp850", "likely: £ where cp1252 has œ", "cp850"
    if re.search(rb"(?:^|[\s,;(\"])\xdb ?[0-9(]", raw) and b"\xa3" not in raw:
        return "mac_roman", "possible", "detect"
    high = sum(byte > 127 for byte in raw)
    return found, f"likely: {high:,} bytes are not UTF-8", "detect"


def _line_ending(text: str) -> str:
    pairs = text.count("\r\n")
    counts = {"CRLF": pairs, "LF": text.count("\n") - pairs, "CR": text.count("\r") - pairs}
    seen = [name for name, count in counts.items() if count]
    most = max(counts, key=lambda name: counts[name])
    return most if len(seen) == 1 else "none" if not seen else f"{most}, and some {', '.join(set(seen) - {most})}"


def sniff_delimiter(text: str) -> str:
    """The character that cuts the most rows into the same number of cells, quotes honoured; a comma where none does."""
    lines = text.splitlines(keepends=True)[:400]
    if len(lines) > 1:
        lines = lines[:-1]  # it may be cut off
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        score = _evenness(lines, delimiter)
        if score > best_score * 1.05:
            best, best_score = delimiter, score
    return best


def _quotes_help(text: str, delimiter: str) -> bool:
    """Whether a quote encloses cells, rather than standing in them as a character, such as for inches."""
    if '"' not in text:
        return True
    lines = text.splitlines(keepends=True)
    # A line without quotes is cut alike either way: it tells how many cells a row has.
    widths = Counter(line.count(delimiter) for line in lines if '"' not in line and line.strip())
    if not widths:
        return True
    width = widths.most_common(1)[0][0] + 1
    whole = []
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        try:
            whole.append(sum(len(row) == width for row in csv.reader(lines, delimiter=delimiter, quoting=quoting)))
        except csv.Error:
            whole.append(0)
    # Taken as characters, quotes must rescue rows: a good deal of them, for one bad row is a slip to put right.
    return whole[1] <= whole[0] * 1.01 + 2


def _evenness(lines: Sequence[str], delimiter: str) -> float:
    """Share of rows that have as many cells as the most have, above one, weighed up by their number."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error:
        return 0.0
    widths = Counter(len(row) for row in rows)
    width, _ = max(widths.items(), key=lambda one: (one[1] * (one[0] > 1), one[0]), default=(1, 0))
    if width < 2:
        return 0.0
    even = sum(times for one, times in widths.items() if one == width) / len(rows)
    filled = sum(sum(1 for cell in row if cell.strip()) for row in rows) / len(rows)
    return float(even * min(filled, 12) ** 0.5)
