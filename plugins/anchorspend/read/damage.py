"""What a spreadsheet did to cells before they were published: found and told, never repaired."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from anchorspend.read.values import DATE_MARK

_ERROR = re.compile(r"#REF!|#N/A|#VALUE!|#NAME\?|#DIV/0!|#NULL!|#NUM!")
_NARROW = re.compile(r"#{4,}")
_ERROR_SIGNS = ("#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "####")
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = "[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
_DATE = re.compile(
    rf"{DATE_MARK}[^\n]*|[0-9]{{1,2}}-{_MONTH}(?:-[0-9]{{2,4}})?|{_MONTH}-[0-9]{{2,4}}"
    rf"|[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}(?: {_CLOCK})?|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?: {_CLOCK})?"
)
_SHORTENED = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]{2,3}|[0-9]{16,}\.0")
_LOST_ZEROS = re.compile(r"[0-9]{1,7}")

_ANY = {
    _ERROR: "a spreadsheet shows an error where a value stood; ask for the value",
    _NARROW: "a spreadsheet's column was too narrow to show the value; ask for the value",
}
_REFERENCE = {
    **_ANY,
    _DATE: "a spreadsheet turned a reference into a date; ask for the column formatted as text",
    _SHORTENED: "a spreadsheet shortened a number and lost its last digits; ask for the column formatted as text",
}
_COMPANY = {**_REFERENCE, _LOST_ZEROS: "a company number of under 8 digits: a spreadsheet dropped its leading zeros"}


@dataclass(frozen=True)
class Finding:
    """Damage of one sort in one field of a file: how many lines show it, and the first that does."""

    field: str
    column: str
    reason: str
    lines: int
    example: str
    source_row: int


class Damage:
    """Collects the damage of a file, part by part.

    One search over a column's joined text tells whether its cells must be looked at; in most files none must.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def look(self, field: str, column: str, cells: Sequence[str], text: str, rows: Sequence[int]) -> None:
        """Look at the cells of one column in one part; `text` is the cells joined by newlines."""
        patterns = _patterns(field)
        has_error = "#" in text and any(sign in text for sign in _ERROR_SIGNS)
        if not has_error and not (patterns is not _ANY and _suspects(patterns).search(f"\n{text}\n")):
            return
        for cell, row in zip(cells, rows, strict=True):
            reason = next((reason for pattern, reason in patterns.items() if pattern.fullmatch(cell)), None)
            if reason:
                self._add(field, column, reason, cell, row)

    def findings(self) -> list[Finding]:
        """All that was found until now, in the order it was met."""
        return list(self._found.values())

    def _add(self, field: str, column: str, reason: str, cell: str, row: int) -> None:
        first = self._found.get((field, reason))
        example = cell.removeprefix(DATE_MARK)
        self._found[field, reason] = (
            Finding(field, first.column, reason, first.lines + 1, first.example, first.source_row)
            if first
            else Finding(field, column, reason, 1, example, row)
        )


def _patterns(field: str) -> dict[re.Pattern[str], str]:
    """Words may look like anything; references and register numbers may not look like dates."""
    if field == "company_number":
        return _COMPANY
    return _REFERENCE if field.endswith(("_ref", "_number")) else _ANY


def _suspect(patterns: dict[re.Pattern[str], str]) -> re.Pattern[str]:
    # It begins with a newline, which the search finds at memory speed.
    return re.compile("\n(?:" + "|".join(pattern.pattern for pattern in patterns) + ")(?=\n)")


_SUSPECTS = {id(patterns): _suspect(patterns) for patterns in (_REFERENCE, _COMPANY)}


def _suspects(patterns: dict[re.Pattern[str], str]) -> re.Pattern[str]:
    return _SUSPECTS[id(patterns)]
