"""One DAG per institution file: discover → land → load, mapped over the feeds that have something new.

`load` reads and loads: lines stream from the file through the reader into COPY, so nothing half-read ever lies between
two tasks or on one worker's disk. Each file is one transaction; run any task again at any time and nothing is counted
twice. A file that is not as agreed is refused whole and named by `report`; every other file goes on.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, dag, get_parsing_context, task
from anchorspend import settings
from anchorspend.contract import Institution, load_institution
from anchorspend.errors import UserError
from defaults import BATCHES, DEFAULTS, FETCHING, plainly

BY_FEED = "{{ task.op_kwargs['feed'] }}"


def ingest_dag(institution: Institution) -> DAG:
    """The DAG of one institution."""

    @dag(
        dag_id=f"ingest_{institution.id}",
        dag_display_name=f"Ingest {institution.name}",
        description="; ".join(feed.description for feed in institution.feeds.values()),
        doc_md=__doc__,
        schedule="0 6 * * *",
        start_date=datetime(2019, 8, 1),
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULTS,
        tags=["ingest", institution.type.value],
    )
    def pipeline() -> None:
        @task(**FETCHING)
        @plainly
        def discover() -> list[str]:
            """The feeds with files that are not loaded yet."""
            from anchorspend import ingest, warehouse

            with warehouse.connect() as connection:
                warehouse.register_institutions(connection, [institution])
                return ingest.waiting(connection, institution)

        @task(map_index_template=BY_FEED, **FETCHING)
        @plainly
        def land(feed: str) -> int:
            """Keep and register a feed's new files."""
            from anchorspend import ingest

            landed = 0
            for file in ingest.land_feed(institution, feed):
                landed += 1
                print(f"landed {file.name} as {file.sha256[:12]}{'' if file.is_new else ', known already'}")  # noqa: T201
            return landed

        @task(map_index_template=BY_FEED, outlets=[BATCHES])
        @plainly
        def load(feed: str) -> list[str]:
            """Read, load and reconcile a feed's landed files; returns the reasons of those that were refused."""
            from anchorspend import ingest

            refused = []
            for batch in ingest.load_feed(institution, feed, _say_lines):
                print(batch)  # noqa: T201
                if batch.status == "refused":
                    refused.append(f"{feed}: {batch.file}: {batch.reason}")
            return refused

        @task
        @plainly
        def report(refusals: Iterator[list[str]]) -> None:
            """Fail, with the reasons, when a file was refused; what was loaded is on its way to a release."""
            if reasons := [reason for feed in refusals for reason in feed]:
                raise UserError("\n".join(reasons))

        feeds = discover()
        loaded = load.expand(feed=feeds)
        land.expand(feed=feeds) >> loaded
        report(loaded)

    return pipeline()


def broken_dag(path: Path, problem: UserError) -> DAG:
    """What stands in for an institution whose file is wrong: visible, and failing with the reason."""

    @dag(dag_id=f"ingest_{path.stem}", schedule=None, default_args=DEFAULTS, tags=["ingest", "broken contract"])
    def pipeline() -> None:
        @task
        @plainly
        def read_contract() -> None:
            raise UserError(str(problem))

        read_contract()

    return pipeline()


def _say_lines(file: str, lines: int) -> None:
    if lines % 100_000 < 2_000:
        print(f"{file}: {lines:,} lines")  # noqa: T201


def _dags() -> dict[str, Any]:
    made = {}
    wanted = get_parsing_context().dag_id  # a task needs its own DAG only
    for path in sorted(settings.institutions().glob("*.yml")):
        if wanted not in {None, f"ingest_{path.stem}"}:
            continue
        try:
            made[path.stem] = ingest_dag(load_institution(path))
        except UserError as problem:
            made[path.stem] = broken_dag(path, problem)
    return made


for name, one in _dags().items():
    globals()[f"ingest_{name}"] = one
