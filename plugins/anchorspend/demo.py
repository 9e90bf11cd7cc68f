"""Demo: the sample county, from its files to a published scorecard, through the real DAGs under the real scheduler.

A user of the same servers, DAGs and commands as everybody else.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from anchorspend import land, pages, publish, settings, warehouse
from anchorspend.contract import load_institutions
from anchorspend.errors import UserError
from anchorspend.server import airflow, postgres

_LIMIT_SECONDS = 3600
_READING_SECONDS = 600
_QUIET_SECONDS = "8"  # every file is there from the start, so a release need not wait long for another

Say = Callable[[str], None]


@dataclass
class _Watch:
    """What has been said of each run, so that progress is told once."""

    client: airflow.Client
    say: Say
    told: dict[str, str] = field(default_factory=dict)

    def tell(self, key: str, text: str) -> None:
        if self.told.get(key) != text:
            self.told[key] = text
            self.say(text)


def sample_files(say: Say, scale: float = 1.0) -> None:
    """Write the sample county's files into the inbox, unless they are there."""
    inbox = settings.inbox()
    if (inbox / land.SAMPLE_MARK).exists():
        say(f"sample county: reusing the files in {inbox}")
        return
    if inbox.exists() and any(inbox.iterdir()):
        raise UserError(f"{inbox} holds files of yours; set ANCHORSPEND_STATE to another folder for the demo")
    from anchorspend.sample import write_county  # pandas takes a second, and most commands need none of it

    say("sample county: writing each institution's files")
    write_county(inbox, settings.state() / "truth", scale=scale, progress=say)


def _sample_with_truth(say: Say) -> None:
    """The sample county's files, and in the warehouse who its suppliers truly are: what the resolution is judged by."""
    from anchorspend.resolve import evaluate  # Splink and pandas take seconds

    sample_files(say)
    evaluate.learn_truth(settings.state() / "truth")


def run(say: Say) -> bool:
    """Bring the sample county to a published release. True when a new release was made, False when nothing had changed.

    Starts what is not running and stops what it started. Raises `UserError` naming the task that failed.
    """
    os.environ.setdefault("ANCHORSPEND_QUIET_SECONDS", _QUIET_SECONDS)
    was_running = airflow.running() is not None
    say("PostgreSQL: starting")
    started_database = postgres.start()
    try:
        say("Airflow: starting")
        address = airflow.start(meanwhile=lambda: _sample_with_truth(say))
        say(f"Airflow: ready at {address.url}")
        return _follow(_Watch(airflow.Client(address), say))
    finally:
        if not was_running:
            say("Airflow: stopping")
            airflow.stop()
        if started_database:
            say("PostgreSQL: stopping")
            postgres.stop()


def _follow(watch: _Watch) -> bool:
    deadline = time.monotonic() + _LIMIT_SECONDS
    ingests = [f"ingest_{name}" for name in load_institutions()]
    expected = {*ingests, "reference", "release"}
    _wait_for_dags(watch, expected)
    before = _latest_release()
    first = {dag_id: _runs(watch, dag_id) for dag_id in expected}
    for dag_id in expected:
        watch.client.unpause(dag_id)
    runs = {dag_id: _start(watch, dag_id, first[dag_id]) for dag_id in ["reference", *ingests]}
    _until(deadline, lambda: _ended(watch, runs), "the ingest DAGs did not end")
    if not _is_current():
        # Every batch has called for a release by its asset; this asks for one where the dbt project changed instead.
        watch.client.trigger("release")
    _until(deadline, lambda: _released(watch, first["release"]), "no release was made")
    newest = _latest_release()
    if newest is None or newest == before:
        return False
    _until(
        deadline,
        lambda: _released(watch, first["release"]) and pages.of_release(publish.schema_of(newest)).exists(),
        "the review pages were not written",
    )
    return True


def _wait_for_dags(watch: _Watch, expected: set[str]) -> None:
    """A file read before the dbt project was parsed has an error that goes by itself; one that stays is real."""
    deadline = time.monotonic() + _READING_SECONDS
    while not expected <= set(watch.client.dags()):
        if time.monotonic() > deadline:
            errors = "\n".join(watch.client.import_errors())
            raise UserError(f"Airflow did not read every DAG file in {_READING_SECONDS} s:\n{errors}")
        time.sleep(1)


def _runs(watch: _Watch, dag_id: str) -> list[str]:
    return [run["dag_run_id"] for run in watch.client.runs(dag_id)]


def _start(watch: _Watch, dag_id: str, before: list[str]) -> str:
    """The run to wait for. Airflow makes the first of an unpaused DAG by its schedule; later ones are asked for."""
    for _ in range(0 if before else 20):
        if runs := _runs(watch, dag_id):
            return runs[0]
        time.sleep(0.5)
    return watch.client.trigger(dag_id)


def _ended(watch: _Watch, runs: dict[str, str]) -> bool:
    found = {(run["dag_id"], run["dag_run_id"]): run["state"] for run in watch.client.runs()}
    states = {dag_id: found[dag_id, run_id] for dag_id, run_id in runs.items()}
    for dag_id, state in states.items():
        if state == "failed":
            raise UserError(_failure(watch, dag_id, runs[dag_id]))
        if state == "success":
            watch.tell(dag_id, f"{dag_id}: done")
    watch.tell("lines", f"{_loaded():,} lines loaded")
    return all(state == "success" for state in states.values())


def _released(watch: _Watch, before: list[str]) -> bool:
    for run in watch.client.runs("release", "running", "failed"):
        run_id = run["dag_run_id"]
        if run_id in before:
            continue
        if run["state"] == "failed":
            raise UserError(_failure(watch, "release", run_id))
        done = watch.client.count_tasks("release", run_id, "success", "skipped")
        if done > 1:
            of = watch.client.count_tasks("release", run_id)
            busy = [task["task_display_name"] for task in watch.client.tasks("release", run_id, "running")]
            watch.tell("release", f"release: {done} of {of} tasks done{f', {busy[-1]}' if busy else ''}")
    return _is_current()


def _failure(watch: _Watch, dag_id: str, run_id: str) -> str:
    failed = watch.client.tasks(dag_id, run_id, "failed")
    said = []
    for task in failed:
        lines = [line for line in watch.client.log(dag_id, run_id, task).splitlines() if line.strip()]
        said.append(f"{dag_id}.{task['task_id']} failed; its log ends with:\n" + "\n".join(lines[-12:]))
    return "\n".join(said) or f"{dag_id} failed"


def _until(deadline: float, condition: Callable[[], bool], problem: str) -> None:
    while not condition():
        if time.monotonic() > deadline:
            raise UserError(f"{problem} in {_LIMIT_SECONDS // 60} minutes; see {airflow.folder() / 'logs'}")
        time.sleep(4)  # asking costs Airflow processor that the tasks want


def _latest_release() -> int | None:
    with warehouse.connect() as connection:
        row = connection.execute("select max(release_id) from ops.release where status = 'published'").fetchone()
        return row[0] if row else None


def _is_current() -> bool:
    """Whether what is published was made from everything that is loaded and as the project stands."""
    with warehouse.connect() as connection:
        return publish.is_current(connection)


def _loaded() -> int:
    with warehouse.connect() as connection:
        row = connection.execute("select coalesce(sum(lines_loaded), 0) from ops.batch").fetchone()
        return int(row[0]) if row else 0
