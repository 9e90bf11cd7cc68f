"""The header row: found by the names the contract knows, or the file is held with a letter on what changed."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from anchorspend.contract import Layout, normalise_header
from anchorspend.kinds import Kind
from anchorspend.read.base import Held, Sheet, note

_MOST_SHOWN = 12  # headers in a sentence; the letter has them all
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Header:
    """Where each mapped field stands, what each column is called, and the cells of the row without blank ends."""

    position: dict[str, int]
    names: list[str]
    cells: list[str]

    @property
    def blanks(self) -> list[int]:
        """Columns without a header."""
        return [place for place, name in enumerate(self.names) if not name]

    def repeats(self, cells: Sequence[str]) -> bool:
        """Whether a row is the header once more, as on every page of what was a PDF."""
        width = len(self.cells)
        return cells[:width] == self.cells and not any(map(str.strip, cells[width:]))


def find_header(sheet: Sheet, layout: Layout, kind: Kind) -> Header:
    """Read up to and including the header row: the first that holds a spelling of every field that is not optional.

    A mapped header that is gone and a header nobody mapped both hold the file: neither may be guessed.
    """
    wanted = {name: {normalise_header(s) for s in spellings} for name, spellings in layout.spellings().items()}
    needed = {name: spellings for name, spellings in wanted.items() if name not in layout.optional}
    where = sheet.where
    nearest: tuple[int, list[str]] = (0, [])
    seen: list[list[str]] = []
    for _, cells in islice(sheet.rows, layout.header_within):
        names = set(map(normalise_header, cells))
        found = sum(not spellings.isdisjoint(names) for spellings in needed.values())
        if found == len(needed):
            return _header(cells, wanted, layout, kind, where)
        nearest = max(nearest, (found, cells), key=lambda row: row[0])
        seen.append(cells)
    if not nearest[0]:
        raise _no_header(seen, needed, layout, where)
    raise _changed(nearest[1], needed, layout, kind, where)


def _header(cells: list[str], wanted: dict[str, set[str]], layout: Layout, kind: Kind, where: str) -> Header:
    names = list(map(normalise_header, cells))
    position = {}
    for field, spellings in wanted.items():
        places = [place for place, name in enumerate(names) if name in spellings]
        if len(places) > 1:
            columns = ", ".join(cells[place] for place in places)
            found = f"Two columns could be {kind.fields[field].meaning}: {columns}."
            letter = note([found], ["Tell us which of them is meant, or send the file with that one alone."])
            raise Held(f"{where}two columns could be {field}: {columns}; map one of them", letter)
        if places:
            position[field] = places[0]
    if _strangers(cells, wanted, layout):
        raise _changed(cells, wanted, layout, kind, where)
    width = max(place for place, name in enumerate(names) if name) + 1
    return Header(position, [cell.strip() for cell in cells], cells[:width])


def _strangers(cells: Iterable[str], wanted: dict[str, set[str]], layout: Layout) -> list[str]:
    """Headers nobody mapped nor told to ignore."""
    known = {header for spellings in wanted.values() for header in spellings}
    named = [(cell.strip(), normalise_header(cell)) for cell in cells]
    return [cell for cell, name in named if name and name not in known and not layout.ignores(name)]


def _no_header(rows: list[list[str]], needed: dict[str, set[str]], layout: Layout, where: str) -> Held:
    looked_for = _some([spellings[0] for field, spellings in layout.spellings().items() if field in needed], repr)
    message = f"{where}no header row in the first {layout.header_within} rows; the contract looks for {looked_for}"
    found = [f"No row among the first {layout.header_within} holds the headers we agreed: {looked_for}."]
    contract = None
    if layout.format == "csv" and (other := _other_delimiter(rows, needed, layout.delimiter)):
        found.append(f"The file is cut by {_DELIMITERS[other]}, where {_DELIMITERS.get(layout.delimiter)} were agreed.")
        contract = f"delimiter: {json.dumps(other)}"
        message += f"; it is cut by {_DELIMITERS[other]}: set `{contract}`"
    return Held(message, note(found, ["Send the file with the headers of the earlier files."], contract))


def _other_delimiter(rows: list[list[str]], needed: dict[str, set[str]], agreed: str) -> str | None:
    for other in _DELIMITERS:
        for cells in rows:
            names = {normalise_header(cell.strip('"')) for cell in agreed.join(cells).split(other)}
            if all(not spellings.isdisjoint(names) for spellings in needed.values()):
                return other
    return None


def _changed(cells: list[str], needed: dict[str, set[str]], layout: Layout, kind: Kind, where: str) -> Held:
    """The refusal of a header row that lacks a field, or has a column nobody mapped, with everything that changed."""
    names = set(map(normalise_header, cells))
    wanted = {name: {normalise_header(s) for s in spellings} for name, spellings in layout.spellings().items()}
    gone = [field for field, spellings in needed.items() if field not in layout.optional and not spellings & names]
    new = _strangers(cells, wanted, layout)
    renamed = _renamed(gone, new, layout)
    left = _generalised([header for header in new if header not in renamed.values()], layout)
    about = {field: f"The column {_spelt(field, layout)} ({kind.fields[field].meaning})" for field in gone}
    found = [f"{about[field]} is called {to!r} now, it seems." for field, to in renamed.items()]
    found += [f"{about[field]} is gone." for field in gone if field not in renamed]
    found += [f"New: {', '.join(map(repr, left))}."] if left else []
    you_can = [
        "Send the file in the layout of the earlier ones, or",
        "tell us that the new layout is meant to stay, and what each new column holds.",
    ]
    letter = note([f"{where}{one}" for one in found], you_can, _accepting(gone, left, renamed, layout, kind))
    if gone:
        spelt = "; ".join(f"{field} ({_spelt(field, layout)})" for field in gone)
        headers = _some([cell for cell in cells if cell.strip()], str)
        return Held(
            f"{where}the layout changed: no column for {spelt}. The header row reads {headers}. "
            "Add the new name to the field's spellings under `columns`, or a layout that `starts` with this period",
            letter,
        )
    shown = _listed("ignore", layout.ignore, left)
    accept = f"accept it with `{shown}`" if len(shown) < 1_000 else "accept it under `ignore`"
    return Held(
        f"{where}the layout changed: nobody mapped the column {_some(new, repr)}. Map it under `columns`, or {accept}",
        letter,
    )


def _renamed(gone: list[str], new: list[str], layout: Layout) -> dict[str, str]:
    """Fields without a column, and the new header that is nearest in writing, if any is near."""
    left = {_letters(header): header for header in reversed(new)}
    found = {}
    for field in gone:
        near = [one for s in layout.spellings()[field] for one in difflib.get_close_matches(_letters(s), left, n=1)]
        if near:
            found[field] = left.pop(near[0])
    return found


def _letters(header: str) -> str:
    return re.sub(r"[\W_]+", "", normalise_header(header))


def _accepting(gone: list[str], left: list[str], renamed: dict[str, str], layout: Layout, kind: Kind) -> str | None:
    """The lines of the layout that accept the file, or None when a column is gone that no file may lack."""
    lacking = [field for field in gone if field not in renamed]
    if any(kind.fields[field].required or kind.fields[field].filled for field in lacking):
        return None
    columns = [
        f"  {field}: {json.dumps([*layout.spellings()[field], to], ensure_ascii=False)}"
        for field, to in renamed.items()
    ]
    return "\n".join(
        [
            *(["columns:  # the other fields as they are", *columns] if columns else []),
            *([_listed("optional", layout.optional, lacking)] if lacking else []),
            *([_listed("ignore", layout.ignore, left)] if left else []),
        ]
    )


def _generalised(headers: list[str], layout: Layout) -> list[str]:
    """Paths of JSON with `*` for every number, since the next file has longer lists."""
    if layout.format != "json":
        return headers
    return list(dict.fromkeys(re.sub(r"(?<=/)\d+(?=/|$)", "*", header) for header in headers))


def _listed(key: str, known: list[str], new: list[str]) -> str:
    return f"{key}: {json.dumps([*known, *new], ensure_ascii=False)}"


def _spelt(field: str, layout: Layout) -> str:
    return " or ".join(map(repr, layout.spellings()[field]))


def _some(words: Sequence[str], shown: Callable[[str], str]) -> str:
    rest = len(words) - _MOST_SHOWN
    return ", ".join(map(shown, words[:_MOST_SHOWN])) + (f" and {rest} more" if rest > 0 else "")
