"""Doctor: what it finds in a sound installation, and in one broken in each way it looks for."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from anchorspend import doctor, model, settings, warehouse

Found = dict[str, list[doctor.Finding]]

INSTITUTION = Path(__file__).resolve().parents[1] / "dags" / "institutions" / "bedfordshire_police.yml"


def found() -> Found:
    told: Found = {}
    for one in doctor.examine():
        told.setdefault(one.check, []).append(one)
    return told


def statuses(told: list[doctor.Finding]) -> set[str]:
    return {one.status for one in told}


@pytest.fixture
def owner(published: None) -> Iterator[psycopg.Connection]:
    with warehouse.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server answers, which is all the same to checks of files."""
    monkeypatch.setenv("ANCHORSPEND_WAREHOUSE_URL", "postgresql://someone:hidden-word@127.0.0.1:1/nowhere")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own: the lock, one institution file, and a dbt project of one model, parsed."""
    checkout = tmp_path / "home"
    (checkout / "dags" / "institutions").mkdir(parents=True)
    (checkout / "dbt_project" / "models").mkdir(parents=True)
    (checkout / "dbt_project" / "target").mkdir()
    shutil.copy(settings.home() / "requirements.txt", checkout)
    shutil.copy(INSTITUTION, checkout / "dags" / "institutions")
    (checkout / "dbt_project" / "models" / "one.sql").write_text("select 1")
    for name in ("manifest.json", "models.json"):
        (checkout / "dbt_project" / "target" / name).write_text("{}")
    monkeypatch.setenv("ANCHORSPEND_HOME", str(checkout))
    monkeypatch.delenv("ANCHORSPEND_INSTITUTIONS", raising=False)
    return checkout


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of its own."""
    folder = tmp_path / "state"
    (folder / "postgres").mkdir(parents=True)
    (folder / "airflow").mkdir()
    monkeypatch.setenv("ANCHORSPEND_STATE", str(folder))
    return folder


def test_a_sound_installation_has_no_problem(published: None, home: Path, place: Path) -> None:
    told = found()
    assert {check for check, one in told.items() if "problem" in statuses(one)} == set()
    sound = ("python", "packages", "disk", "secrets", "institution files", "dbt project", "database", "roles", "schema")
    assert {check: statuses(told[check]) for check in sound} == {check: {"ok"} for check in sound}
    assert "reads marts and nothing else" in told["roles"][0].found
    assert told["database"][0].found.startswith("PostgreSQL ")


def test_what_is_not_ok_says_what_to_do_and_what_is_ok_says_nothing(published: None, home: Path, place: Path) -> None:
    told = doctor.examine()
    assert [one for one in told if (one.status == "ok") == bool(one.to_do)] == []
    assert doctor.worst(told) == "warning"  # no Airflow, no pages


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "grant usage on schema raw to bi_reader; grant select on raw.quarantine to bi_reader",
            "outside marts: raw.qu",
        ),
        (
            "grant usage on schema raw to bi_reader; grant select (cells) on raw.quarantine to bi_reader",
            "outside marts",
        ),
        ("grant insert on marts.kpi_scorecard to bi_reader", "may change 1 tables: marts.kpi_scorecard"),
        ("grant create on schema ops to bi_reader", "may create in the database or schema ops"),
        ("revoke select on marts.fct_spend from bi_reader", "may not read marts.fct_spend"),
    ],
)
def test_a_wrong_grant_is_a_problem(
    owner: psycopg.Connection, home: Path, place: Path, statement: str, words: str
) -> None:
    owner.execute(statement.encode())
    told = found()["roles"]
    assert statuses(told) == {"problem"}
    assert words in told[0].found


def test_a_role_that_reader_was_made_a_member_of_is_a_problem(
    owner: psycopg.Connection, home: Path, place: Path
) -> None:
    owner.execute("create role everything_reader")
    try:
        owner.execute("grant everything_reader to bi_reader")
        assert "is a member of everything_reader" in found()["roles"][0].found
    finally:
        owner.execute("drop role everything_reader")


def test_a_reader_s_password_that_was_changed_elsewhere_is_a_problem(
    published: None, home: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORSPEND_BI_READER_PASSWORD", "another")
    told = found()["roles"]
    assert (told[0].status, "bi_reader cannot log in" in told[0].found) == ("problem", True)
    assert "another" not in told[0].found


def test_tables_of_another_version_are_a_problem(owner: psycopg.Connection, home: Path, place: Path) -> None:
    owner.execute("comment on schema ops is 'what was done; set up by an earlier version'")
    assert statuses(found()["schema"]) == {"problem"}
    warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
    assert statuses(found()["schema"]) == {"ok"}


def test_a_warehouse_without_tables_is_told_and_not_a_crash(
    server: Callable[[], str], home: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORSPEND_WAREHOUSE_URL", server())
    told = found()
    for check in ("schema", "feeds", "held files", "release"):
        assert statuses(told[check]) == {"problem"}


def test_a_server_that_is_away_is_a_problem_and_the_rest_is_checked(nowhere: None, home: Path, place: Path) -> None:
    told = found()
    assert statuses(told["database"]) == {"problem"}
    assert "hidden-word" not in told["database"][0].found
    assert "institution files" in told
    assert "roles" not in told


def test_a_failed_or_outdated_or_old_release_is_a_warning(owner: psycopg.Connection, home: Path, place: Path) -> None:
    owner.execute("insert into ops.release (status, inputs_digest) values ('failed', '')")
    owner.execute("update ops.release set closed_at = now() - interval '90 days' where status = 'published'")
    told = found()["release"]
    assert statuses(told) == {"warning"}
    said = " ".join(one.found for one in told)
    assert "failed" in said
    assert "is not of what is loaded now" in said  # the institution files of this checkout are others
    assert "90 days old" in said


def test_a_month_that_did_not_come_is_a_warning_by_feed(owner: psycopg.Connection, home: Path, place: Path) -> None:
    (view,) = owner.execute("select pg_get_viewdef('marts.feed_coverage'::regclass)").fetchone()
    owner.execute(f"create table ops.kept as {view}".encode())
    owner.execute("update ops.kept set status = 'missing'")
    owner.execute("create or replace view marts.feed_coverage as select * from ops.kept")
    told = found()["feeds"]
    (feeds,) = owner.execute("select count(distinct (institution_id, feed_id)) from ops.kept").fetchone()
    assert (statuses(told), len(told)) == ({"warning"}, feeds)


def test_a_held_file_is_a_warning_that_quotes_nothing_of_it(owner: psycopg.Connection, home: Path, place: Path) -> None:
    file_id = owner.execute(
        "insert into landing.file (institution_id, feed_id, name, sha256, size_bytes, source, modified_at, is_sample)"
        " values ('bedfordshire_police', 'ledger', 'June.csv', repeat('0', 64), 1, 'x', now(), false) returning file_id"
    ).fetchone()[0]
    owner.execute(
        "insert into ops.batch (file_id, institution_id, feed_id, kind, layout_digest, status, reason, vat_basis)"
        " values (%s, 'bedfordshire_police', 'ledger', 'ledger', 'x', 'refused', 'unknown column Jane Doe', 'net')",
        [file_id],
    )
    told = found()["held files"]
    assert statuses(told) == {"warning"}
    assert "bedfordshire_police.ledger" in told[0].found
    assert "Jane" not in told[0].found


def test_an_old_or_missing_manifest_is_told(nowhere: None, home: Path, place: Path) -> None:
    os.utime(model.manifest(), (1, 1))
    assert statuses(found()["dbt project"]) == {"warning"}
    model.graph().unlink()
    assert statuses(found()["dbt project"]) == {"problem"}


def test_an_invalid_institution_file_is_a_problem_with_its_reason(nowhere: None, home: Path, place: Path) -> None:
    path = settings.institutions() / INSTITUTION.name
    path.write_text(path.read_text().replace("delimiter", "delimeter"))
    told = found()["institution files"]
    assert statuses(told) == {"problem"}
    assert "did you mean 'delimiter'?" in told[0].found


@pytest.mark.parametrize("name", ["postgres/passwords.json", "airflow/passwords.json"])
def test_a_secret_that_others_can_read_is_a_problem(nowhere: None, home: Path, place: Path, name: str) -> None:
    path = place / name
    path.write_text("{}")
    path.chmod(0o640)
    told = found()["secrets"]
    assert (statuses(told), told[0].to_do) == ({"problem"}, f"Run `chmod 600 {path}`.")
    path.chmod(0o600)
    assert statuses(found()["secrets"]) == {"ok"}


def test_a_package_of_another_version_is_a_problem(nowhere: None, home: Path, place: Path) -> None:
    lock = home / "requirements.txt"
    lock.write_text(lock.read_text() + "psycopg==0.0.1\nnever-on-this-system==1.0; sys_platform == 'never'\n")
    told = found()["packages"]
    assert statuses(told) == {"problem"}
    assert told[0].found.startswith("1 of ")
    assert "psycopg" in told[0].found


def test_a_full_disk_is_a_problem(nowhere: None, home: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FULL_DISK_GB", 1e9)
    assert statuses(found()["disk"]) == {"problem"}


def test_a_process_of_ours_that_other_machines_reach_is_a_problem(nowhere: None, home: Path, place: Path) -> None:
    listen = (
        "import socket, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True); input()"
    )
    for ip, status in (("127.0.0.1", "ok"), ("0.0.0.0", "problem")):
        with subprocess.Popen(
            [sys.executable, "-c", listen, ip, "airflow"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            port = process.stdout.readline().strip()
            (place / "airflow" / "running.json").write_text(
                json.dumps({"pid": process.pid, "url": f"http://127.0.0.1:{port}"})
            )
            told = doctor._addresses()
            assert [(one[0], port in one[1]) for one in told] == [(status, True)]
            process.communicate("\n")


def test_an_airflow_that_does_not_answer_is_a_problem(
    nowhere: None, home: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert statuses(found()["airflow"]) == {"warning"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"http://127.0.0.1:{port}/execution/")
    told = found()["airflow"]
    assert (statuses(told), told[0].found) == ({"problem"}, f"no Airflow answers at http://127.0.0.1:{port}")
