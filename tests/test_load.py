"""Loading: a file becomes one batch that reconciles, or a refused one that says why, whatever happens on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend import ingest, load
from anchorspend.contract import Institution
from anchorspend.load import Batch

HEADER = "Date,Supplier,Amount\n"
COLUMNS = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}


def institution(layout: dict[str, Any] | None = None, **feed: Any) -> Institution:
    ledger = {
        "kind": "ledger",
        "description": "Payments",
        "source": {"folder": "college/ledger"},
        "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
        "vat": "net",
        "layouts": [{"columns": COLUMNS, **(layout or {})}],
        **feed,
    }
    return Institution.model_validate({"id": "college", "name": "C", "type": "college", "feeds": {"ledger": ledger}})


def lines(count: int, amount: str = "1.25", supplier: str = "Acme") -> str:
    return HEADER + f"03/04/2017,{supplier},{amount}\n" * count


@pytest.fixture
def ingested(connection: psycopg.Connection, tmp_path: Path) -> Callable[..., Batch | None]:
    """Writes a file into the inbox, lands and loads it."""

    def run(text: str | bytes, of: Institution | None = None, name: str = "spend-2017-04.csv") -> Batch | None:
        path = tmp_path / "inbox" / "college" / "ledger" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return ingest.ingest_file(of or institution(), "ledger", path)[1]

    return run


def batches(connection: psycopg.Connection) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute("select * from ops.batch order by batch_id").fetchall()


def raw(connection: psycopg.Connection, status: str = "loaded") -> tuple[int, Decimal]:
    """Lines and pounds in `raw.ledger` of the batches of a status."""
    return connection.execute(
        "select count(*), coalesce(sum(amount), 0) from raw.ledger join ops.batch using (batch_id) where status = %s",
        [status],
    ).fetchone()


def orphans(connection: psycopg.Connection) -> int:
    return connection.execute(
        """
        select count(*) from (select batch_id from raw.ledger union all select batch_id from raw.quarantine) as line
        where not exists (select from ops.batch where batch.batch_id = line.batch_id and status <> 'loading')
        """
    ).fetchone()[0]


def test_lines_and_pounds_reconcile_with_an_independent_sum(ingested, connection) -> None:
    pence = [number * number % 100_003 - 20_000 for number in range(5000)]
    rows = [f"03/04/2017,S{number},{Decimal(one).scaleb(-2)}\n" for number, one in enumerate(pence)]
    bad = [f"April,Acme,{Decimal(number).scaleb(-2)}\n" for number in range(1, 51)] + ["03/04/2017,Acme,n/a\n"] * 9
    batch = ingested(HEADER + "".join(rows[:2500] + bad + rows[2500:]))
    good_pounds, bad_pounds = Decimal(sum(pence)).scaleb(-2), Decimal(sum(range(1, 51))).scaleb(-2)
    assert batch == Batch(1, "spend-2017-04.csv", "loaded", None, 5059, 59, good_pounds + bad_pounds)
    assert raw(connection) == (5000, good_pounds)
    (row,) = batches(connection)
    assert (row["lines_read"], row["lines_loaded"], row["lines_quarantined"]) == (5059, 5000, 59)
    assert (row["amount_loaded"], row["amount_quarantined"]) == (good_pounds, bad_pounds)
    assert row["finished_at"] >= row["started_at"]
    stored = connection.execute(
        "select line_no, source_row, supplier_name, amount from raw.ledger order by 1"
    ).fetchall()
    numbers = [*range(2500), *range(2500, 5000)]
    places = [number + 1 if number < 2500 else number + 60 for number in numbers]
    assert stored == [
        (place, place + 1, f"S{number}", Decimal(pence[number]).scaleb(-2))
        for number, place in zip(numbers, places, strict=True)
    ]


def test_a_line_reaches_the_database_as_it_was_read(ingested, connection) -> None:
    columns = {**COLUMNS, "description": "Text", "invoice_date": "Invoiced", "irrecoverable_vat": "VAT"}
    text = '"a ""quoted"",\t \n\\N \\. \\t\r words"'
    of = institution({"columns": columns, "encoding": "utf-8", "vat": "gross"})
    batch = ingested(f'{HEADER.strip()},Text,Invoiced,VAT\n03/04/2017,"É, Ltd",1282.420749,{text},31/12/2016,\n', of)
    assert batch.status == "loaded"
    row = connection.execute(
        "select payment_date::text, supplier_name, amount, description, invoice_date::text, irrecoverable_vat, sheet,"
        " supplier_ref from raw.ledger"
    ).fetchone()
    words = 'a "quoted",\t \n\\N \\. \\t\r words'
    assert row == ("2017-04-03", "É, Ltd", Decimal("1282.420749"), words, "2016-12-31", None, None, None)
    (row,) = batches(connection)
    assert (row["encoding"], row["vat_basis"], row["kind"], row["period_label"]) == (
        "utf-8-sig",
        "gross",
        "ledger",
        "2017-04",
    )


def test_the_same_file_again_does_nothing(ingested, connection) -> None:
    assert ingested(lines(3)).status == "loaded"
    assert ingested(lines(3)) is None
    assert raw(connection) == (3, Decimal("3.75"))
    assert len(batches(connection)) == 1


def test_a_new_version_of_a_period_leaves_both_batches(ingested, connection) -> None:
    for count in (3, 4, 3):
        assert ingested(lines(count)).status == "loaded"
    found = batches(connection)
    assert [(row["period_label"], row["lines_loaded"]) for row in found] == [
        ("2017-04", 3),
        ("2017-04", 4),
        ("2017-04", 3),
    ]
    assert raw(connection) == (10, Decimal("12.50"))


def test_a_layout_put_right_reads_the_file_anew(ingested, connection) -> None:
    iso = HEADER + "2017-04-03,Acme,1.25\n"
    assert ingested(iso).status == "refused"
    assert ingested(iso) is None
    right = institution({"dates": ["%Y-%m-%d"]})
    assert ingest.waiting(connection, institution()) == []
    assert ingest.waiting(connection, right) == ["ledger"]
    (batch,) = ingest.load_feed(right, "ledger")
    assert batch.status == "loaded"
    assert [(row["file_id"], row["status"]) for row in batches(connection)] == [(1, "refused"), (1, "loaded")]
    assert ingest.waiting(connection, right) == []


def test_a_feed_is_landed_and_loaded_oldest_first_and_only_in_its_newest_version(
    ingested, connection, tmp_path
) -> None:
    folder = tmp_path / "inbox" / "college" / "ledger"
    folder.mkdir(parents=True)
    college = institution()
    for at, name in enumerate(("b-2017-05.csv", "a-2017-06.csv")):
        (folder / name).write_text(lines(2))
        os.utime(folder / name, (1_500_000_000 + at, 1_500_000_000 + at))
    list(ingest.land_feed(college, "ledger"))
    (folder / "b-2017-05.csv").write_text(lines(3))
    list(ingest.land_feed(college, "ledger"))
    loaded = [(batch.file, batch.lines_read) for batch in ingest.load_feed(college, "ledger")]
    assert loaded == [("a-2017-06.csv", 2), ("b-2017-05.csv", 3)]
    assert list(ingest.load_feed(college, "ledger")) == []


@pytest.mark.parametrize(("bad", "status"), [(2, "loaded"), (3, "refused")])
def test_a_file_with_too_large_a_share_in_quarantine_is_refused(ingested, connection, bad: int, status: str) -> None:
    batch = ingested(lines(100 - bad) + "03/04/2017,Acme,n/a\n" * bad)
    assert (batch.status, batch.lines_read, batch.lines_quarantined) == (status, 100, bad)
    if status == "refused":
        assert batch.reason.startswith("3 of 100 lines could not be read, over the limit of 2.0%; ")
        assert raw(connection) == (0, 0)
        assert connection.execute("select count(*) from ops.quarantine").fetchone() == (3,)


def assert_refused(batch: Batch | None, connection: psycopg.Connection, reason: str) -> None:
    assert batch
    assert batch.status == "refused"
    assert reason in batch.reason
    (row,) = batches(connection)
    assert (row["status"], row["reason"]) == ("refused", batch.reason)
    assert raw(connection) == (0, 0)
    assert orphans(connection) == 0


def test_drift_refuses_the_file_whole(ingested, connection) -> None:
    batch = ingested("Date,Supplier,Amount,New\n03/04/2017,Acme,1.25,x\n")
    assert_refused(batch, connection, "nobody mapped the column 'New'")
    assert batch.lines_read is None


def test_a_file_stands_refused_until_the_file_or_the_layout_is_put_right(ingested, connection) -> None:
    drifted = "Date,Supplier,Amount,New\n03/04/2017,Acme,1.25,x\n"
    assert ingest.refused(connection, institution()) == []
    ingested(drifted)
    ingested(drifted, name="spend-2017-05.csv")
    first, second = ingest.refused(connection, institution())
    assert first.startswith("ledger: spend-2017-04.csv: the layout changed")
    assert second.startswith("ledger: spend-2017-05.csv: ")
    ingested(lines(1))
    assert ingest.refused(connection, institution()) == [second]
    accepting = institution({"ignore": ["New"]})
    ingested(drifted, accepting, name="spend-2017-05.csv")
    assert ingest.refused(connection, accepting) == []


def test_a_fault_late_in_a_file_leaves_nothing_of_its_beginning(ingested, connection) -> None:
    batch = ingested(lines(6000).encode() + b"03/04/2017,Caf\xe9,1\n", institution({"encoding": "utf-8"}))
    assert_refused(batch, connection, "not utf-8")
    assert connection.execute("select count(*) from raw.ledger").fetchone() == (0,)


def test_a_name_without_a_period_or_before_every_layout_refuses_the_file(ingested, connection) -> None:
    assert_refused(ingested(lines(1), name="spend.csv"), connection, "spend.csv: its name holds no period")
    late = institution({"starts": "2018-04-01"})
    batch = ingested(lines(1), late)
    assert batch.status == "refused"
    assert "starts by 2017-04; add one" in batch.reason
    assert ingested(lines(1), late) is None
    assert batches(connection)[0]["period_label"] is None


@pytest.mark.parametrize(
    ("total", "status"), [("2.50", "loaded"), ("2.5", "loaded"), ("2.51", "refused"), ("-2.50", "refused")]
)
def test_a_published_control_total_must_agree_to_the_penny(ingested, connection, total: str, status: str) -> None:
    of = institution(control_total={"published": {"2017-04": total, "2017-05": "99"}})
    batch = ingested(lines(2), of)
    assert batch.status == status
    (row,) = batches(connection)
    assert (row["control_amount"], row["control_lines"]) == (Decimal(total), None)
    if total == "2.51":
        told = "the file holds £2.50 and its control total, the published total, says £2.51: £-0.01 apart"
        assert batch.reason.startswith(told)
        assert raw(connection) == (0, 0)


def test_a_period_without_a_published_total_is_not_held_against_another(ingested, connection) -> None:
    assert ingested(lines(2), institution(control_total={"published": {"2017-05": "99"}})).status == "loaded"
    assert batches(connection)[0]["control_amount"] is None


def test_quarantined_pounds_count_towards_a_control_total(ingested) -> None:
    of = institution(control_total={"published": {"2017-04": "3.75"}}, quarantine_limit=0.5)
    batch = ingested(lines(2) + "April,Acme,1.25\n", of)
    assert (batch.status, batch.lines_quarantined) == ("loaded", 1)


@pytest.mark.parametrize(
    ("sidecar", "reason"),
    [
        ("Total,Lines\n2.50,2\n", None),
        ('\ufeffTotal,Lines\n"£2.50 ","2"\n\n', None),
        ("Total,Lines\n2.49,2\n", "its control total, the file beside it, says £2.49: £0.01 apart"),
        ("Total,Lines\n2.50,3\n", "the file holds 2 lines and its control total, the file beside it, says 3"),
        ("Total\n2.50\n", "must hold one row with 'Total' and 'Lines'"),
        ("Total,Lines\n", "the control-total file cannot be read"),
        ("Total,Lines\n2.50,2\n2.50,2\n", "the control-total file cannot be read"),
        ("Total,Lines\nmany,2\n", "the control-total file cannot be read"),
    ],
)
def test_a_control_total_beside_the_file_must_agree_in_pounds_and_lines(
    ingested, connection, tmp_path: Path, sidecar: str, reason: str | None
) -> None:
    beside = tmp_path / "inbox" / "college" / "ledger" / "control_spend-2017-04.csv"
    beside.parent.mkdir(parents=True)
    beside.write_text(sidecar, encoding="utf-8")
    of = institution(control_total={"sidecar": "control_{stem}.csv", "amount": "Total", "lines": "Lines"})
    batch = ingested(lines(2), of)
    if reason is None:
        assert batch.status == "loaded"
        (row,) = batches(connection)
        assert (row["control_amount"], row["control_lines"]) == (Decimal("2.50"), 2)
    else:
        assert_refused(batch, connection, reason)


def test_a_register_s_newer_version_takes_the_place_of_the_older(ingested, connection) -> None:
    columns = {"company_number": "No", "company_name": "Name", "company_category": "Form", "company_status": "Status"}
    of = institution({"columns": columns}, kind="company")
    older = ingested("No,Name,Form,Status\n00000001,A Ltd,Private,Active\n00000002,B Ltd,Private,Active\n", of)
    refused = ingested("No,Name,Form,State\n00000003,C Ltd,Private,Active\n", of, "spend-2017-05.csv")
    assert (older.status, refused.status) == ("loaded", "refused")
    assert connection.execute("select count(*) from raw.company").fetchone() == (2,)
    newer = ingested("No,Name,Form,Status\n00000002,B Ltd,Private,Dissolved\n", of, "spend-2017-06.csv")
    assert (newer.status, newer.amount_read, newer.difference) == ("loaded", 0, None)
    stored = connection.execute("select batch_id, company_number, company_status from raw.company").fetchall()
    assert stored == [(newer.batch_id, "00000002", "Dissolved")]


TOTALS = {"totals": {"field": "supplier_name", "label": "(grand )?total"}}


@pytest.mark.parametrize(
    ("last", "status", "reason"),
    [
        (",Grand Total,3.75\n", "loaded", None),
        (",TOTAL,3.76\n", "refused", "£-0.01 apart"),
        ("", "refused", "no totals row"),
    ],
    ids=["agrees", "a penny apart", "missing"],
)
def test_a_totals_row_is_no_line_and_must_agree(
    ingested, connection, last: str, status: str, reason: str | None
) -> None:
    batch = ingested(lines(3) + last, institution(TOTALS))
    assert (batch.status, batch.lines_read, batch.amount_read) == (status, 3, Decimal("3.75"))
    assert (reason is None and batch.reason is None) or reason in batch.reason
    (row,) = batches(connection)
    stated = {"": None, ",TOTAL,3.76\n": Decimal("3.76")}.get(last, Decimal("3.75"))
    assert row["control_amount"] == stated


def test_a_totals_row_and_a_published_total_must_both_agree(ingested) -> None:
    of = institution(TOTALS, control_total={"published": {"2017-04": "4.00"}})
    assert ingested(lines(3) + ",Total,3.75\n", of).status == "refused"


def test_a_drifted_file_leaves_a_note_for_its_publisher(ingested, connection) -> None:
    ingested("Date,Supplier,Net Amount\n03/04/2017,Acme,1.25\n")
    (note,) = connection.execute("select change_note from ops.batch").fetchone()
    assert "Net Amount" in note
    assert "What you can do" in note


def test_damage_of_a_spreadsheet_is_kept_as_a_finding(ingested, connection) -> None:
    of = institution({"columns": {**COLUMNS, "transaction_ref": "Ref"}})
    batch = ingested(f"{HEADER.strip()},Ref\n03/04/2017,A,1,77\n03/04/2017,A,1,1.23E+11\n03/04/2017,A,1,4.5E+12\n", of)
    assert (batch.status, batch.lines_quarantined) == ("loaded", 0)
    found = connection.execute("select field, column_name, lines, example, source_row from ops.finding").fetchall()
    assert found == [("transaction_ref", "Ref", 2, "1.23E+11", 3)]


def test_a_quarantined_line_keeps_its_cells_and_every_problem(ingested, connection) -> None:
    batch = ingested(lines(1) + 'April,"A\0 ""é"" \n\\",-3.20,over\n', institution(quarantine_limit=1))
    assert batch.status == "loaded"
    row = connection.execute("select line_no, source_row, amount, problems, cells from raw.quarantine").fetchone()
    assert row[:3] == (2, 3, Decimal("-3.20"))
    assert row[4] == ["April", 'A␀ "é" \n\\', "-3.20", "over"]
    assert {(one["field"], one["column"], one["value"], one["reason"]) for one in row[3]} == {
        ("payment_date", "Date", "April", "not a date written dd/mm/yyyy"),
        ("supplier_name", "Supplier", 'A␀ "é" \n\\', "holds a NUL character"),
        (None, None, "over", "a cell to the right of the header"),
    }
    shown = connection.execute(
        "select file, source_row, column_name, value from ops.quarantine where column_name = 'Date'"
    )
    assert shown.fetchall() == [("spend-2017-04.csv", 3, "Date", "April")]


WORDS = ["\\", '"', "\ud7ff\U0001f600", "\x01\x1f", "{}", "\u2028", "\\u0000", "\\\\u0000"]


def test_any_words_can_be_quarantined(ingested, connection) -> None:
    for month, words in enumerate(WORDS, start=1):
        quoted = words.replace('"', '""')
        text = f'{HEADER}April,"{quoted}",1\n'
        batch = ingested(text, institution(quarantine_limit=1), f"spend-2017-{month:02}.csv")
        query = "select cells ->> 1 from raw.quarantine where batch_id = %s"
        assert connection.execute(query, [batch.batch_id]).fetchone() == (words,)


def test_an_empty_file_below_its_header_is_a_batch_of_nothing(ingested, connection) -> None:
    assert ingested(HEADER).status == "loaded"
    (row,) = batches(connection)
    assert (row["lines_read"], row["lines_loaded"], row["amount_read"]) == (0, 0, 0)


def test_two_loads_of_one_file_at_the_same_moment_leave_one_batch(
    connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "PROGRESS_LINES", 1)
    path = tmp_path / "spend-2017-04.csv"
    path.write_text(lines(4500))
    first_is_loading = threading.Event()

    def linger(file: str, count: int) -> None:
        first_is_loading.set()
        time.sleep(0.1)

    def second() -> Batch | None:
        assert first_is_loading.wait(20)
        return ingest.ingest_file(institution(), "ledger", path)[1]

    with ThreadPoolExecutor(2) as pool:
        later = pool.submit(second)
        earlier = pool.submit(ingest.ingest_file, institution(), "ledger", path, linger)
        assert earlier.result()[1].status == "loaded"
        assert later.result() is None
    assert [row["status"] for row in batches(connection)] == ["loaded"]
    assert raw(connection) == (4500, Decimal("5625.00"))


# Loads a file in a child process for each line of its input, `PART DELAY`: the child is killed at its n-th part, or by
# us some seconds after its first one when PART is 0. Importing once and forking saves seconds a kill.
LOADER = """
import os, signal, sys, time
from pathlib import Path
from anchorspend import ingest, load
from anchorspend.contract import Institution

load.PROGRESS_LINES = 1
college = Institution.model_validate_json(Path(sys.argv[1]).read_text())
for moment in sys.stdin:
    die_at, delay = int(moment.split()[0]), float(moment.split()[1])
    started, tell = os.pipe()
    child = os.fork()
    if not child:
        parts = 0

        def progress(file, lines):
            global parts
            parts += 1
            os.write(tell, b".")
            if parts == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0 if die_at else 0.05)

        ingest.ingest_file(college, "ledger", Path(sys.argv[2]), progress)
        os._exit(0)
    os.close(tell)  # so that a child that ends without a part is not waited for
    os.read(started, 1)
    os.close(started)
    if not die_at:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
IN_PARTS = lines(2000) + "April,Acme,1.25\n" * 20 + lines(5980).removeprefix(HEADER)  # four parts of two thousand lines


@pytest.fixture
def kill(connection: psycopg.Connection, tmp_path: Path) -> Iterator[Callable[[int, float], int]]:
    """Loads a file in a process that is killed at the n-th part, or some seconds after the first; its exit code."""
    path, contract = tmp_path / "spend-2017-04.csv", tmp_path / "college.json"
    path.write_text(IN_PARTS)
    contract.write_text(institution().model_dump_json())
    command = [sys.executable, "-c", LOADER, str(contract), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin
        assert process.stdout

        def run(part: int, delay: float) -> int:
            process.stdin.write(f"{part} {delay}\n")
            code = int(process.stdout.readline())
            wait_until_alone(connection)
            return code

        yield run
        process.stdin.close()


def wait_until_alone(connection: psycopg.Connection) -> None:
    """Wait for the sessions of processes that are gone: the server ends what they had asked, a commit too."""
    others = """
        select count(*) from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
        """
    give_up = time.monotonic() + 30
    while connection.execute(others).fetchone() != (0,):
        assert time.monotonic() < give_up, "a session of a process that is gone stays"
        time.sleep(0.01)


def assert_only_whole_batches(connection: psycopg.Connection, count: int) -> None:
    assert [row["status"] for row in batches(connection)] == ["loaded"] * count
    assert raw(connection) == (7980 * count, Decimal("9975.00") * count)
    assert connection.execute("select count(*) from raw.quarantine").fetchone() == (20 * count,)
    assert connection.execute("select count(*) from raw.ledger").fetchone() == (7980 * count,)
    assert orphans(connection) == 0


def test_a_load_killed_at_any_moment_leaves_nothing_and_runs_again(kill, connection, tmp_path: Path) -> None:
    for part, delay in ((1, 0), (2, 0), (4, 0), (0, 0), (0, 0.03), (0, 0.08), (0, 0.12)):
        assert kill(part, delay) == -signal.SIGKILL
        assert_only_whole_batches(connection, 0)
    batch = ingest.ingest_file(institution(), "ledger", tmp_path / "spend-2017-04.csv")[1]
    assert (batch.status, batch.lines_read, batch.lines_quarantined) == ("loaded", 8000, 20)
    assert_only_whole_batches(connection, 1)
    assert ingest.ingest_file(institution(), "ledger", tmp_path / "spend-2017-04.csv")[1] is None


def test_a_load_killed_about_its_end_is_whole_or_absent_and_runs_again_to_one(kill, connection, tmp_path: Path) -> None:
    for delay in (0.18, 0.24, 0.32):
        assert kill(0, delay) in (-signal.SIGKILL, 0)
        assert_only_whole_batches(connection, len(batches(connection)))
        assert len(batches(connection)) <= 1
    ingest.ingest_file(institution(), "ledger", tmp_path / "spend-2017-04.csv")
    assert_only_whole_batches(connection, 1)
