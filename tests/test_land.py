"""Landing: bytes are kept once under their hash, and every version of a file is registered once."""

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import psycopg
import pytest
from anchorspend import fetch, ingest, land, warehouse
from anchorspend.contract import Institution
from anchorspend.errors import UserError

FIRST, SECOND, THIRD = b"first\n", b"second\n", b"third\n"
CONTROL = {"sidecar": "control_{stem}.csv", "amount": "Total"}


def institution(folder: str = "college/ledger", **feed: Any) -> Institution:
    columns = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}
    ledger = {
        "kind": "ledger",
        "description": "Payments",
        "source": {"folder": folder, "files": "*.csv"},
        "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
        "vat": "net",
        "layouts": [{"columns": columns}],
        **feed,
    }
    return Institution.model_validate({"id": "college", "name": "C", "type": "college", "feeds": {"ledger": ledger}})


@pytest.fixture
def put(warehouse_url: str, tmp_path: Path) -> Callable[..., Path]:
    """Writes a file into the feed's folder, as old as asked."""

    def write(name: str, content: bytes, at: int = 1_500_000_000, folder: str = "college/ledger") -> Path:
        path = tmp_path / "inbox" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (at, at))
        return path

    return write


def land_all(college: Institution) -> list[land.Landed]:
    return list(ingest.land_feed(college, "ledger"))


def found_in(college: Institution) -> list[fetch.Found]:
    with fetch.opened(college, "ledger") as origin:
        return origin.discover()


def unlanded(connection: psycopg.Connection, college: Institution) -> list[fetch.Found]:
    with fetch.opened(college, "ledger") as origin:
        return land.unlanded(connection, college.id, "ledger", origin)


def versions(connection: psycopg.Connection) -> list[tuple[str, str, str | None]]:
    return connection.execute("select name, sha256, control_sha256 from landing.file order by file_id").fetchall()


def kept(sha256: str) -> bytes:
    with land.open_landed(sha256) as file:
        return file.read()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stored(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "landing").rglob("*") if path.is_file()}


def test_a_file_is_kept_under_its_hash_and_registered(put, connection, tmp_path: Path) -> None:
    path = put("a.csv", FIRST)
    (landed,) = land_all(institution())
    assert (landed.name, landed.sha256, landed.control_sha256, landed.is_new) == ("a.csv", sha(FIRST), None, True)
    assert stored(tmp_path) == {sha(FIRST): FIRST}
    row = connection.execute(
        "select file_id, institution_id, feed_id, size_bytes, source, extract(epoch from modified_at), is_sample"
        " from landing.file"
    ).fetchone()
    assert row == (landed.file_id, "college", "ledger", len(FIRST), f"file://{path}", 1_500_000_000, False)
    assert kept(landed.sha256) == FIRST


def test_the_same_bytes_again_are_nothing_new(put, connection) -> None:
    put("a.csv", FIRST)
    (first,) = land_all(institution())
    put("a.csv", FIRST, at=1_600_000_000)
    (again,) = land_all(institution())
    assert (again.file_id, again.is_new) == (first.file_id, False)
    assert land_all(institution()) == []
    assert len(versions(connection)) == 1


def test_changed_bytes_are_a_new_version_and_so_are_older_bytes_come_back(put, connection, tmp_path: Path) -> None:
    for at, content in enumerate((FIRST, SECOND, FIRST)):
        put("a.csv", content, at=1_500_000_000 + at)
        (landed,) = land_all(institution())
        assert landed.is_new
    assert [version[1] for version in versions(connection)] == [sha(FIRST), sha(SECOND), sha(FIRST)]
    assert stored(tmp_path) == {sha(FIRST): FIRST, sha(SECOND): SECOND}


def test_the_same_bytes_under_two_names_are_kept_once_and_registered_twice(put, connection, tmp_path: Path) -> None:
    put("a.csv", FIRST)
    put("b.csv", FIRST)
    assert [landed.is_new for landed in land_all(institution())] == [True, True]
    assert [version[0] for version in versions(connection)] == ["a.csv", "b.csv"]
    assert len(stored(tmp_path)) == 1


def test_a_kept_file_is_never_written_again(put, tmp_path: Path) -> None:
    put("a.csv", FIRST)
    (landed,) = land_all(institution())
    (address,) = (path for path in (tmp_path / "landing").rglob("*") if path.is_file())
    before = address.stat()
    put("b.csv", FIRST)
    put("a.csv", SECOND, at=1_600_000_000)
    land_all(institution())
    after = address.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert kept(landed.sha256) == FIRST


def test_files_are_found_oldest_first_then_by_name(put) -> None:
    put("c.csv", FIRST, at=1_500_000_000)
    put("b.csv", FIRST, at=1_500_000_001)
    put("a.csv", FIRST, at=1_500_000_001)
    put("notes.txt", FIRST)
    put("deeper/d.csv", FIRST)
    assert [found.name for found in found_in(institution())] == ["c.csv", "a.csv", "b.csv"]


def test_a_folder_that_is_not_there_has_no_files(put, connection) -> None:
    assert found_in(institution("college/nothing")) == []
    assert land_all(institution("college/nothing")) == []


def test_a_folder_may_have_any_name(put) -> None:
    for folder in ("college/with space", "college/[old]", "college/50% é"):
        put("a.csv", FIRST, folder=folder)
        assert [found.name for found in found_in(institution(folder))] == ["a.csv"], folder


NAMES = [
    "Payments over 500 - April 2017.csv",
    "spend (1).csv",
    "spend[1].csv",
    "50%20.csv",
    "a#b.csv",
    "a?b.csv",
    "é.csv",
]


def test_a_file_may_have_any_name_when_it_is_found(put) -> None:
    for name in NAMES:
        put(name, name.encode())
    assert {landed.name: kept(landed.sha256) for landed in land_all(institution())} == {n: n.encode() for n in NAMES}


def test_a_file_may_have_any_name_when_a_person_names_it(put, connection) -> None:
    college = institution()
    for name in NAMES:
        found = land.found_at(put(name, name.encode()), college.feeds["ledger"])
        landed = land.land(connection, "college", "ledger", found)
        assert (landed.name, kept(landed.sha256)) == (name, name.encode())


def test_a_file_named_and_then_found_is_the_same_file(put, connection) -> None:
    college = institution(control_total=CONTROL)
    put("control_a.csv", SECOND)
    named = land.found_at(put("a.csv", FIRST), college.feeds["ledger"])
    assert found_in(college) == [named]
    land.land(connection, "college", "ledger", named)
    assert unlanded(connection, college) == []


def test_a_file_named_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.csv: no such file"):
        land.found_at(tmp_path / "nowhere.csv", institution().feeds["ledger"])


def test_what_is_unchanged_by_name_size_and_time_is_not_read_again(put, connection) -> None:
    put("a.csv", b"1234")
    land_all(institution())
    put("a.csv", b"5678")
    assert unlanded(connection, institution()) == []
    put("a.csv", b"5678", at=1_600_000_000)
    assert [found.name for found in unlanded(connection, institution())] == ["a.csv"]
    put("a.csv", b"56789")
    assert [found.name for found in unlanded(connection, institution())] == ["a.csv"]


def test_a_control_total_lands_with_its_file_and_is_no_file_of_the_feed(put, connection, tmp_path: Path) -> None:
    put("a.csv", FIRST)
    put("control_a.csv", SECOND)
    (landed,) = land_all(institution(control_total=CONTROL))
    assert (landed.name, landed.control_sha256) == ("a.csv", sha(SECOND))
    assert stored(tmp_path) == {sha(FIRST): FIRST, sha(SECOND): SECOND}
    assert connection.execute("select control_name from landing.file").fetchone() == ("control_a.csv",)


def test_a_control_total_that_comes_later_or_goes_is_a_new_version(put, connection) -> None:
    college = institution(control_total=CONTROL)
    put("a.csv", FIRST)
    land_all(college)
    sidecar = put("control_a.csv", SECOND)
    land_all(college)
    sidecar.unlink()
    land_all(college)
    assert versions(connection) == [
        ("a.csv", sha(FIRST), None),
        ("a.csv", sha(FIRST), sha(SECOND)),
        ("a.csv", sha(FIRST), None),
    ]


def test_a_control_total_put_right_is_a_new_version_of_its_file(put, connection) -> None:
    college = institution(control_total=CONTROL)
    put("a.csv", FIRST)
    put("control_a.csv", SECOND)
    land_all(college)
    assert land_all(college) == []
    put("control_a.csv", THIRD + SECOND, at=1_600_000_000)
    assert [landed.is_new for landed in land_all(college)] == [True]
    assert [version[2] for version in versions(connection)] == [sha(SECOND), sha(THIRD + SECOND)]


def samples(connection: psycopg.Connection) -> list[bool]:
    return [row[0] for row in connection.execute("select is_sample from landing.file order by file_id")]


@pytest.mark.parametrize("inbox", ["inbox", "in box"])
def test_what_comes_from_a_marked_inbox_is_a_sample(
    put, connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: str
) -> None:
    monkeypatch.setenv("ANCHORSPEND_INBOX", str(tmp_path / inbox))
    path = put("a.csv", FIRST, folder=str(tmp_path / inbox / "college/ledger"))
    (tmp_path / inbox / land.SAMPLE_MARK).touch()
    land_all(institution())
    path.write_bytes(SECOND)
    land.land(connection, "college", "ledger", land.found_at(path, institution().feeds["ledger"]))
    assert samples(connection) == [True, True]


@pytest.mark.parametrize("folder", ["elsewhere", "inbox-of-last-year"])
def test_what_comes_from_elsewhere_is_no_sample(put, connection, tmp_path: Path, folder: str) -> None:
    put("a.csv", FIRST)
    (tmp_path / "inbox" / land.SAMPLE_MARK).touch()
    other = tmp_path / folder / "b.csv"
    other.parent.mkdir()
    other.write_bytes(SECOND)
    land_all(institution(str(other.parent)))
    assert samples(connection) == [False]


def test_the_landing_store_and_the_source_may_be_urls(put, connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHORSPEND_LANDING", "memory://store")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/feed/a.csv", FIRST)
    memory.pipe_file("/feed/control_a.csv", SECOND)
    college = institution("memory://feed", control_total=CONTROL)
    try:
        (landed,) = land_all(college)
        assert land_all(college) == []
        assert (kept(landed.sha256), kept(landed.control_sha256)) == (FIRST, SECOND)
        assert memory.cat_file(f"/store/{sha(FIRST)[:2]}/{sha(FIRST)}") == FIRST
        assert [path for path in memory.find("/store") if path.endswith("partial")] == []
    finally:
        memory.rm("/feed", recursive=True)
        memory.rm("/store", recursive=True)


def test_bytes_the_store_has_lost_are_missed_by_their_address(put, tmp_path: Path) -> None:
    put("a.csv", FIRST)
    (landed,) = land_all(institution())
    next(path for path in (tmp_path / "landing").rglob("*") if path.is_file()).unlink()
    with pytest.raises(UserError, match=f"the landing store has no .*{sha(FIRST)}.*restore it"):
        kept(landed.sha256)


def test_a_copy_cut_short_is_not_taken_for_the_file(put, tmp_path: Path) -> None:
    put("a.csv", FIRST)
    address = tmp_path / "landing" / sha(FIRST)[:2] / sha(FIRST)
    address.parent.mkdir(parents=True)
    address.with_name(f"{address.name}.partial").write_bytes(FIRST[:2])
    (landed,) = land_all(institution())
    assert kept(landed.sha256) == FIRST


def test_two_landings_of_one_file_at_the_same_moment_register_it_once(
    put, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    college = institution()
    found = land.found_at(put("a.csv", FIRST), college.feeds["ledger"])
    filesystem = type(fsspec.filesystem("file"))
    move, both_have_copied = filesystem.mv, threading.Barrier(2)

    def wait_and_move(self: Any, *arguments: Any, **options: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            both_have_copied.wait(timeout=1)
        return move(self, *arguments, **options)

    monkeypatch.setattr(filesystem, "mv", wait_and_move)

    def one(_: int) -> land.Landed:
        with warehouse.connect(autocommit=True) as own:
            return land.land(own, "college", "ledger", found)

    with ThreadPoolExecutor(2) as pool:
        landed = list(pool.map(one, range(2)))
    assert sorted(one.is_new for one in landed) == [False, True]
    assert len(versions(connection)) == 1
    assert kept(sha(FIRST)) == FIRST
