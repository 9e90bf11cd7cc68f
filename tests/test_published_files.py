"""Files as councils, trusts and Contracts Finder left them: each line and penny, by the project and by the test.

The test's own road is the csv, json and zipfile modules, openpyxl and xlrd, with `Decimal`, and nothing of the reader.
"""

import csv
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import psycopg
import pytest
import xlrd
from anchorspend import ingest, warehouse
from anchorspend.contract import load_institution

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "reference" / "examples"
PAGE = ROOT / "docs" / "reference" / "real_files.md"


class File(NamedTuple):
    """A published file: where it lies, whose it is, where it would be dropped, and how its lines are found without us.

    `header` counts the rows above the first line, `below` those under the last one that are no lines.
    """

    path: str
    institution: str
    feed: str
    inbox: str
    amount: int
    header: int = 1
    below: int = 0


FILES = [
    File("spend/trafford/trafford-supplier-spend-2026-27.zip", "trafford_council", "ledger", "trafford/", 8),
    File(
        "spend/trafford/government_procurement_card_transactions_2026-27.csv",
        "trafford_council",
        "cards",
        "trafford/",
        6,
    ),
    File("spend/oxford/expenditure-over-500-apr-jun-2014.csv", "oxford_city_council", "ledger", "oxford/", 6),
    File("spend/oxford/expenditure-over-500-apr-jun-2015.csv", "oxford_city_council", "ledger", "oxford/", 6),
    File("spend/oxford/expenditure-over-500-apr-jun-2016.csv", "oxford_city_council", "ledger", "oxford/", 6),
    File("spend/oxford/expenditure-over-500-oct-dec-2016.csv", "oxford_city_council", "ledger", "oxford/", 6),
    File("spend/oxford/expenditure-over-500-apr-jun-2017.csv", "oxford_city_council", "ledger", "oxford/", 5),
    File("spend/lambeth/2011-01-payments.csv", "lambeth_council", "ledger", "lambeth/", 1),
    File("spend/nhs/BART 01 - April.xlsx", "barts_health_nhs_trust", "ledger", "barts/2020-21/", 10),
    File("spend/nhs/BART 09 - December.xls", "barts_health_nhs_trust", "ledger", "barts/2020-21/", 9, below=1),
    File(
        "spend/nhs/CHWE 01 - April.csv",
        "chelsea_and_westminster_nhs_trust",
        "ledger",
        "chelsea_and_westminster/2020-21/",
        7,
    ),
    File(
        "spend/nhs/HILL 03-05 - June to August.xlsx",
        "hillingdon_hospitals_nhs_trust",
        "ledger",
        "hillingdon/2020-21/",
        7,
    ),
    File("spend/nhs/HOME 01 - April.pdf.csv", "homerton_nhs_trust", "ledger", "homerton/2020-21/", 7),
]
ENDS_LOST = File("spend/lambeth/2011-11-payments.csv", "lambeth_council", "ledger", "lambeth/", 1)
COMMAS_LOST = File("spend/lambeth/2012-06-payments.csv", "lambeth_council", "ledger", "lambeth/", 4)
NOTICES = File("ocds/contracts-finder-2025-01.json", "contracts_finder", "notices", "contracts_finder/", -1)


def rows_of(path: Path) -> list[list[Any]]:
    """Every row of a file with a cell in it."""
    if path.suffix == ".xlsx":
        sheet = openpyxl.load_workbook(path, data_only=True).worksheets[0]
        rows = [["" if cell is None else cell for cell in row] for row in sheet.iter_rows(values_only=True)]
    elif path.suffix == ".xls":
        sheet = xlrd.open_workbook(path).sheet_by_index(0)
        rows = [sheet.row_values(number) for number in range(sheet.nrows)]
    else:
        data = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                (name,) = archive.namelist()
                data = archive.read(name)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
        rows = list(csv.reader(io.StringIO(text, newline="")))
    return [row for row in rows if any(str(cell).strip() for cell in row)]


def pounds(cell: Any) -> Decimal:
    return Decimal(re.sub(r"[£,\s]", "", str(cell))).quantize(Decimal("0.01"))


@cache
def counted(file: File, folder: Path) -> tuple[int, Decimal]:
    """Lines and pounds by the test's own road."""
    rows = rows_of(folder / file.path)
    lines = rows[file.header : len(rows) - file.below]
    return len(lines), sum((pounds(row[file.amount]) for row in lines), Decimal(0))


@pytest.fixture(scope="module")
def loaded(
    real_files: Path, server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[psycopg.Connection]:
    """Every file dropped where its contract looks for it, landed and loaded."""
    inbox = tmp_path_factory.mktemp("inbox")
    for file in [*FILES, ENDS_LOST, COMMAS_LOST, NOTICES]:
        (inbox / file.inbox).mkdir(parents=True, exist_ok=True)
        shutil.copy(real_files / file.path, inbox / file.inbox)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", server())
        patch.setenv("ANCHORSPEND_INBOX", str(inbox))
        patch.setenv("ANCHORSPEND_LANDING", str(tmp_path_factory.mktemp("landing")))
        warehouse.set_up(warehouse.given_reader_password())
        for path in sorted(EXAMPLES.glob("*.yml")):
            institution = load_institution(path)
            for feed in institution.feeds:
                list(ingest.land_feed(institution, feed))
                list(ingest.load_feed(institution, feed))
        with warehouse.connect(autocommit=True) as connection:
            yield connection


def batch_of(connection: psycopg.Connection, file: File) -> dict[str, Any]:
    query = "select batch.* from ops.batch inner join landing.file using (file_id) where name like %(name)s"
    (row,) = warehouse.rows(connection, query, {"name": f"%{Path(file.path).name}"})
    return row


@pytest.mark.parametrize("file", FILES, ids=lambda file: Path(file.path).name)
def test_every_line_and_penny_is_accounted_for(loaded, real_files: Path, file: File) -> None:
    batch = batch_of(loaded, file)
    assert (batch["status"], batch["reason"], batch["institution_id"]) == ("loaded", None, file.institution)
    lines, amount = counted(file, real_files)
    assert batch["lines_read"] == batch["lines_loaded"] + batch["lines_quarantined"] == lines
    assert batch["amount_read"] == batch["amount_loaded"] + batch["amount_quarantined"] == amount


def test_a_sum_under_the_lines_is_no_line_and_agrees_with_them(loaded) -> None:
    for file in FILES:
        if file.below:
            batch = batch_of(loaded, file)
            assert batch["control_amount"] == batch["amount_read"] != 0


def test_a_month_that_lost_its_commas_is_held_with_the_reason(loaded, real_files: Path) -> None:
    batch = batch_of(loaded, COMMAS_LOST)
    assert batch["status"] == "refused"
    merged = [row for row in rows_of(real_files / COMMAS_LOST.path) if re.fullmatch(r"\d\d/\d\d/\d{4}[\d.-]+", row[3])]
    assert len(merged) > 600
    assert batch["lines_quarantined"] >= len(merged)
    assert "could not be read, over the limit" in batch["reason"]


def test_a_month_that_lost_its_line_ends_is_held_because_its_total_is_gone(loaded, real_files: Path) -> None:
    batch = batch_of(loaded, ENDS_LOST)
    assert (batch["status"], batch["lines_loaded"]) == ("refused", batch["lines_read"] - 1)
    assert "the file has no totals row" in batch["reason"]
    longest = max(rows_of(real_files / ENDS_LOST.path), key=len)
    assert len(longest) > 90
    assert longest[-2].endswith("Grand Total")
    assert batch["amount_read"] != pounds(longest[-1])


def test_the_notices_of_a_month_are_its_releases(loaded, real_files: Path) -> None:
    text = (real_files / NOTICES.path).read_text(encoding="utf-8")
    releases = json.loads(text, parse_float=Decimal, parse_int=Decimal)["releases"]
    batch = batch_of(loaded, NOTICES)
    assert (batch["status"], batch["lines_read"]) == ("loaded", len(releases))
    stored = loaded.execute(
        "select ocid, buyer_name, notice_value, published_date, award_date::text from raw.notice order by line_no"
    ).fetchall()
    assert [(row[0], row[1], row[2]) for row in stored] == [
        (one["ocid"], one["buyer"]["name"], one["tender"].get("value", {}).get("amount")) for one in releases
    ]
    awarded = [one["awards"][0].get("date", "")[:10] or None if "awards" in one else None for one in releases]
    assert [row[4] for row in stored] == awarded


def test_the_page_of_real_files_says_what_was_loaded(loaded) -> None:
    told = [
        tuple(cell.strip() for cell in row.strip("|").split("|"))[:5]
        for row in PAGE.read_text(encoding="utf-8").splitlines()
        if row.startswith("| `")
    ]
    expected = set()
    for file in [*FILES, ENDS_LOST, COMMAS_LOST, NOTICES]:
        batch = batch_of(loaded, file)
        figures = [f"{batch[name]:,}" for name in ("lines_read", "lines_quarantined")]
        expected.add(
            (f"`{Path(file.path).name}`", figures[0], f"{batch['amount_read']:,.2f}", figures[1], batch["status"])
        )
    assert expected <= set(told)


def test_every_example_is_used() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yml")} == {
        file.institution for file in [*FILES, ENDS_LOST, COMMAS_LOST, NOTICES]
    }
