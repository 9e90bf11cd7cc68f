"""Meaning: which column is which field of which kind, by its header and by what stands in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from anchorspend.contract import normalise_header
from anchorspend.inspect.columns import SWAPPED, Column
from anchorspend.inspect.headers import NEAR, likeness
from anchorspend.inspect.naming import kinds_named
from anchorspend.inspect.survey import Table
from anchorspend.kinds import KINDS, Field, FieldType

_BAD = 0.005  # share of lines that an optional column may put into quarantine
_UNDATED = 0.02  # share of lines without a readable date of payment from which on the period dates them better
_BY_CONTENT = {"postcode": "supplier_postcode", "VAT number": "vat_number"}


@dataclass
class Meaning:
    """A file as one kind: `fields` to columns, `sure` from 0 to 1, `missing` required fields, `left` why a column that
    could be mapped is not, by its position."""

    kind: str
    fields: dict[str, Column]
    sure: dict[str, float]
    missing: list[str]
    left: dict[int, str] = field(default_factory=dict)
    score: float = 0.0


def meanings(table: Table, name: str) -> list[Meaning]:
    """The file as each kind, the likeliest first."""
    named = kinds_named(name)
    found = [meaning_as(table, kind) for kind in KINDS]
    for one in found:
        one.score += _hints(one, table, named)
    return sorted(found, key=lambda one: -one.score)


def meaning_as(table: Table, kind_id: str) -> Meaning:
    """Which column is which field, if the file were of a kind."""
    kind = KINDS[kind_id]
    twice = _twice(table.columns)
    scores = sorted(
        (
            (score, -column.position, name, column)
            for column in table.columns
            if column.header and normalise_header(column.header) not in twice
            for name, definition in kind.fields.items()
            if (score := _score(column, kind_id, name, definition)) >= NEAR
        ),
        key=lambda one: one[:2],
        reverse=True,
    )
    fields: dict[str, Column] = {}
    sure: dict[str, float] = {}
    taken: set[int] = set()
    for score, _, name, column in scores:
        if name not in fields and column.position not in taken:
            fields[name], sure[name] = column, score
            taken.add(column.position)
    found = Meaning(kind_id, fields, sure, [name for name in kind.required if name not in fields])
    found.left |= {
        column.position: "its header stands twice" for column in table.columns
        if column.header and normalise_header(column.header) in twice
    }  # fmt: skip
    found.left |= {
        column.position: "by its name a date, and its cells are none"
        for column in table.columns
        for name, definition in kind.fields.items()
        if definition.type is FieldType.DATE and name not in fields and column.filled and column.position not in taken
        if column.type != "date" and likeness(column.header, kind_id, name) > 0.9
    }
    _leave_what_would_not_load(found, table)
    filled = [column for column in table.columns if column.filled] or table.columns
    required = len(kind.required) - len(found.missing)
    found.score = (
        3 * required / max(1, len(kind.required))
        + (2 if not found.missing else 0)
        + 2 * sum(found.sure.values()) / max(1, len(filled))
    )
    return found


def _twice(columns: Sequence[Column]) -> set[str]:
    names = [normalise_header(column.header) for column in columns if column.header]
    return {name for name in names if names.count(name) > 1}


def _score(column: Column, kind: str, name: str, definition: Field) -> float:
    """How surely a column is a field: its header's likeness, weighed by whether its cells can be such a field."""
    score = likeness(column.header, kind, name)
    kind_of = column.type
    if score < NEAR and _BY_CONTENT.get(kind_of) == name:
        score = NEAR + 0.02
    if score < NEAR:
        return 0.0
    if not column.filled:
        return score * 0.7
    emptiness = 1 - column.share_filled
    match definition.type:
        case FieldType.DATE:
            return score - 0.1 * emptiness if column.dates.read >= 0.5 * column.filled and kind_of == "date" else 0.0
        case FieldType.MONEY:
            return score - 0.3 * emptiness if column.money_share >= 0.5 and kind_of != "date" else 0.0
        case FieldType.INTEGER:
            return score if kind_of == "integer" else 0.0
        case FieldType.FLAG:
            is_bit = kind_of == "integer" and set(column.cells) <= {"0", "1"}
            return score if kind_of == "flag" or is_bit else 0.0
    return _as_text(column, name, score) - 0.1 * emptiness


def _as_text(column: Column, name: str, score: float) -> float:
    is_number = column.type in {"integer", "money"}
    if name in {"supplier_name", "buyer_name", "title"} and (is_number or column.type in {"date", "flag", "postcode"}):
        return 0.0
    if column.type == "date" or (column.dates.read > 0.2 * column.filled and "date" in column.header.casefold()):
        return 0.0
    if column.type == "money" and not name.endswith(("_ref", "_number", "_code")):
        return 0.0
    if is_number and name in {"department", "description", "expense_type", "category_label", "organisational_unit"}:
        return score * 0.7
    if name == "supplier_postcode" and column.type != "postcode" and column.share(_has_digit) < 0.2:
        return 0.0
    if name in {"company_number", "charity_number", "vat_number"} and column.share(_has_digit) < 0.05:
        return 0.0
    # Revenue or capital, paid or not: a type of something, and not what it was spent on.
    if name == "expense_type" and len(column.cells) <= 3 and column.lines > 50:
        return score - 0.3
    # A service's name in words says more than its code, where both are there.
    if name in {"organisational_unit", "expense_type", "department"} and column.share(_is_code) > 0.9:
        return score - 0.08
    return score


def _has_digit(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _is_code(cell: str) -> bool:
    return bool(re.fullmatch(r"[A-Z0-9/.-]{1,12}", cell)) and _has_digit(cell)


def _leave_what_would_not_load(found: Meaning, table: Table) -> None:
    """Leave out optional columns whose cells would put more lines into quarantine than the column is worth."""
    kind = KINDS[found.kind]
    formats = _main_formats(found)
    for name, column in list(found.fields.items()):
        definition = kind.fields[name]
        if definition.required or definition.type is FieldType.TEXT or not table.lines:
            continue
        bad = _bad_cells(column, definition)
        if name == kind.dated:
            bad += table.lines - column.filled
            limit, why = _UNDATED, "the file's period dates its lines"
        else:
            limit, why = _BAD, "not needed, and the lines would be lost"
        if bad > limit * table.lines:
            del found.fields[name], found.sure[name]
            found.left[column.position] = (
                f"{bad:,} of {table.lines:,} cells are no {definition.type.name.lower()}; {why}"
            )
        elif definition.type is FieldType.DATE and any(SWAPPED.get(one) in formats for one in column.dates.formats):
            del found.fields[name], found.sure[name]
            found.left[column.position] = "writes day and month the other way round than the date of payment"


def _main_formats(found: Meaning) -> set[str]:
    dated = KINDS[found.kind].dated
    dates = [column for name, column in found.fields.items() if KINDS[found.kind].fields[name].type is FieldType.DATE]
    main = found.fields.get(dated or "") or next(iter(dates), None)
    return set(main.dates.formats) if main else set()


def _bad_cells(column: Column, definition: Field) -> int:
    match definition.type:
        case FieldType.DATE:
            return column.filled - column.dates.read
        case FieldType.MONEY:
            return column.count(lambda cell: cell not in column.pounds)
        case FieldType.INTEGER:
            return column.count(lambda cell: not re.fullmatch(r"[-+]?[0-9,]{1,18}(\.0)?", cell))
        case FieldType.FLAG:
            return column.count(lambda cell: cell.casefold() not in {"y", "yes", "true", "1", "n", "no", "false", "0"})
    return 0


def _hints(found: Meaning, table: Table, named: Sequence[str]) -> float:
    """What beside the mapped columns speaks for a kind."""
    score = 0.6 if found.kind in named and found.kind != "ledger" else 0.0
    score += 0.3 if found.kind == "ledger" else 0.0
    headers = {normalise_header(column.header): column for column in table.columns}
    if found.kind == "card":
        is_merchant = any("merchant" in header or "cardholder" in header for header in headers)
        scheme = headers.get("cardtransaction")
        is_scheme = scheme is not None and scheme.share(lambda cell: cell.upper() in {"GPC", "CCC"}) > 0.9
        score += 0.8 * is_merchant + 0.8 * is_scheme
        if not (is_merchant or is_scheme or "card" in named):
            score -= 1.5
    if found.kind == "contract" and not ({"start_date", "end_date", "title"} & set(found.fields)):
        score -= 2
    if found.kind == "observatory":
        vendor = {"transactions", "employees", "claimed_sme", "claimed_local", "claimed_charity"} & set(found.fields)
        score += 0.3 * len(vendor) - (0 if vendor or "observatory" in named else 1.5)
        score -= 1.0 if any(column.type == "date" for column in table.columns) else 0
    return score
