"""Export: a release as files, the same rows and pounds as in the database, and one institution's own payments."""

import csv
import hashlib
import io
import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from anchorspend import export, publish
from anchorspend.errors import UserError
from pyarrow import parquet
from test_release import County

XSD = "http://www.w3.org/2001/XMLSchema#"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_holds_every_row_of_every_table(bi_reader: psycopg.Connection, tmp_path: Path, form: str) -> None:
    said: list[str] = []
    manifest = export.export(tmp_path / "out", form, progress=said.append)  # type: ignore[arg-type]
    marts = {name for (name,) in bi_reader.execute("select viewname from pg_views where schemaname = 'marts'")}
    assert {one.table for one in manifest.tables} == marts
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.{form}" for name in marts} | {
        "manifest.json"
    }
    kept = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (kept["release_id"], kept["is_sample"], kept["format"]) == (1, True, form)
    assert datetime.fromisoformat(kept["published_at"]) == manifest.published_at
    for one in kept["tables"]:
        path = tmp_path / "out" / one["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
        assert bi_reader.execute(f"select count(*) from {one['table']}".encode()).fetchone() == (one["rows"],)
        if form == "csv":
            with path.open(encoding="utf-8", newline="") as stream:
                assert sum(1 for _ in csv.reader(stream)) == one["rows"] + 1
        else:
            assert parquet.read_metadata(path).num_rows == one["rows"]
    assert len(said) >= len(marts)


def test_parquet_keeps_pounds_days_and_nothing_as_they_are(bi_reader: psycopg.Connection, tmp_path: Path) -> None:
    export.export(tmp_path / "out", "parquet")
    lines = parquet.read_table(tmp_path / "out" / "fct_spend.parquet")
    assert pa.types.is_decimal(lines.schema.field("amount").type)
    assert lines.schema.field("spend_date").type == pa.date32()
    for name in ("fct_spend", "kpi_scorecard", "dim_supplier", "dim_batch", "feed_version", "supplier_local"):
        cursor = bi_reader.execute(f"select * from {name}".encode())
        columns = [column.name for column in cursor.description or ()]
        read = parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        expected = [
            {key: str(cell) if type(cell).__name__ == "UUID" else cell for key, cell in zip(columns, row, strict=True)}
            for row in cursor
        ]
        assert read
        assert sorted(map(canonical, read)) == sorted(map(canonical, expected))


def canonical(row: dict) -> str:
    """A row as text in which 1.0 and 1.00 are one number, and a moment has one zone."""
    return repr(
        [
            (
                name,
                cell.normalize()
                if isinstance(cell, Decimal) and cell
                else cell.timestamp()
                if isinstance(cell, datetime)
                else cell,
            )
            for name, cell in sorted(row.items())
            if cell != 0
        ]
    )


def test_no_private_person_is_named_in_an_export(sample_truth: Path, tmp_path: Path) -> None:
    with (sample_truth / "individuals.csv").open(encoding="utf-8", newline="") as stream:
        people = {row[column] for row in csv.DictReader(stream) for column in ("name", "name_as_written")}
    assert len(people) > 5
    export.export(tmp_path / "out", "csv")
    for path in (tmp_path / "out").iterdir():
        text = path.read_text(encoding="utf-8").casefold()
        assert [name for name in people if name.casefold() in text] == [], path.name


def test_an_earlier_release_can_be_exported_and_is_another(county: County, tmp_path: Path) -> None:
    with county.used():
        first = export.export(tmp_path / "first", "csv", 1)
        second = export.export(tmp_path / "second", "csv", 2)
        newest = export.export(tmp_path / "newest", "csv")
    assert (first.release_id, second.release_id, newest.release_id) == (1, 2, 2)
    assert newest.tables == second.tables
    # What publishing makes is of the present: an earlier release has it no more.
    made = {one.name for one in publish.MADE}
    assert {one.table for one in second.tables} - {one.table for one in first.tables} == made
    hashes = {one.table: one.sha256 for one in second.tables}
    assert [one.table for one in first.tables if one.table == "fct_spend" and one.sha256 != hashes[one.table]]


def test_an_export_that_cannot_be_made_says_why(county: County, tmp_path: Path) -> None:
    with county.used():
        with pytest.raises(UserError, match="no release 9; published are 2, 1"):
            export.export(tmp_path / "out", "csv", 9)
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(UserError, match="not empty"):
            export.export(tmp_path, "csv")


def test_a_release_published_meanwhile_spoils_an_export(
    county: County, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter(
        ([(2, datetime(2020, 1, 1), False, "release_0002")], [(3, datetime(2020, 1, 2), False, "release_0003")])
    )
    monkeypatch.setattr(export, "_history", lambda connection: next(seen))
    with county.used(), pytest.raises(UserError, match="published meanwhile"):
        export.export(tmp_path / "out", "csv")
    assert not (tmp_path / "out" / "manifest.json").exists()


def payments(institution: str, year: str, quarter: int | None = None, **options: bool) -> list[dict[str, str]]:
    text = io.StringIO(newline="")
    told = export.transparency_code(text, institution, year, quarter, **options)
    rows = list(csv.DictReader(io.StringIO(text.getvalue(), newline="")))
    assert told.lines == len(rows)
    assert told.amount == sum(Decimal(row["Amount"]) for row in rows)
    return rows


def fault(name: str, cell: str, constraints: dict) -> str | None:
    """What is wrong with a cell by the schema's constraints and the guide's formats; None where nothing is."""
    if cell == "":
        return f"{name} is required" if constraints["required"] else None
    forms = {
        f"{XSD}string": r"[^\x00-\x1f]+",
        f"{XSD}URI": r"https?://[^\s/]+/\S+",
        f"{XSD}boolean": r"true|false",
        f"{XSD}dateTime": r"(0[1-9]|[12]\d|3[01])/(0[1-9]|1[0-2])/\d{4}",
        f"{XSD}float": r"-?\d+\.\d\d",
    }
    for form in (forms[constraints["type"]], constraints.get("pattern", ".*")):
        if not re.fullmatch(form, cell):
            return f"{name}: {cell!r} is not {form}"
    return None


@pytest.mark.parametrize(
    ("institution", "year"),
    [("luton_council", "2019-20"), ("bedford_borough_council", "2018-19"), ("luton_airport", "2018-19")],
)
def test_every_row_is_as_the_schema_of_the_lga_has_it(
    sample_truth: Path, real_files: Path, institution: str, year: str
) -> None:
    fields = json.loads((real_files / "schemas" / "lga-spend.json").read_text())["fields"]
    rows = payments(institution, year)
    assert list(rows[0]) == [field["name"] for field in fields]
    assert [
        found
        for row in rows
        for field in fields
        if (found := fault(field["name"], row[field["name"]], field["constraints"]))
    ] == []


@pytest.mark.parametrize(
    ("cell", "constraints"),
    [
        ("", {"required": True, "type": f"{XSD}string"}),
        ("£1.00", {"required": True, "type": f"{XSD}float"}),
        ("1,000.00", {"required": True, "type": f"{XSD}float"}),
        ("2019-04-01", {"required": True, "type": f"{XSD}dateTime"}),
        ("PCard", {"required": False, "type": f"{XSD}string", "pattern": "(GPC|CCC|None)"}),
        ("yes", {"required": False, "type": f"{XSD}boolean"}),
    ],
)
def test_a_wrong_cell_would_be_seen(cell: str, constraints: dict) -> None:
    assert fault("it", cell, constraints)


@pytest.mark.parametrize(("recommended", "threshold"), [(False, 500), (True, 250)])
@pytest.mark.parametrize("quarter", [None, 2])
def test_what_is_published_adds_up_with_the_lines_of_the_mart(
    bi_reader: psycopg.Connection, quarter: int | None, recommended: bool, threshold: int
) -> None:
    months = range(1, 13) if quarter is None else (7, 8, 9)
    paid: dict[object, list[tuple[str, Decimal]]] = {}
    for batch, line, supplier, day, reference, basis, amount in bi_reader.execute(
        """
        select batch_id, line_no, supplier_record_id, spend_date, transaction_ref, basis, amount from fct_spend
        where institution_id = 'luton_council' and financial_year = '2019-20'
            and scope not in ('tax_pension_payroll', 'treasury')
        """
    ):
        if day.month in months:
            paid.setdefault((supplier, day, reference or (batch, line)), []).append((basis, amount))
    due = [
        (basis, amount)
        for lines in paid.values()
        for basis, amount in lines
        if basis == "card" or abs(sum(pounds for _, pounds in lines)) > threshold
    ]
    rows = payments("luton_council", "2019-20", quarter, recommended=recommended)
    assert sum(Decimal(row["Amount"]) for row in rows) == sum(amount for _, amount in due)
    assert len(rows) == len(due) > 50
    assert {datetime.strptime(row["PaymentDate"], "%d/%m/%Y").month for row in rows} == set(months)


def test_persons_are_redacted_and_grants_and_cards_marked(bi_reader: psycopg.Connection, sample_truth: Path) -> None:
    with (sample_truth / "individuals.csv").open(encoding="utf-8", newline="") as stream:
        people = {row[column].casefold() for row in csv.DictReader(stream) for column in ("name", "name_as_written")}
    rows = [
        row
        for institution in ("luton_council", "bedford_borough_council", "luton_airport")
        for year in ("2017-18", "2018-19", "2019-20")
        for row in payments(institution, year, recommended=True)
    ]
    redacted = [row for row in rows if row["BeneficiaryName"] == "REDACTED PERSONAL DATA"]
    assert redacted
    told = ("BeneficiaryOtherID", "CompaniesHouseRegistrationNumber", "CharityCommissionNumber")
    assert {row[name] for row in redacted for name in told} == {""}
    assert {row["BeneficiaryName"].casefold() for row in rows} & people == set()
    assert {row["VCSEGrant"] for row in rows} >= {"true", "false"}
    assert {row["CardTransaction"] for row in rows} == {"GPC", "None"}
    assert min(Decimal(row["Amount"]) for row in rows) < 0


def test_totals_of_a_vendor_are_no_payments(sample_truth: Path) -> None:
    with pytest.raises(UserError, match="no payments"):
        payments("bedfordshire_fire", "2019-20")
