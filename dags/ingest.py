"""One DAG per institution file: discover → land → load, the last mapped over the feeds that have something new.

`load` reads and loads: lines stream from the file through the reader into COPY, so nothing half-read ever lies between
two tasks or on one worker's disk. Each file is one transaction; run any task again at any time and nothing is counted
twice. A file that is not as agreed is refused whole and named by `report`, as is a source that could not be fetched
from; every other file goes on.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Connection, dag, get_parsing_context, task
from airflow.sdk.exceptions import AirflowNotFoundException
from anchorspend import settings
from anchorspend.contract import Institution, load_institution
from anchorspend.errors import UserError
from defaults import BATCHES, DEFAULTS, FETCHING, plainly

BY_FEED = "{{ task.op_kwargs['feed'] }}"


def connection_of(connection_id: str) -> Any:
    """The credentials Airflow keeps under a connection's id, in whichever of its stores."""
    from anchorspend.fetch import Credentials

    try:
        found = Connection.get(connection_id)
    except AirflowNotFoundException:
        raise UserError(
            f"Airflow has no connection {connection_id!r}; add it under Admin, Connections, "
            f"or set AIRFLOW_CONN_{connection_id.upper()}"
        ) from None
    return Credentials(connection_id, found.host, found.login, found.password, found.port, found.extra_dejson)


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
        @task(task_display_name="Look for new files", **FETCHING)
        @plainly
        def discover() -> list[str]:
            """The feeds with files that are not loaded yet."""
            from anchorspend import ingest, warehouse

            with warehouse.connect() as connection:
                warehouse.register_institutions(connection, [institution])
                return ingest.waiting(connection, institution, connection_of)

        # One task for all feeds: most have nothing new, and a task costs Airflow a second.
        @task(task_display_name="Keep the new files", **FETCHING)
        @plainly
        def land(feeds: list[str]) -> None:
            """Keep and register every feed's new files."""
            from anchorspend import ingest

            for feed, file in ingest.land_feeds(institution, feeds, connection_of):
                print(f"{feed}: landed {file.name} as {file.sha256[:12]}{'' if file.is_new else ', known already'}")

        # Whatever became of landing: one feed's source that is away must not keep the others from being loaded.
        @task(
            task_display_name="Read and load",
            doc_md="Read, load and reconcile a feed's landed files. Its links lead to the batches made.",
            map_index_template=BY_FEED,
            outlets=[BATCHES],
            trigger_rule="all_done",
        )
        @plainly
        def load(feed: str) -> list[int]:
            """The numbers of the batches made."""
            from anchorspend import ingest

            made = []
            for batch in ingest.load_feed(institution, feed, lambda file, lines: print(f"{file}: {lines:,} lines")):
                print(batch)
                made.append(batch.batch_id)
            return made

        # Also when nothing was new: a refused file stays refused until it is put right.
        @task(task_display_name="Report what is held", trigger_rule="none_failed")
        @plainly
        def report() -> None:
            """Fail, with the reasons, while a source is away or a file stands refused; the rest is on its way out."""
            from anchorspend import ingest, warehouse

            with warehouse.connect() as connection:
                if refused := ingest.refused(connection, institution):
                    raise UserError("\n".join(refused))

        feeds = discover()
        land(feeds) >> load.expand(feed=feeds) >> report()

    return pipeline()


def broken_dag(path: Path, problem: UserError) -> DAG:
    """What stands in for an institution whose file is wrong: visible, and failing with the reason."""

    @dag(
        dag_id=f"ingest_{path.stem}",
        dag_display_name=f"Ingest {path.stem}: its institution file is wrong",
        doc_md=f"Nothing of it is loaded until `{path.name}` is put right:\n\n```\n{problem}\n```",
        schedule=None,
        default_args=DEFAULTS,
        tags=["ingest", "broken contract"],
    )
    def pipeline() -> None:
        @task(task_display_name="Read the institution file")
        @plainly
        def read_contract() -> None:
            """Fail with what is wrong with the institution file."""
            raise UserError(str(problem))

        read_contract()

    return pipeline()


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
