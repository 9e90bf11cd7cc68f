"""The records of a JSON file as rows of cells: a header of every path to a value, then one row a record.

The whole file is in memory, because the header is known only when the last record is.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from anchorspend.contract import Layout
from anchorspend.read.base import Held

_DEEPEST = 100


def encoding_of(file: BinaryIO, layout: Layout) -> str:
    """UTF-8, UTF-16 or UTF-32, as JSON allows, or what the layout declares."""
    file.seek(0)
    return json.detect_encoding(file.read(4)) if layout.encoding == "detect" else layout.encoding


def rows(file: BinaryIO, encoding: str, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Row 0 is the header: every path such as `tender/value/amount` or `awards/0/date`, in order of appearance.

    Numbers stay as they are written, true and false become words, null and what a record lacks an empty cell. Raises
    `Held` when the file is not JSON, has no list of objects where the layout says, or says one thing twice.
    """
    records = _records(_parsed(file, encoding), layout.records)
    flat = []
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise Held(f"record {number} is no object but {_shown(record)}; correct `records: {layout.records}`")
        cells: dict[str, str] = {}
        _flatten(record, (), cells, number)
        flat.append(cells)
    header = list(dict.fromkeys(path for cells in flat for path in cells))
    yield 0, header
    for number, cells in enumerate(flat, start=1):
        yield number, [cells.get(path, "") for path in header]


def _parsed(file: BinaryIO, encoding: str) -> Any:
    file.seek(0)
    try:
        text = file.read().decode(encoding)
    except UnicodeError as problem:
        raise Held(f"not {encoding}: {problem}; declare the right `encoding`") from None
    if re.search(r"\\u[dD][89a-fA-F]", text) and _has_half_character(text):
        raise Held("a text holds half a character (\\ud800 to \\udfff alone); ask the publisher to write it again")
    try:
        return json.loads(
            text, parse_float=str, parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=_refuse_twice
        )
    except json.JSONDecodeError as problem:
        raise Held(f"this is not JSON: {problem}; set `format` to what it is, or ask for the file again") from None
    except RecursionError:
        raise Held("the JSON is nested too deep to be records; ask the publisher for a plainer file") from None


def _has_half_character(text: str) -> bool:
    whole = re.sub(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}", "", text.replace("\\\\", ""))
    return re.search(r"\\u[dD][89a-fA-F]", whole) is not None


def _refuse_constant(word: str) -> NoReturn:
    raise Held(f"the JSON holds {word}, which is no number; ask the publisher to leave it out")


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Held(f"an object of the JSON says {twice!r} twice; ask the publisher which one counts")
    return found


def _records(content: Any, path: str) -> list[Any]:
    for step in path.split("/") if path else []:
        if isinstance(content, list) and step.isdigit() and int(step) < len(content):
            content = content[int(step)]
        elif isinstance(content, dict) and step in content:
            content = content[step]
        else:
            raise Held(f"the JSON has no {path!r}: {step!r} is missing from {_shown(content)}; correct `records`")
    if isinstance(content, list):
        return content
    lists = [name for name, value in content.items() if isinstance(value, list)] if isinstance(content, dict) else []
    hint = f"; write `records: {'/'.join(filter(None, [path, lists[0]]))}`" if lists else ""
    raise Held(f"the JSON has no list of records at {path or 'its top level'!r} but {_shown(content)}{hint}")


def _flatten(value: Any, path: tuple[str, ...], cells: dict[str, str], number: int) -> None:
    if isinstance(value, dict | list):
        if len(path) > _DEEPEST:
            raise Held(f"record {number} is nested over {_DEEPEST} deep; ask the publisher for a plainer file")
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in pairs:
            _flatten(inner, (*path, str(step)), cells, number)
        return
    header = "/".join(path)
    if header in cells:
        raise Held(f"record {number} says {header!r} twice; ask the publisher which one counts")
    cells[header] = "" if value is None else str(value).lower() if isinstance(value, bool) else value


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object of {', '.join(list(value)[:8])}" if value else "an empty object"
    return f"a list of {len(value)}" if isinstance(value, list) else repr(value)[:60]
