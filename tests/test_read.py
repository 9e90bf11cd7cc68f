"""Reading a file under a layout: every line is read once or the file is held, and a held file says what to do."""

import codecs
import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import openpyxl
import openpyxl.chart
import pytest
import yaml
from anchorspend.contract import Feed, Period
from anchorspend.errors import UserError
from anchorspend.read import Finding, Held, read
from anchorspend.read.lines import Quarantined
from hypothesis import example, given, settings
from hypothesis import strategies as st

COLUMNS = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}
APRIL = Period("2017-04", dt.date(2017, 4, 1), dt.date(2017, 4, 30))
HEADER = "Date,Supplier,Amount"
LINE = "03/04/2017,Acme,1.50"
quick = settings(deadline=None, max_examples=150, derandomize=True)


class Lines(NamedTuple):
    """All that was read of a file."""

    good: list[dict[str, Any]]
    bad: list[Quarantined]
    lines: int
    amount: Decimal
    encoding: str | None
    totals: Decimal | None
    findings: list[Finding]

    def reasons(self) -> list[tuple[int, str | None, str | None, str]]:
        return [(one.source_row, p.column, p.value, p.reason) for one in self.bad for p in one.problems]


def feed(columns: dict[str, Any] | None = None, **layout: Any) -> Feed:
    return Feed.model_validate(
        {
            "kind": "ledger",
            "description": "Payments",
            "source": {"folder": "nowhere"},
            "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
            "vat": "net",
            "layouts": [{"columns": columns or COLUMNS, **layout}],
        }
    )


def records(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def lines_of(data: bytes | str | Iterable[str], of: Feed | None = None, period: Period = APRIL) -> Lines:
    of = of or feed()
    text = data if isinstance(data, bytes | str) else "\n".join(data) + "\n"
    reading = read(io.BytesIO(text if isinstance(text, bytes) else text.encode()), of, of.layouts[0], period)
    parts = list(reading.parts)
    good = [row for part in parts for row in records(part.good)]
    bad = [one for part in parts for one in part.bad]
    return Lines(good, bad, reading.lines, reading.amount, reading.encoding, reading.totals, reading.findings)


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def rows_by_the_csv_module(text: str) -> dict[int, list[str]]:
    """The records after the header row that are not blank, by number."""
    records = enumerate(csv.reader(io.StringIO(text, newline="")), start=1)
    return {number: cells for number, cells in records if number > 1 and any(cell.strip() for cell in cells)}


def assert_every_line_is_accounted_for(read_lines: Lines, expected: dict[int, list[str]]) -> None:
    assert read_lines.lines == len(read_lines.good) + len(read_lines.bad) == len(expected)
    numbered = [(row["line_no"], row["source_row"]) for row in read_lines.good]
    numbered += [(one.line_no, one.source_row) for one in read_lines.bad]
    assert sorted(numbered) == list(enumerate(sorted(expected), start=1))
    for row in read_lines.good:
        assert (row["supplier_name"] or "") == expected[row["source_row"]][1].strip()
    for one in read_lines.bad:
        assert one.cells == expected[one.source_row]
        assert one.problems
    total = [row["amount"] for row in read_lines.good] + [one.amount for one in read_lines.bad if one.amount]
    assert read_lines.amount == sum(total, Decimal(0))


ENCODINGS = st.sampled_from(["detect", "utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])


@quick
@given(
    st.binary() | st.binary().map(f"{HEADER}\n".encode().__add__),
    ENCODINGS,
    st.sampled_from(["csv", "workbook", "json"]),
)
@example(b"\xff\xfe\x00", "detect", "csv")
@example(b"PK\x03\x04", "detect", "workbook")
@example(b"\x00" * 2000, "utf-16", "csv")
def test_any_bytes_are_read_whole_or_held(data: bytes, encoding: str, format_name: str) -> None:
    try:
        found = lines_of(data, feed(encoding=encoding, format=format_name))
    except UserError as held:
        assert str(held)
    else:
        assert found.lines == len(found.good) + len(found.bad)


CELLS = st.text(max_size=8) | st.sampled_from(
    ["", " ", "03/04/2017", "31/12/2017", "1.50", "(2.00)", "£3", "a\nb", '"']
)
ROWS = st.lists(st.lists(CELLS, max_size=5) | st.just(LINE.split(",")), max_size=12)


@quick
@given(ROWS, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_arbitrary_rows_lose_and_invent_no_line(rows: list[list[str]], ending: str, encoding: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=ending).writerows([HEADER.split(","), *rows])
    found = lines_of(written.getvalue().encode(encoding))
    assert_every_line_is_accounted_for(found, rows_by_the_csv_module(written.getvalue()))


@quick
@given(st.lists(st.binary(max_size=12) | st.just(LINE.encode()), max_size=12).map(b"\n".join))
def test_arbitrary_bytes_below_a_header_lose_and_invent_no_line(data: bytes) -> None:
    whole = f"{HEADER}\n".encode() + data
    try:
        found = lines_of(whole, feed(encoding="latin-1"))
    except Held:
        return
    assert_every_line_is_accounted_for(found, rows_by_the_csv_module(whole.decode("latin-1")))


def test_more_lines_than_are_typed_at_a_time_keep_their_numbers_and_pounds() -> None:
    rows = [f"03/04/2017,S{number},{number}.01" if number % 3 else "" for number in range(1, 5001)]
    found = lines_of([HEADER, *rows])
    assert_every_line_is_accounted_for(found, rows_by_the_csv_module("\n".join([HEADER, *rows])))
    assert found.amount == sum(Decimal(f"{number}.01") for number in range(1, 5001) if number % 3)


def test_a_line_is_typed() -> None:
    columns = {**COLUMNS, "invoice_date": "Invoiced", "description": "Text"}
    (line,) = lines_of(
        ["Text,Invoiced,Amount,Supplier,Date", " words ,1/4/2017,£1.50, Acme ,03/04/2017"], feed(columns)
    ).good
    assert {key: value for key, value in line.items() if value is not None} == {
        "line_no": 1,
        "source_row": 2,
        "payment_date": "2017-04-03",
        "invoice_date": "2017-04-01",
        "supplier_name": "Acme",
        "amount": Decimal("1.50"),
        "description": "words",
    }


@pytest.mark.parametrize(
    "header",
    ["DATE,supplier,Amount", " Date , Supplier,Amount ", '"Da\nte",Supplier,Amount', "\ufeffDate,Supplier,Amount"],
)
def test_case_spacing_and_a_byte_order_mark_do_not_change_a_header(header: str) -> None:
    columns = {**COLUMNS, "payment_date": ["Date", "Da te"]}
    assert lines_of([header, LINE], feed(columns)).lines == 1


def test_a_header_may_have_several_spellings_and_stand_below_a_preamble() -> None:
    columns = {**COLUMNS, "amount": ["Amount", "Net Amount"]}
    found = lines_of(["Payments of a council", "", "Date: April,,", "Date,Supplier,Net Amount", LINE], feed(columns))
    assert [(row["line_no"], row["source_row"]) for row in found.good] == [(1, 5)]


def test_a_header_is_looked_for_only_so_far() -> None:
    rows = [*["words"] * 4, HEADER, LINE]
    assert lines_of(rows, feed(header_within=5)).lines == 1
    with pytest.raises(Held, match="no header row in the first 4 rows; the contract looks for 'Date', 'Supplier', 'Am"):
        lines_of(rows, feed(header_within=4))


def test_a_column_that_is_gone_holds_the_file_and_names_the_line_to_write() -> None:
    with pytest.raises(Held) as held:
        lines_of(["Report", "Date,Supplier,Net", LINE])
    assert "no column for amount ('Amount'). The header row reads Date, Supplier, Net. " in str(held.value)
    assert "spellings under `columns`" in str(held.value)
    assert lines_of(["Date,Supplier,Net", LINE], feed({**COLUMNS, "amount": ["Amount", "Net"]})).lines == 1


@pytest.mark.parametrize("stranger", ["Cost Centre", "Cost, Centre", "Note: all", "#", "Nr. [1]", "Total 'net'"])
def test_a_column_nobody_mapped_holds_the_file_and_the_line_it_names_accepts_it(stranger: str) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([[*HEADER.split(","), stranger], [*LINE.split(","), "x"]])
    with pytest.raises(Held, match="nobody mapped the column") as held:
        lines_of(written.getvalue())
    line = re.search(r"`(ignore: .*)`", str(held.value))
    assert line
    assert lines_of(written.getvalue(), feed(**yaml.safe_load(line[1]))).lines == 1


def test_two_columns_of_one_field_hold_the_file() -> None:
    with pytest.raises(Held, match="two columns could be amount: Amount, Net"):
        lines_of(["Date,Supplier,Amount,Net", f"{LINE},2"], feed({**COLUMNS, "amount": ["Amount", "Net"]}))


def test_short_lines_are_filled_up_and_what_stands_beyond_the_header_is_a_problem() -> None:
    found = lines_of(
        [HEADER + ",Text", LINE, f"{LINE},x,,", f"{LINE},x,,lost"], feed({**COLUMNS, "description": "Text"})
    )
    assert [row["description"] for row in found.good] == [None, "x"]
    assert found.reasons() == [(4, None, "lost", "a cell to the right of the header")]
    assert found.bad[0].cells == [*LINE.split(","), "x", "", "lost"]
    assert found.amount == Decimal("4.50")


def test_a_line_too_short_for_a_field_that_must_be_filled_is_quarantined() -> None:
    assert lines_of([HEADER, "03/04/2017,Acme"]).reasons() == [(2, "Amount", "", "is empty")]


WITH_POSTCODE = {**COLUMNS, "supplier_postcode": "Postcode"}


def test_a_fallback_column_is_read_where_the_own_cell_is_empty() -> None:
    rows = [HEADER + ",Postcode", f"{LINE},LU1 2AA,,LU4 4AA", f"{LINE}, ,,LU2 2BB", LINE, f"{LINE},,,"]
    found = lines_of(rows, feed(WITH_POSTCODE, fallback={"supplier_postcode": 6}))
    assert [row["supplier_postcode"] for row in found.good] == ["LU1 2AA", "LU2 2BB", None, None]
    assert not found.bad


@pytest.mark.parametrize("row", [f"{LINE},,lost,LU2 2BB", f"{LINE},,lost,LU2 2BB,", f"{LINE},,lost"])
def test_a_cell_between_the_header_and_a_fallback_column_is_not_lost(row: str) -> None:
    found = lines_of([HEADER + ",Postcode", row], feed(WITH_POSTCODE, fallback={"supplier_postcode": 6}))
    assert found.reasons() == [(2, None, "lost", "a cell to the right of the header")]


def test_a_cell_under_a_blank_header_is_a_problem_of_its_line() -> None:
    found = lines_of([HEADER + ",,", f"{LINE},,", f"{LINE},lost,", f"{LINE}, ,also"])
    reason = "a cell under a blank header"
    assert found.reasons() == [(3, None, "lost", reason), (4, None, "also", reason)]
    assert (len(found.good), found.amount) == (1, Decimal("4.50"))
    found = lines_of([f"Date,,Supplier,Amount{',' * 9}", f"03/04/2017,,Acme,1.50{',' * 9}"])
    assert not found.bad


def test_a_column_without_a_header_may_be_a_fallback() -> None:
    found = lines_of(
        [HEADER + ",Postcode,", f"{LINE},,LU2 2BB"], feed(WITH_POSTCODE, fallback={"supplier_postcode": 5})
    )
    assert [row["supplier_postcode"] for row in found.good] == ["LU2 2BB"]


def test_the_header_of_every_page_of_a_pdf_is_no_line() -> None:
    found = lines_of([HEADER, LINE, HEADER, LINE, HEADER + ",,", HEADER.lower(), HEADER + ",x", HEADER])
    assert [row["source_row"] for row in found.good] == [2, 4]
    assert [one.source_row for one in found.bad] == [6, 7]
    assert found.lines == 4


def test_the_column_of_an_optional_field_may_be_absent() -> None:
    columns = {**COLUMNS, "description": "Text", "supplier_ref": "No"}
    found = lines_of(
        ["Text,Date,Supplier,Amount", f"words,{LINE}"], feed(columns, optional=["description", "supplier_ref"])
    )
    assert [(row["description"], row["supplier_ref"]) for row in found.good] == [("words", None)]
    with pytest.raises(Held, match="no column for description"):
        lines_of([HEADER, LINE], feed(columns, optional=["supplier_ref"]))


@pytest.mark.parametrize(
    ("star", "header", "known"),
    [
        ("Note*", "notes of May", True),
        ("*", "anything", True),
        ("x*z", "X y\nZ", True),
        ("Note *", "Note *", True),
        ("Note", "Notes", False),
        ("N.te", "Note", False),
        ("*ote", "Notes", False),
    ],
)
def test_a_star_in_ignore_stands_for_any_characters(star: str, header: str, known: bool) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([[*HEADER.split(","), header], [*LINE.split(","), "x"]])
    if known:
        assert lines_of(written.getvalue(), feed(ignore=[star])).lines == 1
    else:
        with pytest.raises(Held, match="nobody mapped"):
            lines_of(written.getvalue(), feed(ignore=[star]))


TOTALS = {"field": "supplier_name", "label": "(grand )?total:?"}


@pytest.mark.parametrize("label", ["Total", " GRAND TOTAL: "])
def test_a_totals_row_is_kept_out_of_the_lines(label: str) -> None:
    found = lines_of([HEADER, LINE, LINE.replace("Acme", "Total Oil"), f",{label},£4.00"], feed(totals=TOTALS))
    assert (found.lines, found.amount, found.totals, found.bad) == (2, Decimal("3.00"), Decimal("4.00"), [])


def test_a_totals_row_that_is_declared_and_absent_is_none() -> None:
    assert lines_of([HEADER, LINE], feed(totals=TOTALS)).totals is None
    assert lines_of([HEADER], feed(totals=TOTALS)).totals is None


def test_the_totals_of_several_sheets_are_added_up() -> None:
    rows = [HEAD, [dt.date(2017, 4, 3), "A", -1], [None, "Total", -1]]
    found = lines_of(workbook(A=rows, B=rows, C=rows[:2]), feed(**XLSX, totals=TOTALS, payments_are="negative"))
    assert (found.lines, found.amount, found.totals) == (3, Decimal(3), Decimal(2))


def test_two_totals_in_one_sheet_or_one_that_cannot_be_read_hold_the_file() -> None:
    with pytest.raises(Held, match=r"rows 3 and 5 both read as the total .*; write a label that only the one has"):
        lines_of([HEADER, LINE, ",Total,1.50", LINE, ",Total,3"], feed(totals=TOTALS))
    with pytest.raises(Held, match=r"row 3: the total reads 'see below', not an amount of money"):
        lines_of([HEADER, LINE, ",Total,see below"], feed(totals=TOTALS))


def test_a_total_in_a_file_without_the_optional_column_of_its_pounds_is_held() -> None:
    register = {"kind": "contract", "description": "Contracts", "source": {"folder": "x"}, "vat": "net"}
    columns = {"contract_ref": "No", "title": "Title", "supplier_name": "Supplier", "contract_value": "Value"}
    layout = {"columns": columns, "optional": ["contract_value"], "totals": {"field": "title", "label": "total"}}
    of = Feed.model_validate({**register, "period": r"(?P<year>\d{4})", "layouts": [layout]})
    assert lines_of(["No,Title,Supplier,Value", "1,A,B,5", ",Total,,5"], of).totals == 5
    assert lines_of(["No,Title,Supplier", "1,A,B"], of).good[0]["contract_value"] is None
    with pytest.raises(Held, match="row 3: the total reads '', not an amount"):
        lines_of(["No,Title,Supplier", "1,A,B", ",Total,"], of)


@pytest.mark.parametrize(
    "row", [",Grand Total,3.00", "Total (all),,3.00", ",,3.00", "SUM,,3", ",It's the sub-total [net],£3.00"]
)
def test_a_last_row_that_reads_like_a_total_holds_the_file_and_the_line_it_names_accepts_it(row: str) -> None:
    rows = [HEADER, LINE, LINE, "", row, ""]
    with pytest.raises(
        Held, match=r"row 5 holds £3(\.00)?, the sum of the lines above it; if it is their total"
    ) as held:
        lines_of(rows)
    line = re.search(r"`(totals: .*)`", str(held.value))
    assert line
    assert held.value.note
    assert line[1] in held.value.note
    found = lines_of(rows, feed(**yaml.safe_load(line[1])))
    assert (found.lines, found.amount, found.totals) == (2, Decimal(3), Decimal(3))


@pytest.mark.parametrize(
    "row",
    [
        "03/04/2017,Acme,3.00",  # the sum of the others by chance, and reads like a line
        ",Total,3.01",  # no sum
        ",Total,n/a",
        "03/04/2017,Total Oil,7",
    ],
)
def test_a_last_row_that_is_no_total_is_a_line(row: str) -> None:
    assert lines_of([HEADER, LINE, LINE, row]).lines == 3


def test_a_total_of_all_sheets_under_the_last_one_holds_the_file() -> None:
    rows = [HEAD, [dt.date(2017, 4, 3), "A", 1]]
    with pytest.raises(Held, match=r"sheet 'B': row 3 holds £2\.00, the sum of the lines above"):
        lines_of(workbook(A=rows, B=[*rows, [None, "Total", 2]]), feed(**XLSX))


DAMAGED = {
    "11-Oct": "date",
    "Jan-12": "date",
    "1-Jan-2012": "date",
    "01/02/2012 00:00": "date",
    "2012-02-01 00:00:00": "date",
    "1.23E+11": "shortened",
    "#N/A": "error",
    "########": "narrow",
}


@pytest.mark.parametrize("cell", DAMAGED)
def test_what_a_spreadsheet_did_to_a_reference_is_found_and_kept(cell: str) -> None:
    columns = {**COLUMNS, "transaction_ref": "Ref", "description": "Text"}
    rows = [f"{HEADER},Ref,Text", f"{LINE},A1,x", f"{LINE}, {cell} ,{cell}", *[f"{LINE},{cell},"] * 3000]
    found = lines_of(rows, feed(columns))
    assert (len(found.good), found.bad) == (3002, [])
    assert {row["transaction_ref"] for row in found.good} == {"A1", cell}
    by_field = {one.field: one for one in found.findings}
    one = by_field.pop("transaction_ref")
    assert (one.column, one.lines, one.example, one.source_row) == ("Ref", 3001, cell, 3)
    assert DAMAGED[cell] in one.reason
    assert list(by_field) == (["description"] if "#" in cell else [])


def test_a_company_number_of_under_eight_digits_is_found() -> None:
    columns = {**COLUMNS, "company_number": "Company"}
    numbers = ["01234567", "1234567", "SC123456", "", "12", "OC301234"]
    found = lines_of([f"{HEADER},Company", *(f"{LINE},{number}" for number in numbers)], feed(columns))
    (one,) = found.findings
    assert (one.field, one.lines, one.example, one.source_row) == ("company_number", 2, "1234567", 3)


def test_damage_is_found_in_amounts_and_dates_that_are_quarantined_for_it() -> None:
    found = lines_of([HEADER, LINE, "########,Acme,1", "03/04/2017,Acme,#REF!"])
    assert len(found.bad) == 2
    assert [(one.field, one.example) for one in found.findings] == [("payment_date", "########"), ("amount", "#REF!")]


def test_a_true_date_among_the_references_of_a_workbook_is_found() -> None:
    columns = {**COLUMNS, "invoice_ref": "Invoice"}
    rows = [[*HEAD, "Invoice"], [dt.date(2017, 4, 3), dt.date(2017, 4, 3), 1, dt.date(2012, 10, 11)]]
    (one,) = lines_of(workbook(A=rows), feed(columns, **XLSX)).findings
    assert (one.field, one.example, one.source_row) == ("invoice_ref", "2012-10-11", 2)


def test_words_and_references_that_only_look_odd_are_no_damage() -> None:
    columns = {**COLUMNS, "transaction_ref": "Ref", "description": "Text"}
    cells = ["#", "#12", "INV-Jan-12", "1E5", "12-345", "A/01/02/2012", "20120201", "2012/13", "###"]
    found = lines_of([f"{HEADER},Ref,Text", *(f"{LINE},{cell},{cell}" for cell in cells)], feed(columns))
    assert (found.lines, found.findings) == (len(cells), [])
    found = lines_of([f"{HEADER},Text", f"{LINE},Jan-12"], feed({**COLUMNS, "description": "Text"}))
    assert found.findings == []


def test_blank_rows_are_not_lines_and_count_in_row_numbers() -> None:
    found = lines_of([HEADER, "", ",,", LINE, ' ,"\n ",\t', LINE, ""])
    assert [(row["line_no"], row["source_row"]) for row in found.good] == [(1, 4), (2, 6)]
    assert found.lines == 2


def test_a_newline_in_a_cell_is_one_row_as_a_spreadsheet_counts() -> None:
    found = lines_of(f'{HEADER}\r\n03/04/2017,"Acme\nLtd",1.50\r\n{LINE}\r\n')
    assert [(row["source_row"], row["supplier_name"]) for row in found.good] == [(2, "Acme\nLtd"), (3, "Acme")]


def test_a_nul_character_quarantines_its_line_alone() -> None:
    found = lines_of([HEADER, LINE, "03/04/2017,Ac\0me,1.50", LINE])
    assert found.reasons() == [(3, "Supplier", "Ac\0me", "holds a NUL character")]
    assert [row["source_row"] for row in found.good] == [2, 4]


def test_every_problem_of_a_line_is_told_and_its_readable_pounds_are_counted() -> None:
    found = lines_of([HEADER, LINE, "3rd April,Acme,(2.25)", "yesterday,Acme,n/a"])
    assert found.reasons() == [
        (3, "Date", "3rd April", "not a date written dd/mm/yyyy"),
        (4, "Date", "yesterday", "not a date written dd/mm/yyyy"),
        (4, "Amount", "n/a", "not an amount of money"),
    ]
    assert [one.amount for one in found.bad] == [Decimal("-2.25"), None]
    assert found.amount == Decimal("-0.75")


def test_payments_written_as_negative_become_positive() -> None:
    found = lines_of(
        [HEADER, "03/04/2017,A,-10.00", "03/04/2017,A,(5.25)", "bad,A,2.00"], feed(payments_are="negative")
    )
    assert [row["amount"] for row in found.good] == [Decimal("10.00"), Decimal("5.25")]
    assert (found.bad[0].amount, found.amount) == (Decimal("-2.00"), Decimal("13.25"))


@pytest.mark.parametrize(("day", "kept"), [("31/05/2017", True), ("01/06/2017", False), ("01/01/2001", True)])
def test_a_line_dated_more_than_a_month_after_its_period_is_quarantined(day: str, kept: bool) -> None:
    found = lines_of([HEADER, f"{day},Acme,1.50"])
    reason = "lies after 2017-05-31, a month past the period its file reports"
    assert found.reasons() == ([] if kept else [(2, "Date", day, reason)])
    assert found.amount == Decimal("1.50")


def test_only_the_date_of_payment_is_held_against_the_period() -> None:
    found = lines_of([HEADER + ",Invoiced", f"{LINE},01/01/2018"], feed({**COLUMNS, "invoice_date": "Invoiced"}))
    assert [row["invoice_date"] for row in found.good] == ["2018-01-01"]


@pytest.mark.parametrize(
    ("codec", "supplier", "detected"),
    [
        ("utf-8", "Café £ – Ω", "utf-8-sig"),
        ("utf-8-sig", "Café £ – Ω", "utf-8-sig"),
        ("utf-16", "Café £ – Ω", "utf-16"),
        ("utf-16-be", "Café £ – Ω", "utf-16"),
        ("cp1252", "Café £ – €", "cp1252"),
        ("latin-1", "Café £ \x81", "latin-1"),
        ("ascii", "Cafe", "utf-8-sig"),
    ],
)
def test_the_encoding_is_detected(codec: str, supplier: str, detected: str) -> None:
    mark = codecs.BOM_UTF16_BE if codec == "utf-16-be" else b""
    found = lines_of(mark + f"{HEADER}\n03/04/2017,{supplier},1.50\n".encode(codec))
    assert (found.encoding, found.good[0]["supplier_name"]) == (detected, supplier)


def test_a_character_cut_in_two_by_the_reading_block_is_not_mistaken_for_another_encoding() -> None:
    rows = f"{HEADER}\n03/04/2017,".encode()
    data = (
        rows
        + b"x" * ((1 << 20) - len(rows) - 1 - 200_000)
        + b",1\n03/04/2017,"
        + b"y" * (200_000 - 14)
        + "é,1\n".encode()
    )
    assert data[(1 << 20) - 1 : (1 << 20) + 1] == "é".encode()
    assert lines_of(data).encoding == "utf-8-sig"


def test_a_file_that_is_not_in_its_declared_encoding_is_held_with_the_fix() -> None:
    with pytest.raises(Held, match=r"not utf-8: .*; declare the right `encoding`, or `detect`"):
        lines_of(f"{HEADER}\n03/04/2017,Café,1\n".encode("cp1252"), feed(encoding="utf-8"))


@pytest.mark.parametrize("below", [3, 40_000], ids=["a short file", "a long file"])
@pytest.mark.parametrize("row", ['03/04/2017,"Acme,1.50', '03/04/2017,Acme,"1.50'])
def test_a_quote_that_is_never_closed_holds_the_file(row: str, below: int) -> None:
    with pytest.raises(Held, match=r"row 3: .*quote"):
        lines_of([HEADER, LINE, row, *[LINE.replace("Acme", "Acme and its many Sons")] * below])


def test_a_quote_that_is_never_closed_in_the_last_column_does_not_swallow_the_lines_below() -> None:
    with pytest.raises(Held, match=r"row 2: .*quote"):
        lines_of(["Date,Amount,Supplier", '03/04/2017,1.50,"Acme', "03/04/2017,2.50,Brown", "03/04/2017,3.50,Clark"])


IMPOSTORS = {
    "a web page": (b"<!DOCTYPE html><html><body>Not found</body></html>", "csv", "this is a web page"),
    "a web page after a mark": (b"\xef\xbb\xbf\r\n <HTML>", "csv", "this is a web page"),
    "a web page called workbook": (b"<html>", "workbook", "this is a web page"),
    "a workbook called csv": (workbook(A=[HEADER.split(",")]), "csv", "this is a workbook, not CSV; set `format: work"),
    "an old workbook called csv": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "csv", "set `format: workbook` if it is"),
    "a broken old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook", "the workbook cannot be read"),
    "text called workbook": (HEADER.encode(), "workbook", "this is text, not an XLSX workbook; set `format: csv`"),
    "records called csv": (b'[{"Date": 1}]', "csv", "this is JSON, not CSV; set `format: json`"),
    "a workbook called json": (
        workbook(A=[HEADER.split(",")]),
        "json",
        "this is a workbook, not JSON; set `format: wor",
    ),
    "text called json": (HEADER.encode(), "json", "this is not JSON"),
    "a PDF": (b"%PDF-1.7 ...", "csv", "this is a PDF; ask for CSV"),
    "a packed file": (b"\x1f\x8b\x08\x00", "csv", "this is packed with gzip; ask for CSV"),
    "a zip of nothing": (b"PK\x05\x06" + bytes(18), "csv", "no file in the zip fits `members: .*`; it holds nothing"),
    "a broken zip": (b"PK\x03\x04", "csv", "the zip cannot be unpacked"),
    "nothing called csv": (b"", "csv", "the file is empty"),
    "nothing called workbook": (b"", "workbook", "the file is empty"),
    "blanks": (b" \r\n\r\n", "csv", "the file is empty"),
    "a mark alone": (codecs.BOM_UTF8, "csv", "no header row"),
}


@pytest.mark.parametrize("name", IMPOSTORS)
def test_a_file_that_is_not_what_it_is_called_is_held_with_the_fix(name: str) -> None:
    data, format_name, message = IMPOSTORS[name]
    with pytest.raises(Held, match=re.escape(message)):
        lines_of(data, feed(format=format_name))


XLSX = {"format": "workbook"}
HEAD = ["Date", "Supplier", "Amount"]


def test_the_sheets_a_layout_names_are_read_one_after_the_other() -> None:
    data = workbook(
        **{
            "Notes": [["Read me"]],
            "Apr 2017": [["Payments"], HEAD, [dt.date(2017, 4, 3), "A", 1], [], [dt.date(2017, 4, 4), "B", 2.5]],
            "May 2017": [HEAD, [dt.date(2017, 5, 3), "C", -3]],
        }
    )
    found = lines_of(data, feed(**XLSX, sheets=r"[A-Z][a-z]{2} \d{4}"))
    assert [(row["line_no"], row["sheet"], row["source_row"], row["supplier_name"]) for row in found.good] == [
        (1, "Apr 2017", 3, "A"),
        (2, "Apr 2017", 5, "B"),
        (3, "May 2017", 2, "C"),
    ]
    assert (found.encoding, found.lines, found.amount) == (None, 3, Decimal("0.5"))
    with pytest.raises(Held, match="no sheet fits `sheets: Data`; the workbook has Notes, Apr 2017, May 2017"):
        lines_of(data, feed(**XLSX, sheets="Data"))
    with pytest.raises(Held, match="sheet 'Notes': no header row"):
        lines_of(data, feed(**XLSX))


def test_real_dates_and_numbers_of_a_workbook_are_read_as_what_they_are() -> None:
    rows = [HEAD, [dt.datetime(2017, 4, 3, 9, 30), 4711, 0.1 + 0.2], ["04/04/2017", "B", "£1,000.10"]]
    found = lines_of(workbook(A=rows), feed(**XLSX))
    assert [(row["payment_date"], row["supplier_name"], row["amount"]) for row in found.good] == [
        ("2017-04-03", "4711", Decimal("0.30")),
        ("2017-04-04", "B", Decimal("1000.10")),
    ]


def test_text_that_looks_like_a_date_is_read_only_in_a_declared_format() -> None:
    found = lines_of(workbook(A=[HEAD, ["2017-04-03", "A", 1]]), feed(**XLSX))
    assert found.reasons() == [(2, "Date", "2017-04-03", "not a date written dd/mm/yyyy")]


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("01/04/2017", "01/04/2017"),
        (dt.date(2017, 4, 1), "2017-04-01"),
        ("@Home", "@Home"),
        ("@Luton_News", "@Luton_News"),
        ("1E5", "1E5"),
    ],
)
def test_a_text_column_of_a_workbook_keeps_its_words(cell: Any, kept: str) -> None:
    found = lines_of(workbook(A=[HEAD, [dt.date(2017, 4, 3), cell, 1]]), feed(**XLSX))
    assert [row["supplier_name"] for row in found.good] == [kept]


def test_a_quarantined_line_of_a_workbook_shows_its_dates_without_a_mark() -> None:
    found = lines_of(workbook(A=[HEAD, [dt.date(2017, 4, 3), "A", "n/a"]]), feed(**XLSX))
    assert found.bad[0].cells == ["2017-04-03", "A", "n/a"]


def mangled(name: str, change: Any) -> bytes:
    """A good workbook with one of its inner files changed, or left out when the change gives None."""
    saved = io.BytesIO()
    good = zipfile.ZipFile(io.BytesIO(workbook(A=[HEAD, [dt.date(2017, 4, 3), "A", 1]])))
    with zipfile.ZipFile(saved, "w") as bad:
        for inner in good.namelist():
            content = good.read(inner)
            if inner.endswith(name):
                content = change(content)
            if content is not None:
                bad.writestr(inner, content)
    return saved.getvalue()


def damaged_stream() -> bytes:
    """A good workbook whose compressed sheet has a few bytes wrong."""
    data = bytearray(workbook(A=[HEAD, [dt.date(2017, 4, 3), "A", 1]]))
    start = zipfile.ZipFile(io.BytesIO(bytes(data))).getinfo("xl/worksheets/sheet1.xml").header_offset + 60
    data[start : start + 20] = b"\xff" * 20
    return bytes(data)


BROKEN = {
    "cut short": workbook(A=[HEAD])[:-200],
    "no workbook inside": mangled("xl/workbook.xml", lambda content: None),
    "workbook list cut short": mangled("xl/workbook.xml", lambda content: content[:200]),
    "sheet cut short": mangled("sheet1.xml", lambda content: content[: len(content) // 2]),
    "sheet missing": mangled("sheet1.xml", lambda content: None),
    "bytes damaged": damaged_stream(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_workbook_is_held(name: str) -> None:
    with pytest.raises(Held):
        lines_of(BROKEN[name], feed(**XLSX))


def test_a_chart_among_the_sheets_is_not_a_table() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(A=[HEAD, [dt.date(2017, 4, 3), "A", 1]])))
    book.create_chartsheet("Chart").add_chart(openpyxl.chart.BarChart())
    saved = io.BytesIO()
    book.save(saved)
    assert lines_of(saved.getvalue(), feed(**XLSX)).lines == 1
