"""Formats: what a workbook, a zip or a JSON file holds is read whole, as it stands, or the file is held."""

import codecs
import contextlib
import datetime as dt
import io
import json
import struct
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt
from anchorspend.contract import Feed, Period
from anchorspend.read import Held, archive, read
from anchorspend.read.tables import open_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from test_read import COLUMNS, HEAD, HEADER, LINE, Lines, feed, lines_of, workbook

quick = settings(deadline=None, max_examples=40, derandomize=True)
XLSX = {"format": "workbook"}
DAY = dt.date(2017, 4, 3)


def xls(**sheets: list[list[Any]]) -> bytes:
    book = xlwt.Workbook()
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if isinstance(cell, dt.date):
                    sheet.write(i, j, cell, xlwt.easyxf(num_format_str="DD/MM/YYYY"))
                elif cell is not None:
                    sheet.write(i, j, cell)
    return saved(book.save)


def ods(**sheets: list[list[Any]]) -> bytes:
    book = OpenDocumentSpreadsheet()
    for name, rows in sheets.items():
        table = Table(name=name)
        for row in rows:
            line = TableRow()
            for cell in row:
                line.addElement(ods_cell(cell))
            table.addElement(line)
        book.spreadsheet.addElement(table)
    return saved(book.write)


def ods_cell(value: Any) -> TableCell:
    match value:
        case None:
            return TableCell()
        case bool():
            return TableCell(valuetype="boolean", booleanvalue=str(value).lower())
        case int() | float():
            return TableCell(valuetype="float", value=repr(value))
        case dt.date():
            return TableCell(valuetype="date", datevalue=value.isoformat())
    cell = TableCell(valuetype="string")
    for paragraph in value.split("\n"):
        cell.addElement(P(text=paragraph))
    return cell


def saved(save: Callable[[Any], None]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


WRITERS = {"xlsx": workbook, "xls": xls, "ods": ods}
by_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)

# Letters every one of the three formats can hold; spaces at the ends and doubled ones are lost by ODS itself.
WORDS = st.text(st.characters(codec="cp1252", categories=("L", "N", "P")), max_size=8)
CELLS = WORDS | st.none() | st.booleans() | st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1))
CELLS |= st.integers(-(10**9), 10**9) | st.integers(-(10**11), 10**11).map(lambda pence: pence / 100)


def as_csv(cell: Any) -> str:
    return "" if cell is None else cell.isoformat() if isinstance(cell, dt.date) else str(cell)


@by_writer
@quick
@given(rows=st.lists(st.lists(CELLS, max_size=4) | st.just([DAY, "Acme", 1.5]), max_size=8), above=st.integers(0, 3))
def test_every_cell_of_a_workbook_comes_back_in_its_row(write: Any, rows: list[list[Any]], above: int) -> None:
    found = lines_of(write(A=[[]] * above + [HEAD, *rows]), feed(**XLSX))
    expected = {above + 2 + i: list(map(as_csv, row)) for i, row in enumerate(rows) if any(map(as_csv, row))}
    assert found.lines == len(found.good) + len(found.bad) == len(expected)
    for line in found.good:
        day, supplier, amount, *_ = expected[line["source_row"]]
        assert (line["payment_date"], line["supplier_name"] or "") == (day, supplier)
        assert line["amount"] == Decimal(amount)
    for one in found.bad:
        cells = expected[one.source_row]
        assert [*one.cells, "", "", "", ""][: len(cells)] == [plain(cell) for cell in cells]


def plain(cell: str) -> str:
    with contextlib.suppress(ValueError):
        return str(int(float(cell))) if float(cell).is_integer() and "." in cell else cell
    return cell


@by_writer
def test_rows_and_columns_keep_their_places_when_the_first_ones_are_empty(write: Any) -> None:
    rows = [[], [], [None, None, *HEAD], [], [None, None, DAY, "Acme", 1], [None, None, DAY, None, 2, None, "LU1 1AA"]]
    columns = {**COLUMNS, "supplier_postcode": "Postcode"}
    rows[2].append("Postcode")
    found = lines_of(write(A=rows), feed(columns, **XLSX, fallback={"supplier_postcode": 7}))
    assert [(row["source_row"], row["supplier_postcode"]) for row in found.good] == [(5, None), (6, "LU1 1AA")]


@by_writer
def test_sheets_without_cells_are_passed_over_unless_all_are(write: Any) -> None:
    found = lines_of(write(Sheet1=[HEAD, [DAY, "A", 1]], Sheet2=[], Sheet3=[[" "]]), feed(**XLSX))
    assert [row["sheet"] for row in found.good] == ["Sheet1"]
    with pytest.raises(Held, match="every sheet of the workbook is empty"):
        lines_of(write(Sheet1=[], Sheet2=[]), feed(**XLSX))


def hidden(how: str) -> bytes:
    if how == "xls":
        book = xlwt.Workbook()
        for name, visibility in (("Data", 0), ("Codes", 1)):
            sheet = book.add_sheet(name)
            sheet.visibility = visibility
            for j, cell in enumerate(HEAD):
                sheet.write(0, j, cell)
        return saved(book.save)
    book = openpyxl.load_workbook(io.BytesIO(workbook(Data=[HEAD, [DAY, "A", 1]], Codes=[HEAD, [DAY, "B", 2]])))
    book["Codes"].sheet_state = how
    return saved(book.save)


@pytest.mark.parametrize("how", ["hidden", "veryHidden", "xls"])
def test_a_hidden_sheet_is_read_only_where_the_layout_names_it(how: str) -> None:
    with pytest.raises(Held, match=r"sheet 'Codes' is hidden and not empty; .* such as `sheets: 'Data'`"):
        lines_of(hidden(how), feed(**XLSX))
    assert lines_of(hidden(how), feed(**XLSX, sheets="Data")).lines == (how != "xls")
    assert lines_of(hidden(how), feed(**XLSX, sheets="Data|Codes")).lines == 2 * (how != "xls")


def test_what_a_cell_of_a_workbook_may_be() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    cells = [
        ("#REF!", "#REF!"),
        (True, "True"),
        (dt.time(9, 30), "09:30:00"),
        (dt.timedelta(hours=30), "1 day, 6:00:00"),
        (1234.5, "1234.5"),
        (1.0, "1"),
        ("00123", "00123"),
        (dt.datetime(2017, 4, 1), "2017-04-01"),
        ("=1/0", None),
    ]
    for row in [HEAD, *([DAY, cell, 1] for cell, _ in cells)]:
        sheet.append(row)
    sheet["B2"].data_type = "e"
    found = lines_of(saved(book.save), feed(**XLSX))
    assert [row["supplier_name"] for row in found.good] == [text for _, text in cells]
    assert [(one.field, one.example, one.source_row) for one in found.findings] == [("supplier_name", "#REF!", 2)]


def test_every_digit_of_an_xlsx_is_kept() -> None:
    digits = "12345678901234567890"  # which a spreadsheet would shorten, and other software writes
    stream = io.BytesIO()
    good = zipfile.ZipFile(io.BytesIO(workbook(A=[HEAD, [DAY, 4711, 1]])))
    with zipfile.ZipFile(stream, "w") as changed:
        for name in good.namelist():
            changed.writestr(name, good.read(name).replace(b"<v>4711<", f"<v>{digits}<".encode()))
    assert lines_of(stream.getvalue(), feed(**XLSX)).good[0]["supplier_name"] == digits


def test_a_row_number_no_spreadsheet_has_is_held() -> None:
    stream = io.BytesIO()
    good = zipfile.ZipFile(io.BytesIO(workbook(A=[HEAD, [DAY, "A", 1]])))
    with zipfile.ZipFile(stream, "w") as changed:
        for name in good.namelist():
            changed.writestr(name, good.read(name).replace(b'<row r="2"', b'<row r="99999999999"'))
    with pytest.raises(Held, match="more than 1,048,576 rows"):
        lines_of(stream.getvalue(), feed(**XLSX))


@by_writer
def test_noise_of_binary_fractions_is_no_pound(write: Any) -> None:
    found = lines_of(write(A=[HEAD, [DAY, "A", 0.1 + 0.2], [DAY, "B", 1999.9999999999998]]), feed(**XLSX))
    assert [row["amount"] for row in found.good] == [Decimal("0.30"), Decimal("2000.00")]


@by_writer
def test_an_amount_too_long_for_a_spreadsheet_is_quarantined(write: Any) -> None:
    found = lines_of(write(A=[HEAD, [DAY, "A", 1e22]]), feed(**XLSX))
    assert [reason for *_, reason in found.reasons()] in (
        ["a spreadsheet shortened this number and lost its last digits"],
        ["more than ten million million pounds"],
    )


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
@quick
@given(place=st.floats(0, 1), bytes_=st.binary(min_size=1, max_size=12))
def test_a_damaged_workbook_is_read_whole_or_held(ending: str, place: float, bytes_: bytes) -> None:
    data = bytearray(WRITERS[ending](A=[HEAD, *[[DAY, "Acme", 1]] * 3]))
    start = int(place * (len(data) - 1))
    data[start : start + len(bytes_)] = bytes_
    with contextlib.suppress(Held):
        found = lines_of(bytes(data), feed(**XLSX))
        assert found.lines == len(found.good) + len(found.bad)


@quick
@given(place=st.floats(0, 1), bytes_=st.binary(min_size=1, max_size=12))
def test_a_damaged_old_workbook_is_read_whole_or_held(place: float, bytes_: bytes) -> None:
    data = bytearray(xls(A=[HEAD, *[[DAY, "Acme", 1]] * 3]))
    start = int(place * (len(data) - 1))
    data[start : start + len(bytes_)] = bytes_
    with contextlib.suppress(Held):
        found = lines_of(bytes(data), feed(**XLSX))
        assert found.lines == len(found.good) + len(found.bad)


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as package:
        for name, data in members.items():
            package.writestr(name, data)
    return stream.getvalue()


def csv_of(*suppliers: str) -> bytes:
    return "\n".join([HEADER, *(f"03/04/2017,{name},1.50" for name in suppliers)]).encode()


def test_the_files_in_a_zip_are_read_one_after_the_other() -> None:
    data = zipped(
        {
            "read me.txt": b"words",
            "a/april.csv": csv_of("A", "B"),
            "__MACOSX/a/._april.csv": b"\x00\x05",
            "a/.hidden.csv": b"?",
            "may.csv": csv_of("Café"),
        }
    )
    found = lines_of(data, feed(members=r".*\.csv"))
    assert [(row["line_no"], row["sheet"], row["source_row"], row["supplier_name"]) for row in found.good] == [
        (1, "a/april.csv", 2, "A"),
        (2, "a/april.csv", 3, "B"),
        (3, "may.csv", 2, "Café"),
    ]
    assert (found.lines, found.amount, found.encoding) == (3, Decimal("4.50"), "utf-8-sig")
    with pytest.raises(Held, match=r"no file in the zip fits `members: x`; it holds read me.txt, a/april.csv, may.csv"):
        lines_of(data, feed(members="x"))
    with pytest.raises(Held, match=r"read me\.txt"):
        lines_of(data)


def test_the_encoding_of_a_zip_is_that_of_all_its_files() -> None:
    data = zipped({"a.csv": csv_of("Café"), "b.csv": csv_of("Zoé").decode().encode("cp1252")})
    found = lines_of(data)
    assert (found.encoding, [row["supplier_name"] for row in found.good]) == ("cp1252, utf-8-sig", ["Café", "Zoé"])


@by_writer
def test_a_workbook_in_a_zip_is_a_workbook(write: Any) -> None:
    book = write(April=[HEAD, [DAY, "A", 1]], May=[HEAD, [DAY, "B", 2]])
    found = lines_of(zipped({"spend.bin": book}), feed(**XLSX))
    assert [(row["sheet"], row["amount"]) for row in found.good] == [("spend.bin/April", 1), ("spend.bin/May", 2)]
    assert found.encoding is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped({"a.csv": csv_of("A"), "b.zip": zipped({"c.csv": b""})}), "b.zip: this is a zip within a zip"),
        (zipped({"a.csv": csv_of("A"), "b.csv": b"<html>"}), "b.csv: this is a web page"),
        (zipped({"a.csv": csv_of("A"), "b.csv": b""}), "b.csv: the file is empty"),
        (zipped({"a.csv": csv_of("A"), "b.csv": b"Date,Supplier\n"}), "sheet 'b.csv': the layout changed"),
        (zipped({"a.csv": csv_of("A"), "b.csv": csv_of('"B', "C")}), "b.csv: row 2: a quote is never closed"),
        (zipped({"a.csv": csv_of("A")})[:-30], "the zip cannot be unpacked"),
    ],
)
def test_a_fault_in_a_zip_names_the_file(data: bytes, message: str) -> None:
    with pytest.raises(Held) as held:
        lines_of(data)
    assert str(held.value).startswith(message)


def test_a_zip_with_one_name_twice_is_held() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        package.writestr("a.csv", csv_of("A"))
        with pytest.warns(UserWarning, match="Duplicate"):
            package.writestr("a.csv", csv_of("B"))
    with pytest.raises(Held, match=r"the zip holds 'a.csv' twice"):
        lines_of(stream.getvalue())


def with_directory(data: bytes, offset: int, packed: bytes) -> bytes:
    """A zip with one field of its first directory entry overwritten."""
    start = data.index(b"PK\x01\x02") + offset
    return data[:start] + packed + data[start + len(packed) :]


@pytest.mark.parametrize("make", [lambda: zipped({"a.csv": csv_of("A")}), lambda: workbook(A=[HEAD])])
def test_a_locked_zip_is_held(make: Callable[[], bytes]) -> None:
    with pytest.raises(Held, match="locked with a password"):
        lines_of(with_directory(make(), 8, struct.pack("<H", 1)))


@pytest.mark.parametrize("format_name", ["csv", "workbook"])
def test_a_zip_that_claims_to_unpack_to_too_much_is_held(format_name: str) -> None:
    data = zipped({"a.csv": csv_of("A")}) if format_name == "csv" else ods(A=[HEAD])
    with pytest.raises(Held, match=r"the zip unpacks to [\d,]+ bytes, more than the 3,221,225,472 we read"):
        lines_of(with_directory(data, 24, struct.pack("<I", archive.LARGEST + 1)), feed(format=format_name))


def test_a_file_that_unpacks_to_more_than_its_zip_says_is_held() -> None:
    data = zipped({"a.csv": csv_of(*["Acme"] * 100_000)})
    with pytest.raises(Held, match=r"a.csv: the zip cannot be unpacked: BadZipFile"):
        lines_of(with_directory(data, 24, struct.pack("<I", 1000)))


def test_several_small_claims_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 100)
    assert lines_of(zipped({"a.csv": csv_of("A")})).lines == 1
    with pytest.raises(Held, match="more than the 100 we read"):
        lines_of(zipped({f"{number}.csv": csv_of("A") for number in range(3)}))


@quick
@given(st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=4), st.sampled_from([0, 8]))
def test_a_zip_loses_and_invents_no_line(suppliers: list[list[str]], compression: int) -> None:
    bare = [[name for name in names if not set(name) & set(',"')] for names in suppliers]
    data = zipped({f"{number}.csv": csv_of(*names) for number, names in enumerate(bare)}, compression)
    found = lines_of(data)
    assert [(row["sheet"], row["supplier_name"] or "") for row in found.good] == [
        (f"{number}.csv", name) for number, names in enumerate(bare) for name in names
    ]
    assert not found.bad


@quick
@given(place=st.floats(0, 1), bytes_=st.binary(min_size=1, max_size=8))
def test_a_damaged_zip_is_read_whole_or_held(place: float, bytes_: bytes) -> None:
    data = bytearray(zipped({"a.csv": csv_of("A", "B"), "b.csv": csv_of("C")}))
    start = int(place * (len(data) - 1))
    data[start : start + len(bytes_)] = bytes_
    with contextlib.suppress(Held):
        found = lines_of(bytes(data), feed(members=".*", ignore=["*"]))
        assert found.lines == len(found.good) + len(found.bad)


PATHS = {"payment_date": "paid/on", "supplier_name": "payees/0/name", "amount": "paid/pounds"}


def test_a_file_without_a_name_in_a_zip_is_read_or_held() -> None:
    data = zipped({"a.csv": csv_of("A")})
    assert lines_of(data.replace(b"a.csv", b"\0.csv").replace(b"a.csv", b"\0.csv")).lines == 1


def record(name: Any = "Acme", pounds: Any = 1.5, on: Any = "2017-04-03T10:15:00Z", **more: Any) -> dict[str, Any]:
    return {"paid": {"on": on, "pounds": pounds}, "payees": [{"name": name}], **more}


def json_lines(content: Any, **layout: Any) -> Lines:
    data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else None
    data = json.dumps(content).encode() if data is None else data
    return lines_of(data, feed(PATHS, format="json", dates=["%Y-%m-%dT%H:%M:%S%z"], **layout))


def test_records_are_lines_with_a_column_for_every_path() -> None:
    content = {"releases": [record(), {}, record(None, 0.1), record(True, -3, extra=[{"a": 1}, {"b": []}])]}
    found = json_lines(content, records="releases", ignore=["extra/*"])
    assert [(row["source_row"], row["supplier_name"], row["amount"]) for row in found.good] == [
        (1, "Acme", Decimal("1.5")),
        (3, None, Decimal("0.1")),
        (4, "true", Decimal(-3)),
    ]
    assert {row["payment_date"] for row in found.good} == {"2017-04-03"}
    assert (found.encoding, found.lines, found.amount) == ("utf-8", 3, Decimal("-1.4"))


def test_numbers_are_read_as_they_are_written() -> None:
    text = json.dumps([record(pounds=1)] * 4).replace('"pounds": 1', '"pounds": {}')
    text = text.replace("{}", "1234567890.10", 1).replace("{}", "0.1", 1).replace("{}", "12.50", 1)
    found = json_lines(text.replace("{}", "1.2E+5", 1))
    assert [row["amount"] for row in found.good] == [Decimal("1234567890.10"), Decimal("0.1"), Decimal("12.50")]
    assert found.reasons() == [
        (4, "paid/pounds", "1.2E+5", "a spreadsheet shortened this number and lost its last digits")
    ]


def test_a_path_nobody_mapped_is_a_new_column_and_a_star_accepts_all_of_a_kind() -> None:
    content = [record(items=[{"id": number} for number in range(20)])]
    with pytest.raises(Held, match=r"nobody mapped the column 'items/0/id', .* and 8 more") as held:
        json_lines(content)
    assert 'ignore: ["items/*/id"]' in str(held.value)
    assert json_lines(content, ignore=["items/*/id"]).lines == 1
    with pytest.raises(Held, match="nobody mapped the column 'item'"):
        json_lines([record(item=1)], ignore=["items*"])


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        ("[1, 2", "", "this is not JSON: "),
        ({"releases": []}, "", "write `records: releases`"),
        ({"a": {"b": [record()]}}, "a", "write `records: a/b`"),
        ({"releases": []}, "release", "no 'release': 'release' is missing from an object of releases"),
        ({"a": 3}, "a", "no list of records at 'a' but '3'"),
        ([record(), "words"], "", "record 2 is no object but 'words'"),
        ([], "", "no header row"),
        ('[{"a": 1, "a": 2}]', "", "an object of the JSON says 'a' twice"),
        ([{"a/b": 1, "a": {"b": 2}}], "", "record 1 says 'a/b' twice"),
        ("[NaN]", "", "the JSON holds NaN"),
        ("[" * 100_000, "", "this is not JSON|nested too deep"),
        ("[" * 500 + "]" * 500, "", "record 1 is no object"),
        ('[{"a":' * 300 + "1" + "}]" * 300, "", "record 1 is nested over 100 deep"),
        (r'[{"a": "\ud83d"}]', "", "half a character"),
        (b'[{"a": "\xe9"}]', "", "not utf-8"),
    ],
)
def test_json_that_is_not_as_agreed_is_held(content: Any, path: str, message: str) -> None:
    with pytest.raises(Held, match=message):
        json_lines(content, records=path)


def test_whole_characters_beyond_the_first_plane_are_kept() -> None:
    assert json_lines([record("\U0001f600"), record("\\ud800")]).good[0]["supplier_name"] == "\U0001f600"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_comes_in_every_encoding_it_may_have(codec: str) -> None:
    data = json.dumps([record("Café")], ensure_ascii=False).encode(codec)
    assert json_lines(data).good[0]["supplier_name"] == "Café"


def test_json_in_a_zip_is_json() -> None:
    found = json_lines(zipped({"a.json": json.dumps([record("A")]).encode()}))
    assert [(row["sheet"], row["source_row"]) for row in found.good] == [("a.json", 1)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@quick
@given(st.lists(st.builds(record, WORDS, st.integers(-99, 99), more=VALUES) | st.just({}), min_size=1, max_size=6))
def test_json_loses_and_invents_no_record(content: list[dict[str, Any]]) -> None:
    try:
        found = json_lines(content, ignore=["more*"])
    except Held:
        assert not any(content)
        return
    numbers = [number for number, one in enumerate(content, start=1) if one]
    assert sorted([row["source_row"] for row in found.good] + [one.source_row for one in found.bad]) == numbers
    for row in found.good:
        one = content[row["source_row"] - 1]
        assert (row["supplier_name"] or "") == one["payees"][0]["name"].strip()
        assert row["amount"] == one["paid"]["pounds"]


DELIMITED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", DELIMITED.values(), ids=DELIMITED)
def test_any_delimiter_and_line_ending(delimiter: str, ending: str) -> None:
    rows = [HEADER.split(","), ["03/04/2017", '"A, B; C\nD"', "1.50"], LINE.split(",")]
    text = ending.join(delimiter.join(row) for row in rows)
    found = lines_of(text, feed(delimiter=delimiter))
    assert [row["supplier_name"] for row in found.good] == ["A, B; C\nD", "Acme"]


def test_quotes_may_be_other_characters_or_none() -> None:
    found = lines_of([HEADER, "03/04/2017,'A, B',1"], feed(quotechar="'"))
    assert found.good[0]["supplier_name"] == "A, B"
    found = lines_of([HEADER.replace(",", "|"), '03/04/2017|"Acme|1'], feed(quotechar="", delimiter="|"))
    assert found.good[0]["supplier_name"] == '"Acme'


@pytest.mark.parametrize("bad", [{"delimiter": '"'}, {"delimiter": "\n"}, {"quotechar": "\r"}])
def test_cells_must_be_told_apart(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="`delimiter` and `quotechar` must differ"):
        feed(**bad)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_nuls(codec: str) -> None:
    found = lines_of(f"{HEADER}\n03/04/2017,Café £,1.50\n".encode(codec))
    assert (found.encoding, found.good[0]["supplier_name"]) == (codec, "Café £")


def test_utf_8_called_by_a_one_byte_encoding_is_held() -> None:
    rows = [HEADER, "03/04/2017,Café,1"]
    assert lines_of("\n".join(rows).encode("cp1252"), feed(encoding="cp1252")).good[0]["supplier_name"] == "Café"
    assert lines_of("\n".join([HEADER, LINE]).encode(), feed(encoding="cp1252")).lines == 1
    for data in ("\n".join(rows).encode(), codecs.BOM_UTF16_LE + "\n".join(rows).encode("utf-16-le")):
        with pytest.raises(Held, match=r"not cp1252, as the contract says, but utf-(8|16); write `encoding: detect`"):
            lines_of(data, feed(encoding="cp1252"))


def test_a_mark_does_not_hide_a_quoted_header() -> None:
    data = codecs.BOM_UTF8 + f'"Date",Supplier,Amount\n{LINE}'.encode()
    assert lines_of(data, feed(encoding="utf-8")).lines == lines_of(data).lines == 1


def test_tables_open_with_any_layout_of_their_format() -> None:
    of = feed().layouts[0]
    encoding, sheets = open_tables(io.BytesIO(b"anything,at all\n1,2\n"), of)
    assert encoding == "utf-8-sig"
    assert [(sheet.name, list(sheet.rows)) for sheet in sheets] == [
        (None, [(1, ["anything", "at all"]), (2, ["1", "2"])])
    ]


def notices() -> Feed:
    columns = {
        "ocid": "ocid",
        "release_date": "date",
        "stage": "tag/0",
        "buyer_name": "buyer/name",
        "title": "tender/title",
        "notice_value": "tender/value/amount",
        "award_date": "awards/0/date",
        "contract_start_date": "tender/contractPeriod/startDate",
        "supplier_name": "awards/0/suppliers/0/name",
        "suitable_for_sme": "tender/suitability/sme",
    }
    ignore = ["id", "language", "initiationType", "title", "buyer/*", "parties/*", "planning/*", "tender/*", "awards/*"]
    layout = {"format": "json", "records": "releases", "dates": ["%Y-%m-%dT%H:%M:%S%z"], "ignore": ignore}
    common = {"description": "Notices", "source": {"folder": "nowhere"}, "period": r"(?P<year>\d{4})", "vat": "net"}
    return Feed.model_validate({"kind": "notice", **common, "layouts": [{"columns": columns, **layout}]})


def test_a_month_of_real_notices_is_read_whole(real_files: Path) -> None:
    path, of = real_files / "ocds" / "contracts-finder-2025-01.json", notices()
    releases = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)["releases"]
    found = lines_of(path.read_bytes(), of, Period("2025-01", dt.date(2025, 1, 1), dt.date(2025, 1, 31)))
    assert (found.lines, found.bad, len(releases)) == (100, [], 100)
    for row, release in zip(found.good, releases, strict=True):
        award: dict[str, Any] = next(iter(release.get("awards", [])), {})
        assert row["ocid"] == release["ocid"]
        assert row["release_date"] == release["date"][:10]
        assert row["award_date"] == (award["date"][:10] if "date" in award else None)
        assert row["notice_value"] == release["tender"].get("value", {}).get("amount")
        assert row["suitable_for_sme"] == ("t" if release["tender"]["suitability"]["sme"] else "f")


@pytest.mark.parametrize(
    ("name", "lines"), [("BART 01 - April.xlsx", 238), ("BART 09 - December.xls", 211), ("CHWE 01 - April.csv", 141)]
)
def test_real_files_of_the_nhs_are_read_whole(real_files: Path, name: str, lines: int) -> None:
    columns = {
        "supplier_name": ["Supplier", "Supplier Name"],
        "amount": "Amount",
        "payment_date": ["Payment Date", "Date Paid"],
    }
    layout = {"format": "csv" if name.endswith("csv") else "workbook", "ignore": ["*"]}
    if name.endswith(".xls"):  # its last row is the sum of the others, without a word
        layout["totals"] = {"field": "payment_date", "label": ""}
    year = Period("2020-21", dt.date(2020, 4, 1), dt.date(2021, 3, 31))
    found = lines_of((real_files / "spend" / "nhs" / name).read_bytes(), feed(columns, **layout), year)
    assert (found.lines, found.bad) == (lines, [])
    assert found.totals == (found.amount if name.endswith(".xls") else None)


def test_reading_may_stop_before_the_end() -> None:
    of = feed()
    reading = read(io.BytesIO(zipped({"a.csv": csv_of(*["A"] * 3000)})), of, of.layouts[0], Period("x", DAY, DAY))
    assert next(reading.parts).good["line_no"][0] == 1
    reading.parts.close()  # type: ignore[attr-defined]
