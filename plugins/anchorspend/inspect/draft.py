"""Draft: an institution file that loads the file it was made from; what a person should look at says `# check`."""

import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from anchorspend.contract import Institution, InstitutionType, load_institution
from anchorspend.inspect import naming
from anchorspend.inspect.columns import Column, exact_sum
from anchorspend.inspect.meaning import Meaning
from anchorspend.inspect.naming import Named
from anchorspend.inspect.recognise import Recognised
from anchorspend.inspect.survey import Row, Table, rows_of
from anchorspend.kinds import KINDS, FieldType

_STAND_INS = ("description", "expense_type", "organisational_unit", "department", "expense_area", "category_label",
              "transaction_ref", "invoice_ref", "supplier_ref")  # fmt: skip
_EVERY = {"month": "month", "day": "month", "months": "quarter", "quarter": "quarter", "financial year": "year"}
_PUBLISHERS = (
    "entity",
    "organisation",
    "body",
    "authority",
    "council",
    "trust",
    "force",
    "publisher",
    "buyer",
    "department",
)
_TOTALS_LABEL = re.compile(r"(grand |sub|overall |report )?totals?", re.IGNORECASE)


@dataclass
class Totals:
    """A totals row: its pounds, the sum of the other lines, and the layout's `totals` where one can name it."""

    row: Row
    amount: Decimal
    others: Decimal
    field: str | None
    label: str

    @property
    def agrees(self) -> bool:
        """Whether it is the sum of the lines."""
        return abs(self.amount - self.others) < Decimal("0.01")


@dataclass
class Draft:
    """A draft institution file: its text, the institution it makes, and what a person should know about it."""

    text: str
    institution: Institution
    feed_id: str
    notes: list[str] = field(default_factory=list)


def find_totals(table: Table, meaning: Meaning) -> Totals | None:
    """The row that holds the sum of the others. It is taken out of the table's lines and columns."""
    amount = meaning.fields.get(KINDS[meaning.kind].amount or "")
    if amount is None or table.lines < 3:
        return None
    for row in reversed(list(rows_of(table))):
        cell = row[1][amount.position - 1] if len(row[1]) >= amount.position else ""
        if cell not in amount.pounds:
            continue
        pounds = amount.pounds[cell]
        others = exact_sum((amount.total, -pounds))
        is_sum = pounds != 0 and abs(pounds - others) < Decimal("0.01")
        others_filled = [place for place, text in enumerate(row[1], start=1) if text and place != amount.position]
        reads_so = row in table.totals and len(others_filled) <= max(2, len(table.columns) // 3)
        if not (is_sum and (reads_so or not others_filled)) and not (reads_so and row == table.last):
            continue
        field_name, label = _telling(row, table, meaning, others_filled)
        table.without(row)
        return Totals(row, pounds, others, field_name, label)
    return None


def _telling(row: Row, table: Table, meaning: Meaning, filled: Sequence[int]) -> tuple[str | None, str]:
    """The mapped field that tells a totals row from every other line, and the pattern of its cell there."""
    places = {column.position: name for name, column in meaning.fields.items()}
    for place in filled:
        column = table.columns[place - 1]
        cell = row[1][place - 1]
        if place in places and column.cells[cell] == 1:
            return places[place], _label(cell)
    # No label, or in a column that is not mapped: an empty cell tells, where every other line fills it.
    for place, name in sorted(places.items(), key=lambda one: "name" not in one[1]):
        column = table.columns[place - 1]
        if not row[1][place - 1] and column.filled == table.lines - 1:
            return name, ""
    return None, ""


def _label(cell: str) -> str:
    found = _TOTALS_LABEL.fullmatch(cell)
    if found:
        return cell.casefold()
    return re.sub(r"\\ ", " ", re.sub(r"\d[\d,.]*", ".*", re.escape(" ".join(cell.split()))))


def publisher(table: Table, file: Path) -> tuple[str, InstitutionType | None]:
    """The name of the body and its type, from a column that names one body throughout, else from the file's name."""
    # The NHS publishes as the Department of Health's family: the entity says who it is.
    named = [column for word in _PUBLISHERS for column in table.columns if word in column.header.casefold()]
    for column in named:
        if column.type != "text" or not column.cells:
            continue
        spellings: Counter[str] = Counter()
        for cell, count in column.cells.items():
            spellings[cell.casefold()] += count
        folded, times = spellings.most_common(1)[0]
        commonest = max((cell for cell in column.cells if cell.casefold() == folded), key=lambda one: column.cells[one])
        if times >= 0.8 * column.filled and len(commonest) > 5 and (found := naming.institution_type(commonest)):
            return commonest, found
    words = re.sub(r"[\d_.,£()\[\]-]+|\.\w+$", " ", file.stem)
    found = naming.institution_type(file.stem, file.parent.name)
    name = " ".join(word for word in words.split() if not _is_noise(word))
    name = " ".join(word.upper() if len(word) < 4 else word.capitalize() for word in name.split())
    return (name if len(name) > 2 else file.parent.name.replace("_", " ").title() or "New body"), found


def _is_noise(word: str) -> bool:
    return bool(
        re.fullmatch(
            r"(over|above|spend(ing)?|expenditure|payments?|suppliers?|transactions?|transparency|report|data|csv|xlsx?|pdf|final|"
            r"to|of|and|the|for|q\d|k|fy|monthly|quarter|published?|card|government|procurement|purchas\w*|register|"
            r"jan\w*|feb\w*|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?\w*|oct(ober)?|nov\w*|dec\w*|v\d*|all|file)",
            word,
            re.IGNORECASE,
        )
    )


def as_id(name: str) -> str:
    """A name as an institution's id."""
    words = re.sub(r"[^a-z0-9]+", "_", name.casefold().replace("&", " and ")).strip("_")
    return (words if words[:1].isalpha() else f"body_{words}".rstrip("_"))[:48].rstrip("_")


@dataclass(frozen=True)
class Body:
    """The institution a draft is for. `is_known`: it has a file already, and this is only another feed."""

    id: str
    name: str
    type: InstitutionType
    is_guess: bool
    financial_year_start: int = 4
    gss_code: str | None = None
    is_known: bool = False


def draft(body: Body, found: Recognised, table: Table, meaning: Meaning, named: Named, totals: Totals | None) -> Draft:
    """The text and model of a draft. Raises `UserError` if what was written should not be a contract."""
    kind = KINDS[meaning.kind]
    notes: list[str] = []
    vat, vat_why = _vat(meaning)
    lines = [
        f"# Drafted from {_plain(named.name)}: read it, above all what says `check`.",
        *([f"# {body.id} has a file already: put this feed into it."] if body.is_known else []),
        f"id: {body.id}",
        f"name: {_scalar(body.name)}" + ("  # check" if body.is_guess else ""),
        f"type: {body.type.value}" + (f"  # check: or {', '.join(_other_types(body.type))}" if body.is_guess else ""),
        *([f"gss_code: {body.gss_code}"] if body.gss_code else []),
        *([f"financial_year_start: {body.financial_year_start}  # check"] if body.financial_year_start != 4 else []),
        "",
        "feeds:",
        f"  {meaning.kind}:",
        f"    kind: {meaning.kind}",
        f"    description: {_scalar(kind.meaning.partition(':')[0].capitalize())}",
        f"    source: {{folder: {body.id}/{meaning.kind}, files: {_double(named.files)}}}",
    ]
    if named.is_renamed:
        lines.append(f"    # check: names must say the year; give files names like {_plain(named.name)}")
    lines.append(f"    period: {_single(named.pattern)}  # {named.says}: {named.period.label}")
    if every := _EVERY.get(named.says):
        lines.append(f"    # calendar: {{every: {every}, due_days: 30, starts: {named.period.first}}}")
    lines.append(f"    vat: {vat}  # {vat_why}")
    pounds = naming.threshold(named.name)
    if pounds and kind.amount:
        lines.append(f"    publishes_over: {pounds}  # check: from the file's name")
    lines += ["    layouts:", *_layout(found, table, meaning, totals, notes)]
    text = "\n".join(lines) + "\n"
    return Draft(text, _loaded(text, body.id), meaning.kind, notes)


def _other_types(of: InstitutionType) -> list[str]:
    """Types that bodies of this shape of name might have instead."""
    near = (
        InstitutionType.LOCAL_AUTHORITY,
        InstitutionType.NHS,
        InstitutionType.POLICE,
        InstitutionType.CENTRAL_GOVERNMENT,
    )
    return [one.value for one in near if one is not of]


def _loaded(text: str, institution_id: str) -> Institution:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{institution_id}.yml"
        path.write_text(text, encoding="utf-8")
        return load_institution(path)


def _layout(found: Recognised, table: Table, meaning: Meaning, totals: Totals | None, notes: list[str]) -> list[str]:
    keys = [f"{key}: {_value(value)}" for key, value in found.layout().items()]
    if found.reads_as == "csv" and found.encoding and found.declared_encoding == "detect":
        keys.append(f"encoding: detect  # this file: {found.encoding}")
    if table.sheets_pattern and found.reads_as == "workbook":
        keys.append(f"sheets: {_single(table.sheets_pattern)}  # check: the other sheets are not read")
    if table.header_row and table.header_row > 30:
        keys.append(f"header_within: {min(500, table.header_row + 20)}")
    keys.append("columns:")
    by_place = sorted(meaning.fields.items(), key=lambda one: one[1].position)
    for name, column in by_place:
        sure = meaning.sure[name]
        doubt = "  # check" if sure < 0.9 else ""
        keys.append(f"  {name}: {_scalar(column.header)}{doubt}")
    fields = KINDS[meaning.kind].fields
    keys += [
        f"  {name}: WRITE ITS HEADER {place}  # check: {fields[name].meaning}"
        for place, name in enumerate(meaning.missing, 1)
    ]
    keys += _optional_and_ignored(found, table, meaning)
    keys += _stand_ins(table, meaning, notes)
    keys += _dates(meaning)
    amount = meaning.fields.get(KINDS[meaning.kind].amount or "")
    if amount and amount.negatives > 0.8 * amount.filled and amount.total < 0:
        keys.append("payments_are: negative  # check: most amounts are below nought")
    if totals and totals.field:
        keys.append(f"totals: {{field: {totals.field}, label: {_single(totals.label)}}}  # row {totals.row[0]}")
    return [f"      {'- ' if place == 0 else '  '}{key}" for place, key in enumerate(keys)]


def _optional_and_ignored(found: Recognised, table: Table, meaning: Meaning) -> list[str]:
    mapped = {column.position for column in meaning.fields.values()}
    if found.reads_as == "json":
        # A record lacks what it has nothing to say of, so a file may lack any path that is not required.
        spared = [name for name in meaning.fields if name not in KINDS[meaning.kind].required]
        return [*([f"optional: {_flow(spared)}"] if spared else []), 'ignore: ["*"]']
    left = [column for column in table.columns if column.position not in mapped and column.header]
    unique = {" ".join(column.header.split()).casefold(): column for column in left}
    spelled = {column.header.casefold() for column in meaning.fields.values()}
    left = [column for key, column in unique.items() if key not in spelled]
    if not left:
        return []
    if len(left) <= 8 and not any(column.position in meaning.left for column in left):
        flow = _flow([_unstarred(column.header) for column in left])
        if len(flow) < 95:
            return [f"ignore: {flow}"]
    listed = ["ignore:"]
    for column in left:
        why = meaning.left.get(column.position)
        listed.append(f"  - {_scalar(_unstarred(column.header))}" + (f"  # check: {why}" if why else ""))
    return listed


def _unstarred(header: str) -> str:
    """A star in `ignore` stands for any characters, so a header's own star stands for itself as well."""
    return header


def _stand_ins(table: Table, meaning: Meaning, notes: list[str]) -> list[str]:
    """`fallback` for cells without a header above them, which would otherwise hold their lines."""
    loose = [*table.beyond, *(column for column in table.columns if not column.header and column.filled)]
    taken: dict[str, int] = {}
    for column in loose:
        name = None
        if column.type == "postcode" and "supplier_postcode" in meaning.fields:
            name = "supplier_postcode"
        else:
            names = [one for one in _STAND_INS if one in meaning.fields and one not in taken]
            name = max(names, key=lambda one: meaning.fields[one].filled, default=None)
            if name is None:  # any field that is never empty, where nothing will ever be read in its stead
                full = [one for one, its in meaning.fields.items() if its.filled == table.lines and one not in taken]
                name = next((one for one in full if KINDS[meaning.kind].fields[one].type is FieldType.TEXT), None)
        if name and name not in taken:
            taken[name] = column.position
            notes.append(f"column {column.position} has no header: read as {name} where that is empty")
    if not taken:
        return []
    inner = ", ".join(f"{name}: {place}" for name, place in taken.items())
    return [f"fallback: {{{inner}}}  # check: no header stands over these columns; read where the own cell is empty"]


def _dates(meaning: Meaning) -> list[str]:
    kind = KINDS[meaning.kind]
    columns = [column for name, column in meaning.fields.items() if kind.fields[name].type is FieldType.DATE]
    formats = list(dict.fromkeys(one for column in columns for one in column.dates.formats))
    if not formats:
        return []
    asks = ""
    if any(column.dates.is_mixed for column in columns):
        asks = "  # check: some cells have the month first and go to quarantine"
    elif any(column.dates.is_ambiguous for column in columns):
        asks = "  # check: day and month could be exchanged in every cell"
    return [f"dates: [{', '.join(map(_double, formats))}]{asks}"]


def _vat(meaning: Meaning) -> tuple[str, str]:
    amount = meaning.fields.get(KINDS[meaning.kind].amount or "")
    if amount is None:
        return "unknown", "no pounds"
    text = re.sub(r"[^a-z]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", amount.header).casefold())
    if re.search(r"\b(nett?|exc\w*|ex|excluding|less) ?(of )?(vat)?\b", text):
        return "net", f"the header says so: {_plain(amount.header)}"
    if re.search(r"\b(gross|inc\w*|including)\b", text):
        return "gross", f"the header says so: {_plain(amount.header)}"
    return "unknown", "check: net, gross or unknown"


def _plain(text: str) -> str:
    """A text in a comment."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _scalar(text: str) -> str:
    written = yaml.safe_dump(text, allow_unicode=True, width=10**6).strip()
    return written.removesuffix("...").strip()


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'" if text.isprintable() else _scalar(text)


def _double(text: str) -> str:
    return f'"{text}"' if text.isprintable() and not set('"\\') & set(text) else _scalar(text)


def _flow(items: Sequence[str]) -> str:
    return yaml.safe_dump(list(items), allow_unicode=True, width=10**6, default_flow_style=True).strip()


def _value(value: Any) -> str:
    return _double(value) if isinstance(value, str) and (not value.isalnum() or len(value) == 1) else str(value)


def year_start(of: InstitutionType | None) -> int:
    """The month in which the financial year of a type of body begins."""
    return 8 if of in {InstitutionType.UNIVERSITY, InstitutionType.COLLEGE} else 4


def span(meaning: Meaning) -> tuple[date, date] | None:
    """First and last day of the field that dates the kind's lines, else of its one column of dates; None without."""
    kind = KINDS[meaning.kind]
    if kind.dated:
        column: Column | None = meaning.fields.get(kind.dated)
        if column is None:
            others: Mapping[str, Column] = {
                name: one for name, one in meaning.fields.items() if kind.fields[name].type is FieldType.DATE
            }
            column = next(iter(others.values()), None)
        return column.dates.span() if column else None
    return None
