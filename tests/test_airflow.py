"""The client of a running Airflow: patient with a busy one, plain about one that is gone."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from anchorspend.errors import UserError
from anchorspend.server import airflow


class Busy(BaseHTTPRequestHandler):
    """Gives a token, then fails twice before it answers."""

    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(201, b'{"access_token": "sesame"}')

    def do_GET(self) -> None:
        type(self).asked += 1
        if type(self).asked < 3:
            self._say(503, b"busy")
        else:
            assert self.headers["Authorization"] == "Bearer sesame"
            self._say(200, b'{"dags": [{"dag_id": "release"}]}')

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def address() -> Iterator[airflow.Address]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield airflow.Address(f"http://127.0.0.1:{server.server_port}", "admin", "secret")
    server.shutdown()
    server.server_close()


def test_a_busy_airflow_is_asked_again(address: airflow.Address) -> None:
    assert airflow.Client(address).dags() == ["release"]
    assert Busy.asked == 3


def test_an_airflow_that_is_gone_is_said_plainly(address: airflow.Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow, "_ASK_AGAIN", 0)
    gone = airflow.Address("http://127.0.0.1:9", "admin", "secret")
    with pytest.raises(UserError, match=r"does not answer at http://127\.0\.0\.1:9 .*standalone\.log"):
        airflow.Client(gone).dags()


def test_airflows_processes_keep_what_they_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(airflow.postgres, "airflow_url", lambda: "postgresql://nobody@127.0.0.1/airflow")
    assert "PYTHONDONTWRITEBYTECODE" not in airflow.environment(8080)
