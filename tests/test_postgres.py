"""The embedded PostgreSQL: one server of this file's own, in a folder with a space, put through its paces."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from anchorspend import warehouse
from anchorspend.server import postgres


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a server that a first start left half made, started."""
    state = tmp_path_factory.mktemp("with a space")
    state.chmod(0o755)
    (state / "postgres" / "data").mkdir(parents=True)
    (state / "postgres" / "data" / "PG_VERSION").write_text("half made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_STATE", str(state))
        patch.delenv("ANCHORSPEND_WAREHOUSE_URL", raising=False)
        assert postgres.start() is True
        try:
            yield state / "postgres"
        finally:
            postgres.stop()


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


def port() -> int:
    return urlsplit(warehouse.url()).port or 0


def ask(query: str, address: str | None = None) -> object:
    with psycopg.connect(address or warehouse.url()) as connection:
        (answer,) = connection.execute(query.encode()).fetchone() or (None,)
        return answer


def test_a_half_made_data_folder_is_made_again(folder: Path) -> None:
    assert " " in str(folder)
    assert (folder / "data" / "PG_VERSION").read_text() != "half made"
    assert ask("select to_regclass('ops.release')") == "ops.release"


def test_a_second_start_is_harmless(folder: Path) -> None:
    process, addresses = postmaster(folder).pid, (folder / "addresses.json").read_text()
    assert postgres.start() is False
    assert (postmaster(folder).pid, (folder / "addresses.json").read_text()) == (process, addresses)


def test_the_server_listens_on_this_machine_alone_and_makes_no_socket_file(folder: Path) -> None:
    listening = {
        connection.laddr[0]
        for connection in postmaster(folder).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert postmaster(folder).net_connections(kind="unix") == []
    assert ask("show unix_socket_directories", postgres.superuser_url()) == ""
    assert not list(Path("/tmp").glob(f".s.PGSQL.{port()}*"))


def test_a_password_is_always_asked_for(folder: Path) -> None:
    owner = urlsplit(warehouse.url())
    for user in ("postgres", postgres.OWNER, warehouse.READER):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=owner.hostname, port=owner.port, user=user, dbname="postgres")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host=owner.hostname, port=owner.port, user=user, dbname="postgres", password="postgres")


def test_passwords_lie_in_files_only_their_owner_reads(folder: Path) -> None:
    assert not (folder / "superuser").exists()
    for name in ("passwords.json", "addresses.json"):
        assert (folder / name).stat().st_mode & 0o077 == 0
    passwords = json.loads((folder / "passwords.json").read_text())
    assert len(set(passwords.values())) == 4
    assert min(map(len, passwords.values())) >= 24


def test_where_we_are_root_the_server_is_not(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root here, so there is nobody else to run the server as")
    assert 0 not in postmaster(folder).uids()
    assert (folder / "data").stat().st_uid == postmaster(folder).uids().real


def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    with psycopg.connect(warehouse.url()) as connection:
        connection.execute("create table if not exists ops.kept as select 42 as answer")
    processes = [postmaster(folder), *postmaster(folder).children(recursive=True)]
    os.kill(processes[0].pid, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=15)
    assert not postgres.is_running()
    assert (folder / "data" / "postmaster.pid").exists()
    assert postgres.start() is True
    assert ask("select answer from ops.kept") == 42
    assert ask("select current_user", warehouse.reader_url()) == warehouse.READER


def test_a_port_somebody_else_took_is_left_to_them(folder: Path) -> None:
    before = port()
    postgres.stop()
    assert not postgres.is_running()
    with socket.socket() as somebody:
        somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 10
        while True:
            try:
                somebody.bind(("127.0.0.1", before))
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        somebody.listen()
        assert postgres.start() is True
        assert port() != before
    for address in (warehouse.url(), warehouse.reader_url(), postgres.superuser_url(), postgres.airflow_url()):
        assert urlsplit(address).port == port()
        assert ask("select 1", address) == 1


def test_stopping_what_does_not_run_is_harmless(folder: Path) -> None:
    postgres.stop()
    postgres.stop()
    assert not postgres.is_running()


def test_a_server_of_ones_own_is_neither_started_nor_stopped(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORSPEND_STATE", str(tmp_path))
    assert postgres.start() is False
    postgres.stop()
    assert ask("select 1", warehouse_url) == 1
    assert list(tmp_path.glob("postgres/*")) == []
