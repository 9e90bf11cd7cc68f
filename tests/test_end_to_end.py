"""The whole way under the real scheduler: the sample county's files, one of them corrupt, to a published release."""

import csv
import os
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import requests
from anchorspend import contract, settings, show, warehouse
from anchorspend.sample import write_county
from anchorspend.server import airflow, postgres

CORRUPT = "bedfordshire_police"
LIMIT_SECONDS = 900

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1500)]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(2)


def ended_runs(client: airflow.Client, dag_id: str) -> list[dict[str, str]]:
    return [run for run in client.runs(dag_id) if run["state"] in {"success", "failed"}]


@pytest.fixture(scope="module")
def corrupt_file(state: Path) -> Path:
    """The sample county in the inbox, with a web page where a partner's file should be."""
    write_county(settings.inbox(), state / "truth", scale=0.05)
    file = sorted((settings.inbox() / CORRUPT / "ledger").glob("*"))[0]
    file.write_text("<!DOCTYPE html><html><body>Session expired. Please log in.</body></html>")
    return file


@pytest.fixture(scope="module")
def client(corrupt_file: Path) -> Iterator[airflow.Client]:
    """Airflow with every DAG unpaused and run until nothing moves any more."""
    os.environ["ANCHORSPEND_QUIET_SECONDS"] = "8"
    started = postgres.start()
    address = airflow.start()
    client = airflow.Client(address)
    dags = [f"ingest_{name}" for name in contract.load_institutions()]
    wait_for(lambda: {*dags, "reference", "release"} <= set(client.dags()), "the DAG files to be read")
    for dag_id in ("release", "reference", *dags):
        client.unpause(dag_id)
    for dag_id in ("reference", *dags):
        if not client.runs(dag_id):
            client.trigger(dag_id)
    wait_for(lambda: all(ended_runs(client, d) for d in dags), "the ingest DAGs to end")
    wait_for(lambda: published() == 1, "a release to be published")
    yield client
    airflow.stop()
    if started:
        postgres.stop()
    del os.environ["ANCHORSPEND_QUIET_SECONDS"]


def published() -> int:
    with warehouse.connect() as connection:
        return connection.execute("select count(*) from ops.release where status = 'published'").fetchone()[0]


@pytest.fixture(scope="module")
def reader(client: airflow.Client) -> Iterator[psycopg.Connection]:
    """A connection as bi_reader, who sees what the world sees."""
    with psycopg.connect(warehouse.reader_url(), autocommit=True) as connection:
        yield connection


def test_a_corrupt_file_fails_its_own_institution_alone_and_says_why(
    client: airflow.Client, corrupt_file: Path
) -> None:
    ended = {name: ended_runs(client, f"ingest_{name}") for name in contract.load_institutions()}
    assert {name: {run["state"] for run in runs} for name, runs in ended.items()} == {
        name: {"failed" if name == CORRUPT else "success"} for name in ended
    }
    with warehouse.connect() as connection:
        refused = connection.execute(
            "select institution_id, name, reason from ops.batch inner join landing.file using (file_id, institution_id)"
            " where status = 'refused'"
        ).fetchall()
    assert [(institution, name) for institution, name, _ in refused] == [(CORRUPT, corrupt_file.name)]
    assert "web page" in refused[0][2]
    run = ended[CORRUPT][-1]["dag_run_id"]
    report = next(task for task in client.tasks(f"ingest_{CORRUPT}", run) if task["task_id"] == "report")
    assert report["state"] == "failed"
    assert "web page" in client.log(f"ingest_{CORRUPT}", run, report)


def test_a_burst_of_feeds_makes_one_release(client: airflow.Client) -> None:
    with warehouse.connect() as connection:
        assert connection.execute("select array_agg(status) from ops.release").fetchone()[0] == ["published"]


def truth_of(*columns: str) -> dict[tuple[str, str, str], tuple[Decimal, ...]]:
    """Figures of the truth by institution, year and definition, without the institution whose file is corrupt."""
    with (settings.state() / "truth" / "figures.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["institution_id"], row["financial_year"], row["definition"]): tuple(Decimal(row[c]) for c in columns)
            for row in csv.DictReader(file)
            if row["institution_id"] != CORRUPT
        }


@pytest.mark.parametrize(
    ("rungs", "local", "known"),
    [
        (["payment_line"], "local_amount", "known_amount"),
        (["payment_line", "payment_line_repaired"], "repaired_local_amount", "repaired_known_amount"),
    ],
)
def test_what_stands_on_the_payment_line_equals_the_truth_to_the_penny(
    reader: psycopg.Connection, rungs: list[str], local: str, known: str
) -> None:
    found = {
        row[:3]: row[3:]
        for row in reader.execute(
            """
            select line.institution_id, line.financial_year, place.definition_id,
                coalesce(sum(line.amount) filter (where local_status = 'local' and is_on), 0),
                coalesce(sum(line.amount) filter (where is_on), 0), sum(line.amount)
            from fct_spend as line
            inner join supplier_local as place on line.supplier_record_id = place.supplier_record_id
            inner join lateral (select place.location_evidence = any(%s) as is_on) as rung on true
            group by line.institution_id, line.financial_year, place.definition_id
            """,
            [rungs],
        )
    }
    truth = truth_of(local, known, "total_amount")
    assert len({key[:2] for key in truth}) == 21
    assert {key: found[key] for key in truth} == truth


def test_every_figure_of_the_year_without_faults_equals_the_truth_to_the_penny(reader: psycopg.Connection) -> None:
    scores = {
        ("luton_council", "2017-18", definition): tuple(figures)
        for definition, *figures in reader.execute(
            "select definition_id, numerator, denominator, total_amount from kpi_scorecard"
            " where (kpi_id, institution_id, financial_year) = ('local_spend_pct', 'luton_council', '2017-18')"
        )
    }
    truth = truth_of("local_amount", "known_amount", "total_amount")
    expected = {key: figures for key, figures in truth.items() if key[:2] == ("luton_council", "2017-18")}
    assert len(expected) == 4
    assert {key: scores[key] for key in expected} == expected


def test_the_strategy_s_baseline_is_published(reader: psycopg.Connection) -> None:
    value, local, total, coverage = reader.execute(
        "select value, numerator, total_amount, coverage from kpi_scorecard where kpi_id = 'local_spend_pct'"
        " and institution_id = 'luton_council' and financial_year = '2017-18' and definition_id = 'strategy'"
    ).fetchone()
    assert (value, local, total, coverage) == (Decimal("0.25"), 59_500_000, 238_000_000, 1)


def test_every_published_line_leads_back_to_its_row_in_the_file(reader: psycopg.Connection) -> None:
    file, row, amount = reader.execute(
        "select file_name, source_row, amount from fct_spend inner join dim_batch using (batch_id)"
        " where fct_spend.institution_id = 'university_of_bedfordshire' order by amount desc limit 1"
    ).fetchone()
    path = settings.inbox() / "university_of_bedfordshire" / "ledger" / file
    with path.open(encoding="utf-8", newline="") as text:
        cells = list(csv.reader(text, delimiter="\t"))[row - 1]
    assert f"{amount:.2f}" in {cell.replace(",", "").replace("£", "") for cell in cells}


def test_no_private_person_is_named(reader: psycopg.Connection) -> None:
    with (settings.state() / "truth" / "individuals.csv").open(encoding="utf-8", newline="") as file:
        persons = {
            value
            for row in csv.DictReader(file)
            for key, value in row.items()
            if "name" in key and not value.startswith("REDACTED")
        }
    assert persons
    names = {name for (name,) in reader.execute("select supplier_name from dim_supplier")}
    names |= {name for (name,) in reader.execute("select record_name from dim_supplier")}
    assert not names & persons


def test_airflow_shows_what_was_made_to_those_who_are_logged_in(client: airflow.Client) -> None:
    assert client.import_errors() == []  # and the client has its token
    url, token = client._address.url, client._session.headers["Authorization"]
    assert requests.get(f"{url}/anchorspend/releases", timeout=30).status_code == 401
    shown = requests.get(f"{url}/anchorspend/release/1", headers={"Authorization": token}, timeout=30)
    assert (shown.status_code, "Release 1: published" in shown.text) == (200, True)
    dag_id = "ingest_luton_council"
    run = quote(ended_runs(client, dag_id)[-1]["dag_run_id"], safe="")
    path = f"{url}/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/load/links?map_index=0"
    links = requests.get(path, headers={"Authorization": token}, timeout=30).json()["extra_links"]
    batches = requests.get(f"{url}{links['Batches']}", headers={"Authorization": token}, timeout=30)
    assert (batches.status_code, "luton_council" in batches.text) == (200, True)


def test_sample_data_says_so(client: airflow.Client) -> None:
    assert all(score["is_sample"] for score in show.scorecard())


def test_the_same_files_again_change_nothing(client: airflow.Client) -> None:
    with warehouse.connect() as connection:
        before = connection.execute("select count(*) from ops.batch").fetchone()
    dags = ["ingest_luton_council", "ingest_bedfordshire_fire"]
    runs = {dag_id: client.trigger(dag_id) for dag_id in dags}
    runs["release"] = client.trigger("release")

    def ended(dag_id: str) -> bool:
        run = next(run for run in client.runs(dag_id) if run["dag_run_id"] == runs[dag_id])
        assert run["state"] != "failed"
        return run["state"] == "success"

    wait_for(lambda: all(map(ended, runs)), "the second runs to end")
    with warehouse.connect() as connection:
        assert connection.execute("select count(*) from ops.batch").fetchone() == before
    assert published() == 1
