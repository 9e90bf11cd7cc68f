"""A standalone Airflow on 127.0.0.1: its settings, its start and stop, and a client for its REST API."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from anchorspend import model, settings
from anchorspend.errors import UserError
from anchorspend.server import local, postgres

_USER = "admin"
_START_SECONDS = 600
_ASK_AGAIN = 5
# `airflow standalone` without its triggerer, which runs what is deferred: nothing here is. Told to stop, it stays until
# its parts have, or nobody would take note of their end. DAG files are read once there is what the release's is drawn
# from: a file that failed is not read again for a minute.
_ALL_PARTS = """
trap : TERM
airflow db migrate && {
    airflow scheduler & airflow api-server &
    { until test -e "$1"; do sleep 0.2; done; exec airflow dag-processor; } &
    wait; wait
}
"""


def folder() -> Path:
    """Airflow's home: logs, generated configuration, process and address files."""
    return settings.state() / "airflow"


def environment(port: int) -> dict[str, str]:
    """The environment of every Airflow process: nothing is written outside the state folder, nothing reports home."""
    home, tmp = folder(), settings.state() / "tmp"
    for path in (home, tmp):
        path.mkdir(parents=True, exist_ok=True)
    tools = Path(sys.executable).parent
    given = dict(os.environ)
    given.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of its processes compiles 3,500 modules anew: ten seconds
    return {
        **given,
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}",
        "TMPDIR": str(tmp),
        "HOME": str(home),  # libraries that keep a cache in the home folder keep it here
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.home() / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.home() / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(4 + (os.cpu_count() or 2)),  # some only wait while others work
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords()),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": os.environ.get(
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            # The driver is named because SQLAlchemy 2.1 changed which one a bare postgresql:// means.
            postgres.airflow_url().replace("postgresql://", "postgresql+psycopg2://", 1),
        ),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "20",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",  # reading all of them again costs six seconds
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        # A release's build is never tried again, so Cosmos need not save for it, a thousand times, all it has said.
        "AIRFLOW__COSMOS__ENABLE_WATCHER_RELIABLE_RETRY": "False",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        "GX_ANALYTICS_ENABLED": "False",
        "DO_NOT_TRACK": "1",
        "SCARF_ANALYTICS": "false",
    }


@dataclass(frozen=True)
class Address:
    """Where a running Airflow answers, and the login it printed."""

    url: str
    user: str
    password: str


def start(meanwhile: Callable[[], None] = lambda: None) -> Address:
    """Start Airflow unless it runs, and wait until its scheduler and DAG processor are healthy.

    The dbt project is parsed and `meanwhile` is called while Airflow comes up, which keeps one core busy for long.
    Raises `UserError` with the end of its log when it does not come up in time.
    """
    if address := running():
        meanwhile()
        return address
    port = local.free_port(8080)
    variables = environment(port)
    if not _passwords().exists():
        local.write_private(_passwords(), json.dumps({_USER: secrets.token_urlsafe(16)}))
    log = folder() / "standalone.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["sh", "-c", _ALL_PARTS, "airflow", str(model.graph())],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    local.write_private(process_file(), json.dumps({"pid": process.pid, "url": f"http://127.0.0.1:{port}"}))
    try:
        model.prepare()
        meanwhile()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if address := running():
                return address
            time.sleep(0.5)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise UserError(f"Airflow did not start; {log} ends with:\n{tail}")
    except BaseException:
        stop()
        raise


def started_at() -> str | None:
    """The URL at which `start` has an Airflow answer that has not ended, healthy or not."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        started = json.loads(process_file().read_text())
        if psutil.pid_exists(started["pid"]):
            return str(started["url"])
    return None


def ask_health(url: str) -> dict[str, Any]:
    """What Airflow says of its parts. Raises what requests raises, and `ValueError` when that is not JSON."""
    health: dict[str, Any] = requests.get(f"{url}/api/v2/monitor/health", timeout=10).json()
    return health


def unhealthy(health: dict[str, Any]) -> list[str]:
    """The parts of Airflow that ought to be healthy and are not."""
    parts = ("metadatabase", "scheduler", "dag_processor")
    return [part for part in parts if health.get(part, {}).get("status") != "healthy"]


def running() -> Address | None:
    """The address of a healthy Airflow of this state folder, else None."""
    try:
        password = json.loads(_passwords().read_text())[_USER]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    url = started_at()
    if url is None:
        return None
    try:
        health = ask_health(url)
    except (requests.RequestException, ValueError):
        return None
    return None if unhealthy(health) else Address(url, _USER, password)


def stop() -> None:
    """Stop Airflow with everything it started; nothing when it is not running."""
    try:
        pid = json.loads(process_file().read_text())["pid"]
        leader = psutil.Process(pid)
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        process_file().unlink(missing_ok=True)
        return
    # A recycled process id must not cost somebody else's program its life.
    if leader.is_running() and any("airflow" in word for word in leader.cmdline()):
        family = [leader, *leader.children(recursive=True)]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=15)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=5)
    process_file().unlink(missing_ok=True)


class Client:
    """The few calls of Airflow's REST API that the command line needs. Times are ISO strings as the API gives them."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._session = requests.Session()
        # Whatever is asked here may be asked again, and a busy machine can leave a request waiting for long.
        again = Retry(total=_ASK_AGAIN, backoff_factor=1, allowed_methods=None, status_forcelist=[502, 503, 504])
        self._session.mount(address.url, HTTPAdapter(max_retries=again))

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        try:
            return self._session.request(method, f"{self._address.url}/{path}", timeout=30, **arguments)
        except requests.RequestException as problem:
            raise UserError(
                f"Airflow does not answer at {self._address.url} ({type(problem).__name__}); its log is "
                f"{folder() / 'standalone.log'}"
            ) from None

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        if "Authorization" not in self._session.headers:
            login = {"username": self._address.user, "password": self._address.password}
            answer = self._ask("POST", "auth/token", json=login)
            answer.raise_for_status()
            self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        answer = self._ask(method, f"api/v2/{path}", **arguments)
        if not answer.ok:
            raise UserError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    def dags(self) -> list[str]:
        """Ids of every DAG Airflow has read."""
        return [one["dag_id"] for one in self._call("GET", "dags?limit=500")["dags"]]

    def import_errors(self) -> list[str]:
        """What is wrong with DAG files that could not be read."""
        return [f"{e['filename']}: {e['stack_trace']}" for e in self._call("GET", "importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._call("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG; its id."""
        return str(self._call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None})["dag_run_id"])

    def runs(self, dag_id: str = "~", *states: str) -> list[dict[str, Any]]:
        """Runs of a DAG, or of all, newest first; at most the hundred newest, with states only those in one of them."""
        path = f"dags/{dag_id}/dagRuns?order_by=-run_after&limit=100{_with_states(states)}"
        runs: list[dict[str, Any]] = self._call("GET", path)["dag_runs"]
        return runs

    def tasks(self, dag_id: str, run_id: str, *states: str) -> list[dict[str, Any]]:
        """Task instances of a run, at most a hundred, with states only those in one of them."""
        tasks: list[dict[str, Any]] = self._tasks(dag_id, run_id, states, 100)["task_instances"]
        return tasks

    def count_tasks(self, dag_id: str, run_id: str, *states: str) -> int:
        """How many task instances a run has, with states how many of them are in one of those."""
        return int(self._tasks(dag_id, run_id, states, 1)["total_entries"])

    def _tasks(self, dag_id: str, run_id: str, states: tuple[str, ...], limit: int) -> dict[str, Any]:
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances?limit={limit}{_with_states(states)}"
        return self._call("GET", path)

    def log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> str:
        """The log of a task instance's last try, as plain text."""
        run = quote(run_id, safe="")
        path = f"dags/{dag_id}/dagRuns/{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        found = self._call("GET", f"{path}?map_index={task['map_index']}&full_content=true")
        return "\n".join(text for line in found["content"] for text in _log_texts(line))


def _with_states(states: tuple[str, ...]) -> str:
    return "".join(f"&state={state}" for state in states)


def _log_texts(line: Any) -> list[str]:
    """A line of a log, with the message of the exception it tells of."""
    if not isinstance(line, dict):
        return [str(line)]
    errors = line.get("error_detail") or []
    return [str(line.get("event", "")), *(f"{error['exc_type']}: {error['exc_value']}" for error in errors)]


def process_file() -> Path:
    """Where `start` notes the process it started, and its URL."""
    return folder() / "running.json"


def _passwords() -> Path:
    return folder() / "passwords.json"
