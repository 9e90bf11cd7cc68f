"""Drift: for the layouts of the repository, what changes without harm is read and what harms is caught.

Each layout gets a small made-up file of its own; a drift changes it; then either every value lands in the field it
landed in before, or the file is held, or its lines are quarantined. Nothing in between.
"""

import csv
import datetime as dt
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import yaml
from anchorspend.contract import Feed, Layout, Period, load_institutions
from anchorspend.kinds import FieldType
from anchorspend.read import Held, read
from test_read import Lines, records

APRIL = Period("2017-04", dt.date(2017, 4, 1), dt.date(2017, 4, 30))
LINES = 6
Table = list[list[Any]]


@dataclass
class Case:
    """A layout, a table its institution could have sent, and what is in each field of each line."""

    feed: Feed
    layout: Layout
    table: Table
    expected: list[dict[str, Any]]

    @property
    def header(self) -> list[str]:
        return self.table[0]

    def place(self, field: str) -> int:
        """The column of a field in the table as it was made."""
        return list(self.layout.columns).index(field)

    def words(self) -> str:
        """A field of free text."""
        fields = self.feed.definition.fields
        return next(field for field in self.layout.columns if fields[field].type is FieldType.TEXT)

    def needed(self) -> list[str]:
        return [field for field in self.layout.columns if field not in self.layout.optional]

    def read(self, data: bytes, **changes: Any) -> Lines:
        layout = Layout.model_validate({**self.layout.model_dump(), **changes})
        reading = read(io.BytesIO(data), self.feed, layout, APRIL)
        parts = list(reading.parts)
        good = [row for part in parts for row in records(part.good)]
        bad = [one for part in parts for one in part.bad]
        return Lines(good, bad, reading.lines, reading.amount, reading.encoding, reading.totals, reading.findings)

    def write(self, table: Table, encoding: str | None = None, sheet: str = "Apr 2017", **how: Any) -> bytes:
        stream = io.BytesIO()
        if self.layout.format == "workbook":
            book = openpyxl.Workbook()
            book.active.title = sheet
            for row in table:
                book.active.append(row)
            book.save(stream)
            return stream.getvalue()
        text = io.StringIO(newline="")
        plain = [[self.written(cell) for cell in row] for row in table]
        csv.writer(text, **{"delimiter": self.layout.delimiter, **how}).writerows(plain)
        own = "utf-8" if self.layout.encoding == "detect" else self.layout.encoding
        return text.getvalue().encode(encoding or own)

    def written(self, cell: Any) -> str:
        return cell.strftime(self.layout.dates[0]) if isinstance(cell, dt.date) else str(cell)


def case(feed: Feed, layout: Layout) -> Case:
    fields = feed.definition.fields
    sign = -1 if layout.payments_are == "negative" else 1
    header = [spellings[0] for spellings in layout.spellings().values()]
    header += [f"{name.replace('*', 'any')}" for name in layout.ignore]
    rows, expected = [], []
    for number in range(LINES):
        row: list[Any] = []
        line: dict[str, Any] = {}
        for field in layout.columns:
            match fields[field].type:
                case FieldType.DATE:
                    cell, value = (day := dt.date(2017, 4, 13 + number)), day.isoformat()
                case FieldType.MONEY:
                    cell, value = sign * (100 + number), Decimal(100 + number)
                case FieldType.INTEGER:
                    cell, value = 7 + number, str(7 + number)
                case FieldType.FLAG:
                    cell, value = "Yes", "t"
                case _:
                    cell = value = f"{field} {number}"
            row.append(cell)
            line[field] = value
        rows.append([*row, *["ignored"] * len(layout.ignore)])
        expected.append(line)
    return Case(feed, layout, [header, *rows], expected)


def cases() -> dict[str, Case]:
    """Layouts of the repository's institutions: four unlike kinds, each in every way it is written."""
    found: dict[tuple[str, ...], tuple[str, Case]] = {}
    for institution in load_institutions().values():
        for feed_id, feed in institution.feeds.items():
            for number, layout in enumerate(feed.layouts, start=1):
                way = (feed.kind, layout.format, layout.delimiter, layout.encoding, layout.payments_are)
                is_table = layout.format != "json" and not layout.fallback
                if is_table and feed.kind in {"ledger", "observatory", "contract", "event"}:
                    found.setdefault(way, (f"{institution.id}.{feed_id}.{number}", case(feed, layout)))
    return dict(found.values())


CASES = cases()
every_layout = pytest.mark.parametrize("name", CASES)


def chance(*of: str) -> random.Random:
    return random.Random("/".join(of))


def assert_as_expected(found: Lines, one: Case, fields: list[str] | None = None) -> None:
    assert not found.bad
    assert [
        {field: row[field] for field in fields or one.layout.columns} for row in found.good
    ] == [{field: line[field] for field in fields or one.layout.columns} for line in one.expected]  # fmt: skip


def reordered(table: Table, random: random.Random) -> Table:
    order = random.sample(range(len(table[0])), len(table[0]))
    return [[row[place] for place in order] for row in table]


def recased(table: Table, random: random.Random) -> Table:
    return [[random.choice([str.upper, str.lower, str.title])(name) for name in table[0]], *table[1:]]


def respaced(table: Table, random: random.Random) -> Table:
    gaps = [" ", "  ", "\n", " \u00a0"]
    return [[f" {random.choice(gaps).join(name.split(' '))} " for name in table[0]], *table[1:]]


def below_a_preamble(table: Table, random: random.Random) -> Table:
    above = [["Payments of a public body"], [], ["Date of the report", "today"], ["Total", 123], [""]]
    return [*above[: random.randint(1, 5)], *table]


HARMLESS: dict[str, Callable[[Table, random.Random], Table]] = {
    "nothing": lambda table, random: table,
    "order": reordered,
    "case": recased,
    "spaces": respaced,
    "preamble": below_a_preamble,
    "blank rows": lambda table, random: [row for line in table for row in ([], line, [" "])],
    "trailing delimiters": lambda table, random: [[*row, "", "", ""] for row in table],
    "a blank first column": lambda table, random: [["", *row] for row in table],
    "the header on every page": lambda table, random: [*table[:3], table[0], *table[3:], table[0]],
    "all at once": lambda table, random: below_a_preamble(
        respaced(recased(reordered(table, random), random), random), random
    ),
}


@every_layout
@pytest.mark.parametrize("drift", HARMLESS)
def test_a_harmless_change_is_read_as_before(drift: str, name: str) -> None:
    one = CASES[name]
    found = one.read(one.write(HARMLESS[drift](one.table, chance(drift, name))))
    assert_as_expected(found, one)
    assert found.findings == []


@every_layout
@pytest.mark.parametrize("how", [{"quoting": csv.QUOTE_ALL}, {"lineterminator": "\r"}, {"lineterminator": "\n"}])
def test_quotes_and_line_endings_change_nothing(how: dict[str, Any], name: str) -> None:
    one = CASES[name]
    assert_as_expected(one.read(one.write(one.table, **how)), one)


def accepted(note: str | None) -> dict[str, Any]:
    """What the letter says would accept the file, as keys of a layout."""
    assert note
    assert "What we found" in note
    assert "What you can do" in note
    _, found, contract = note.partition("in the layout of the contract:\n\n")
    return yaml.safe_load(contract) if found else {}


def held(one: Case, data: bytes) -> Held:
    with pytest.raises(Held) as refused:
        one.read(data)
    assert refused.value.note
    assert str(refused.value).count("\n") == 0
    return refused.value


def renamed_near(name: str) -> str:
    """A new name that reads like the old one."""
    return f"{name} 2" if len(name) > 4 else f"{name} of it" if len(name) > 6 else f"The {name}"


@every_layout
def test_a_renamed_column_is_held_and_the_letter_names_both(name: str) -> None:
    one = CASES[name]
    for field in one.needed():
        place = one.place(field)
        new = renamed_near(one.header[place])
        data = one.write([[*one.header[:place], new, *one.header[place + 1 :]], *one.table[1:]])
        refused = held(one, data)
        assert f"no column for {field} " in str(refused)
        assert f"'{one.header[place]}'" in str(refused.note)
        assert f"is called '{new}' now, it seems" in str(refused.note)
        changes = accepted(refused.note)
        columns = {**one.layout.columns, **changes.pop("columns")}
        assert_as_expected(one.read(data, columns=columns, **changes), one)


@every_layout
def test_a_column_renamed_to_something_else_is_gone_and_new(name: str) -> None:
    one = CASES[name]
    for field in one.needed():
        place = one.place(field)
        refused = held(one, one.write([[*one.header[:place], "Zzyzx", *one.header[place + 1 :]], *one.table[1:]]))
        assert "is gone." in str(refused.note)
        assert "New: 'Zzyzx'." in str(refused.note)


@every_layout
def test_a_column_that_is_gone_is_held_and_accepted_only_where_a_file_may_lack_it(name: str) -> None:
    one = CASES[name]
    for field in one.needed():
        place = one.place(field)
        data = one.write([[*row[:place], *row[place + 1 :]] for row in one.table])
        refused = held(one, data)
        assert f"no column for {field} " in str(refused)
        definition = one.feed.definition.fields[field]
        changes = accepted(refused.note)
        if definition.required or definition.filled:
            assert not changes
        else:
            others = [other for other in one.layout.columns if other != field]
            assert_as_expected(one.read(data, **changes), one, others)


@every_layout
def test_a_new_column_is_held_wherever_it_stands_and_the_letter_accepts_it(name: str) -> None:
    one = CASES[name]
    for place in range(len(one.header) + 1):
        data = one.write([[*row[:place], "Brand new" if row is one.header else "x", *row[place:]] for row in one.table])
        refused = held(one, data)
        assert "nobody mapped the column 'Brand new'" in str(refused)
        assert_as_expected(one.read(data, **accepted(refused.note)), one)


@every_layout
def test_a_column_that_is_there_twice_is_held(name: str) -> None:
    one = CASES[name]
    for field in one.layout.columns:
        place = one.place(field)
        refused = held(one, one.write([[*row, row[place]] for row in one.table]))
        assert f"two columns could be {field}" in str(refused)


@every_layout
def test_a_new_column_without_a_header_quarantines_every_line(name: str) -> None:
    one = CASES[name]
    for place in range(len(one.header)):
        data = one.write([[*row[:place], "" if row is one.header else "x", *row[place:]] for row in one.table])
        found = one.read(data)
        assert (found.good, len(found.bad)) == ([], LINES)


@every_layout
def test_cells_that_move_under_a_header_that_stays_are_caught(name: str) -> None:
    one = CASES[name]
    found = one.read(one.write([one.header, *(["", *row] for row in one.table[1:])]))
    assert (found.good, len(found.bad)) == ([], LINES)


@every_layout
def test_two_columns_of_unlike_types_that_change_places_are_caught(name: str) -> None:
    one = CASES[name]
    fields = one.feed.definition.fields
    for first in one.needed():
        for second in one.needed():
            types = {fields[first].type, fields[second].type}
            a, b = one.place(first), one.place(second)
            if a < b and FieldType.TEXT not in types and FieldType.FLAG not in types and FieldType.DATE in types:
                if fields[first].type is fields[second].type:
                    continue
                header = list(one.header)
                header[a], header[b] = header[b], header[a]
                assert one.read(one.write([header, *one.table[1:]])).good == []


@every_layout
def test_a_header_that_is_merged_split_or_missing_is_held(name: str) -> None:
    one = CASES[name]
    held(one, one.write([[one.header[0], *[""] * (len(one.header) - 1)], *one.table[1:]]))
    held(one, one.write([[" ".join(one.header)], *one.table[1:]]))
    first, second = one.header[::2], one.header[1::2]
    over_two_rows = [[name for name in first for name in (name, "")], [name for name in second for name in ("", name)]]
    held(one, one.write([*over_two_rows, *one.table[1:]]))
    assert "no header row" in str(held(one, one.write(one.table[1:])))


@every_layout
@pytest.mark.parametrize("other", [",", ";", "\t", "|"])
def test_another_delimiter_is_held_and_the_letter_accepts_it(other: str, name: str) -> None:
    one = CASES[name]
    data = one.write(one.table, delimiter=other)
    if one.layout.format == "workbook" or other == one.layout.delimiter:
        assert_as_expected(one.read(data), one)
        return
    refused = held(one, data)
    assert "no header row" in str(refused)
    assert accepted(refused.note) == {"delimiter": other}
    assert_as_expected(one.read(data, delimiter=other), one)


@every_layout
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_another_encoding_is_read_right_or_held(encoding: str, name: str) -> None:
    one = CASES[name]
    place = one.place(one.words())
    named = [[*row[:place], f"Café {number} £", *row[place + 1 :]] for number, row in enumerate(one.table[1:])]
    try:
        found = one.read(one.write([one.header, *named], encoding=encoding))
    except Held as refused:
        assert one.layout.encoding != "detect", refused
    else:
        assert [row[one.words()] for row in found.good] == [f"Café {number} £" for number in range(LINES)]


@every_layout
def test_a_total_that_was_never_there_before_is_held_and_the_letter_accepts_it(name: str) -> None:
    one = CASES[name]
    amount = one.feed.definition.amount
    if amount not in one.layout.columns:
        return
    row: list[Any] = [""] * len(one.header)
    row[one.place(one.words())] = "Grand Total"
    row[one.place(amount)] = sum(line[one.place(amount)] for line in one.table[1:])
    data = one.write([*one.table, row])
    if one.layout.totals:
        return
    refused = held(one, data)
    found = one.read(data, **accepted(refused.note))
    assert_as_expected(found, one)
    assert found.totals == found.amount == sum(line[amount] for line in one.expected)


BOOKS = {name: one for name, one in CASES.items() if one.layout.format == "workbook"}


@pytest.mark.parametrize("name", BOOKS)
def test_sheets_that_come_and_go(name: str) -> None:
    one = BOOKS[name]
    assert one.layout.sheets != ".*"
    book = openpyxl.load_workbook(io.BytesIO(one.write(one.table)))
    book.create_sheet("Notes").append(["Read me"])
    assert_as_expected(one.read(saved(book)), one)
    book.create_sheet("May 2017").append(["Read me"])
    with pytest.raises(Held, match=r"sheet 'May 2017': no header row"):
        one.read(saved(book))
    with pytest.raises(Held, match="no sheet fits"):
        one.read(one.write(one.table, sheet="Sheet1"))


def saved(book: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def a_workbook(one: Case) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(one.header)
    return saved(book)


NO_DATA: dict[str, tuple[Callable[[Case], bytes], str]] = {
    "a web page": (lambda one: b"<!DOCTYPE html>", "web page"),
    "nothing": (lambda one: b"", "empty"),
    "another format": (
        lambda one: ",".join(one.header).encode() if one.layout.format == "workbook" else a_workbook(one),
        "set `format: ",
    ),
}


@every_layout
@pytest.mark.parametrize("what", NO_DATA)
def test_a_file_of_another_kind_is_held_with_a_letter(what: str, name: str) -> None:
    make, word = NO_DATA[what]
    refused = held(CASES[name], make(CASES[name]))
    assert word in str(refused)
    if what == "another format":
        assert accepted(refused.note)["format"] != CASES[name].layout.format


def test_the_letter_reads_as_a_letter() -> None:
    feed = load_institutions()["luton_council"].feeds["ledger"]
    one = case(feed, feed.layouts[0])
    header = ["Net Amount" if cell.startswith("Net") else cell for cell in one.header if cell != "Invoice No"]
    place = one.place("invoice_ref")
    rows = [[*row[:place], *row[place + 1 :], "x"] for row in one.table[1:]]
    refused = held(one, one.write([[*header, "Contract"], *rows]))
    assert refused.note == (
        "What we found:\n"
        "- The column 'Net Amount (£)' (pounds paid, VAT as the feed's `vat` says) is called 'Net Amount' now, it "
        "seems.\n"
        "- The column 'Invoice No' (the supplier's invoice number) is gone.\n"
        "- New: 'Contract'.\n\n"
        "What we hold back: the whole file. None of its lines is counted until this is settled, because a guess could "
        "move published figures without anybody seeing it. What we had from earlier files stays as it is.\n\n"
        "What you can do:\n"
        "- Send the file in the layout of the earlier ones, or\n"
        "- tell us that the new layout is meant to stay, and what each new column holds.\n\n"
        "What would accept the file as it is, in the layout of the contract:\n\n"
        "columns:  # the other fields as they are\n"
        '  amount: ["Net Amount (£)", "Net Amount"]\n'
        'optional: ["invoice_ref"]\n'
        'ignore: ["Contract"]\n'
    )
