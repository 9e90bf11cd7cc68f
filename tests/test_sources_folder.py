"""Object stores and SFTP servers as folders: real servers on loopback, logins, host keys and what goes wrong."""

import contextlib
import io
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import paramiko
import psycopg
import pytest
import requests
from anchorspend import fetch, ingest, land
from anchorspend.contract import Institution
from anchorspend.errors import UserError
from moto.server import ThreadedMotoServer

QUICK = fetch.Limits(connect=2, read=2, attempts=1)
FIRST, SECOND, CONTROL = b"first\n", b"second\n", b"control\n"
NAMES = ["Payments over 500 - April 2017.csv", "spend[1].csv", "50%20.csv", "a#b.csv", "a?b.csv", "é.csv"]


def college(folder: str, *, connection: str | None = "college", **feed: Any) -> Institution:
    source = {"folder": folder, **({"connection": connection} if connection else {})}
    columns = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}
    ledger = {
        "kind": "ledger",
        "description": "Payments",
        "source": source,
        "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
        "vat": "net",
        "layouts": [{"columns": columns}],
        **feed,
    }
    return Institution.model_validate({"id": "college", "name": "C", "type": "college", "feeds": {"ledger": ledger}})


def land_all(institution: Institution) -> dict[str, bytes]:
    return {one.name: kept(one.sha256) for one in ingest.land_feed(institution, "ledger", limits=QUICK)}


def kept(sha256: str) -> bytes:
    with land.open_landed(sha256) as file:
        return file.read()


def listed(institution: Institution) -> list[str]:
    with fetch.opened(institution, "ledger", limits=QUICK) as origin:
        return [found.name for found in origin.discover()]


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the connection `college` as JSON, as an operator would."""

    def set_connection(login: str | None, password: str | None, **extra: Any) -> None:
        value = {"login": login, "password": password, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_COLLEGE", json.dumps(value))

    return set_connection


# Object stores


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(store: str, log_in: Callable[..., None]) -> Any:
    log_in("AKIA", "s3cret", endpoint_url=store, region_name="eu-west-2")
    client = boto3.client(
        "s3", endpoint_url=store, region_name="eu-west-2", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_bucket(Bucket="spend", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})

    def put(name: str, content: bytes) -> None:
        client.put_object(Bucket="spend", Key=name, Body=content)

    yield put
    for one in client.list_objects_v2(Bucket="spend").get("Contents", []):
        client.delete_object(Bucket="spend", Key=one["Key"])
    client.delete_bucket(Bucket="spend")


def test_files_of_an_object_store_land_with_their_control_totals(bucket, connection: psycopg.Connection) -> None:
    for name, content in {"2017-04.csv": FIRST, "2017-05.csv": SECOND, "2017-04.ctl": CONTROL, "a.txt": b""}.items():
        bucket(f"ledger/{name}", content)
    bucket("ledger/deeper/2017-06.csv", SECOND)
    bucket("elsewhere/2017-07.csv", SECOND)
    feed = college("s3://spend/ledger", control_total={"sidecar": "{stem}.ctl", "amount": "Total"})
    assert land_all(feed) == {"2017-04.csv": FIRST, "2017-05.csv": SECOND}
    assert connection.execute("select source, control_name from landing.file order by name").fetchall() == [
        ("s3://spend/ledger/2017-04.csv", "2017-04.ctl"),
        ("s3://spend/ledger/2017-05.csv", None),
    ]
    assert land_all(feed) == {}
    bucket("ledger/2017-05.csv", b"longer than before")
    assert land_all(feed) == {"2017-05.csv": b"longer than before"}


def test_files_of_an_object_store_may_have_any_name(bucket, connection: psycopg.Connection) -> None:
    for name in NAMES:
        bucket(f"ledger/{name}", name.encode())
    assert land_all(college("s3://spend/ledger")) == {name: name.encode() for name in NAMES}


def test_a_prefix_without_files_has_none(bucket) -> None:
    assert listed(college("s3://spend/nothing")) == []


def test_a_store_that_is_away_is_no_empty_folder(log_in) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        log_in("AKIA", "s3cret", endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(fetch.FetchFailed, match="s3://spend/ledger: could not be read") as told:
            listed(college("s3://spend/ledger"))
    assert "s3cret" not in str(told.value)


def test_a_store_that_refuses_the_login_names_the_connection(store: str, bucket) -> None:
    bucket("ledger/2017-04.csv", FIRST)
    requests.post(f"{store}/moto-api/reset-auth", data=b"0", timeout=2)  # from now on the key must be a real one
    try:
        with pytest.raises(UserError, match="s3://spend/ledger: refuses the login of connection 'college'") as told:
            listed(college("s3://spend/ledger"))
    finally:
        requests.post(f"{store}/moto-api/reset-auth", data=b"inf", timeout=2)
    assert "s3cret" not in str(told.value)


def test_a_public_store_needs_no_connection(bucket, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket("ledger/2017-04.csv", FIRST)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    assert listed(college("s3://spend/ledger", connection=None)) == ["2017-04.csv"]


def test_a_store_without_a_login_in_the_connection_is_refused(log_in) -> None:
    log_in(None, None)
    with pytest.raises(UserError, match=r"connection 'college' has no login \(access key id\)"):
        listed(college("s3://spend/ledger"))


# SFTP


class Server(paramiko.ServerInterface):
    def __init__(self, keys: list[paramiko.PKey], tried: list[str]) -> None:
        self._keys, self._tried = keys, tried

    def check_auth_password(self, username: str, password: str) -> int:
        self._tried.append(password)
        right = (username, password) == ("bob", "s3cret")
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key in self._keys else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class Files(paramiko.SFTPServerInterface):
    """The files below a folder, which is the server's root."""

    root: Path

    def _real(self, path: str) -> Path:
        return self.root / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> Any:
        try:
            return [self._attributes(one) for one in self._real(path).iterdir()]
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno or 0)

    def stat(self, path: str) -> Any:
        try:
            return self._attributes(self._real(path))
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        if stat.S_IMODE(self._real(path).stat().st_mode) == 0:  # we may be root, who may read everything
            return paramiko.SFTP_PERMISSION_DENIED
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = self._real(path).open("rb")  # type: ignore[attr-defined]
        handle.stat = lambda: self.stat(path)  # type: ignore[method-assign]
        return handle

    def _attributes(self, path: Path) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(path.stat(), path.name)


@pytest.fixture(scope="session")
def keys() -> list[paramiko.PKey]:
    """The server's own key, another, and one of a client."""
    return [paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()]


class Site:
    def __init__(self, port: int, root: Path) -> None:
        self.port, self.root, self.tried = port, root, list[str]()
        self.url = f"sftp://127.0.0.1:{port}"

    def put(self, name: str, content: bytes) -> Path:
        path = self.root / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_500_000_000, 1_500_000_000))
        return path


@pytest.fixture
def sftp(tmp_path: Path, keys: list[paramiko.PKey]) -> Iterator[Site]:
    listening = socket.create_server(("127.0.0.1", 0))
    site = Site(listening.getsockname()[1], tmp_path / "server")
    (site.root / "out").mkdir(parents=True)
    served: list[paramiko.Transport] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                transport = paramiko.Transport(client)
                served.append(transport)
                transport.add_server_key(keys[0])
                transport.set_subsystem_handler(
                    "sftp", paramiko.SFTPServer, type("Served", (Files,), {"root": site.root})
                )
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=Server(keys[2:], site.tried))

    threading.Thread(target=serve, daemon=True).start()
    yield site
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for transport in served:
        transport.close()


def public(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def test_files_of_an_sftp_server_land_with_their_control_totals(
    sftp: Site, keys, log_in, connection: psycopg.Connection
) -> None:
    log_in("bob", "s3cret", host_key=public(keys[0]))
    for name, content in {"2017-04.csv": FIRST, "2017-05.csv": SECOND, "2017-04.ctl": CONTROL, "a.txt": b""}.items():
        sftp.put(name, content)
    sftp.put("deeper/2017-06.csv", SECOND)
    feed = college(f"{sftp.url}/out", control_total={"sidecar": "{stem}.ctl", "amount": "Total"})
    assert land_all(feed) == {"2017-04.csv": FIRST, "2017-05.csv": SECOND}
    rows = connection.execute(
        "select source, control_name, extract(epoch from modified_at) from landing.file order by name"
    ).fetchall()
    assert rows == [
        (f"{sftp.url}/out/2017-04.csv", "2017-04.ctl", 1_500_000_000),
        (f"{sftp.url}/out/2017-05.csv", None, 1_500_000_000),
    ]
    assert (land_all(feed), ingest.refused(connection, feed)) == ({}, [])


def test_files_of_an_sftp_server_may_have_any_name(sftp: Site, keys, log_in, connection: psycopg.Connection) -> None:
    log_in("bob", "s3cret", host_key=public(keys[0]))
    for name in NAMES:
        sftp.put(name, name.encode())
    assert land_all(college(f"{sftp.url}/out")) == {name: name.encode() for name in NAMES}


def test_an_absent_folder_has_no_files(sftp: Site, keys, log_in) -> None:
    log_in("bob", "s3cret", host_key=public(keys[0]))
    assert listed(college(f"{sftp.url}/nothing")) == []


def test_a_private_key_logs_in(sftp: Site, keys, log_in, tmp_path: Path) -> None:
    sftp.put("2017-04.csv", FIRST)
    text = io.StringIO()
    keys[2].write_private_key(text, password="s3cret")
    log_in("bob", None, host_key=public(keys[0]), private_key=text.getvalue(), private_key_passphrase="s3cret")
    assert listed(college(f"{sftp.url}/out")) == ["2017-04.csv"]
    (tmp_path / "key").write_text(text.getvalue())
    log_in("bob", None, host_key=public(keys[0]), key_file=str(tmp_path / "key"), private_key_passphrase="s3cret")
    assert listed(college(f"{sftp.url}/out")) == ["2017-04.csv"]
    log_in("bob", None, host_key=public(keys[0]), private_key=text.getvalue(), private_key_passphrase="other")
    with pytest.raises(UserError, match="its private key cannot be read") as told:
        listed(college(f"{sftp.url}/out"))
    assert "PRIVATE" not in str(told.value)


@pytest.mark.parametrize("right", [True, False])
def test_a_host_key_is_compared_with_a_file_of_known_hosts(
    sftp: Site, keys, log_in, tmp_path: Path, right: bool
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sftp.port} {public(keys[0 if right else 1])}\n")
    log_in("bob", "s3cret", known_hosts=str(known))
    if right:
        assert listed(college(f"{sftp.url}/out")) == []
        return
    with pytest.raises(UserError, match=r"shows another host key \(SHA256:.*\) than the one known; no login was sent"):
        listed(college(f"{sftp.url}/out"))
    assert sftp.tried == []


def test_a_wrong_host_key_gets_no_login(sftp: Site, keys, log_in) -> None:
    log_in("bob", "s3cret", host_key=public(keys[1]))
    with pytest.raises(UserError, match="shows another host key"):
        listed(college(f"{sftp.url}/out"))
    assert sftp.tried == []


def test_an_unknown_host_gets_no_login(sftp: Site, log_in, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    log_in("bob", "s3cret")
    with pytest.raises(UserError, match=r"nobody vouches for its host key .*put `host_key` or `known_hosts`"):
        listed(college(f"{sftp.url}/out"))
    assert sftp.tried == []


def test_the_known_hosts_of_the_account_count(
    sftp: Site, keys, log_in, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sftp.port} {public(keys[0])}\n")
    log_in("bob", "s3cret")
    assert listed(college(f"{sftp.url}/out")) == []


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"host_key": "ssh-rsa"}, "`host_key` .* is no public key"),
        ({"host_key": "ssh-rsa AAAAB3Nz!"}, "`host_key` .* is no public key"),
        ({"host_key": "AAAAB3Nz"}, "`host_key` .* is no public key"),
        ({"known_hosts": "/nowhere"}, "known_hosts /nowhere: No such file"),
    ],
)
def test_a_host_key_that_cannot_be_read_is_told(sftp: Site, log_in, extra: dict[str, str], message: str) -> None:
    log_in("bob", "s3cret", **extra)
    with pytest.raises(UserError, match=message):
        listed(college(f"{sftp.url}/out"))


def test_a_login_refused_names_the_connection_and_not_the_password(
    sftp: Site, keys, log_in, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    log_in("bob", "wr0ng", host_key=public(keys[0]))
    with pytest.raises(UserError, match="refuses the login of connection 'college'") as told:
        listed(college(f"{sftp.url}/out"))
    assert "wr0ng" not in f"{told.value!r} {caplog.text}"


def test_a_server_that_is_away_is_no_empty_folder(log_in) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        log_in("bob", "s3cret")
        with pytest.raises(fetch.FetchFailed, match="could not be read"):
            listed(college(f"sftp://127.0.0.1:{taken.getsockname()[1]}/out"))


def test_a_server_that_says_nothing_is_given_up_in_time(log_in) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        log_in("bob", "s3cret")
        feed = college(f"sftp://127.0.0.1:{silent.getsockname()[1]}/out")
        with (
            pytest.raises(fetch.FetchFailed, match="could not be read"),
            fetch.opened(feed, "ledger", limits=fetch.Limits(connect=0.3)),
        ):
            pass


def test_a_file_that_cannot_be_read_stops_no_other(sftp: Site, keys, log_in, connection: psycopg.Connection) -> None:
    log_in("bob", "s3cret", host_key=public(keys[0]))
    sftp.put("2017-04.csv", FIRST).chmod(0)
    sftp.put("2017-05.csv", SECOND)
    feed = college(f"{sftp.url}/out")
    with pytest.raises(UserError, match=r"/out/2017-04.csv: refuses the login of connection 'college'"):
        land_all(feed)
    assert connection.execute("select name from landing.file").fetchall() == [("2017-05.csv",)]
