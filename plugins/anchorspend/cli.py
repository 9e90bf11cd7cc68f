"""The command line. Exit codes: 0 done, 1 done and something is held or failed a check, 2 something to put right."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from anchorspend import contract, demo, ingest, model, release, show, warehouse
from anchorspend.errors import UserError
from anchorspend.server import airflow, postgres

app = typer.Typer(
    help="What the anchor institutions of a county spend, with whom, and how much of it stays local.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
# In a pipe or a file there is no edge to fold tables at.
out = Console(width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)
_started = time.monotonic()


def _say(message: str) -> None:
    err.print(f"{time.monotonic() - _started:5.0f} s  {message}", highlight=False, markup=False, soft_wrap=True)


@app.command(name="demo")
def run_demo() -> None:
    """Bring the sample county from its files to a published scorecard, through Airflow, and print it."""
    demo.run(_say)
    started = postgres.start()
    try:
        out.print(show.scorecard_table(show.scorecard()))
    finally:
        if started:
            postgres.stop()
    out.print(
        "\nWhere to look next:\n"
        "  .venv/bin/anchorspend sql \"select * from marts.kpi_scorecard where institution_id = 'luton_council'\"\n"
        "  make up        Airflow's web pages, with every DAG and model; make down stops it\n"
        "  README.md      what each table holds, and how to add an institution",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def up() -> None:
    """Start PostgreSQL and Airflow and leave them running until `down`."""
    postgres.start()
    _say("PostgreSQL runs; Airflow is starting")
    address = airflow.start()
    out.print(f"Airflow: {address.url}\n  user {address.user}\n  password {address.password}", highlight=False)
    out.print("Warehouse: .venv/bin/anchorspend sql, or any client with the URL in .state/postgres/addresses.json")


@app.command()
def down() -> None:
    """Stop what `up` started."""
    airflow.stop()
    postgres.stop()


@app.command()
def prepare() -> None:
    """Parse the dbt project, which the release DAG is drawn from. Needs no database."""
    out.print(str(model.prepare()), highlight=False, soft_wrap=True)


@app.command()
def setup() -> None:
    """Create the warehouse's schemas, tables and roles, or bring them up to date. Safe to run again."""
    postgres.start()
    if not postgres.is_ours():
        warehouse.set_up(warehouse.given_reader_password())
    release.register()


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="an empty folder")],
    scale: Annotated[float, typer.Option(help="1 is about 250,000 lines")] = 1.0,
) -> None:
    """Write the sample county's files, with the truth beside them, into a folder."""
    from anchorspend.sample import write_county

    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name a new folder")
    write_county(folder / "inbox", folder / "truth", scale=scale, progress=_say)


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="institution files; all when none is named")] = None,
) -> None:
    """Validate institution files. Says what is wrong, where, and what to write instead."""
    found = [contract.load_institution(path) for path in files] if files else contract.load_institutions().values()
    rows = [
        (one.id, one.type.value, feed_id, feed.kind, len(feed.layouts))
        for one in found
        for feed_id, feed in one.feeds.items()
    ]
    out.print(show.table(("institution", "type", "feed", "kind", "layouts"), rows))


@app.command(name="ingest")
def ingest_file(
    file: Annotated[Path, typer.Argument(help="a file of the feed")],
    institution: Annotated[str, typer.Option(help="id of the institution")],
    feed: Annotated[str, typer.Option(help="id of the feed")],
) -> None:
    """Land, read and load one file. Exits 1 when the file is refused."""
    postgres.start()
    found, _ = contract.pick(contract.load_institutions(), institution, feed)
    release.register()
    landed, batch = ingest.ingest_file(found, feed, file, lambda name, lines: _say(f"{name}: {lines:,} lines"))
    if batch is None:
        out.print(f"{landed.name}: the same bytes were loaded before; nothing to do", highlight=False)
        return
    if batch.status == "refused":
        err.print(f"{batch.file}: refused: {batch.reason}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    out.print(
        f"{batch.file}: batch {batch.batch_id}, {batch.lines_read:,} lines, £{batch.amount_read:,.2f}; "
        f"{batch.lines_quarantined:,} lines in quarantine",
        highlight=False,
    )


@app.command(name="release")
def make_release() -> None:
    """Build, audit and publish what is loaded, without Airflow. Exits 1 when a critical check fails."""
    postgres.start()
    try:
        published = release.make(_say)
    except release.AuditFailed as problem:
        err.print(str(problem), highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if published is None:
        out.print("nothing changed since the published release")
    else:
        out.print(f"{published.schema_name}: {published.batches} batches, {published.lines:,} lines", highlight=False)


@app.command()
def scorecard(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array, shares as fractions from 0 to 1")] = False,
) -> None:
    """Print % local spend by institution and year, with bounds, target and status."""
    postgres.start()
    scores = show.scorecard()
    if as_json:
        typer.echo(json.dumps(scores, default=float))
    else:
        out.print(show.scorecard_table(scores))


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="a SELECT over schema marts")],
    as_csv: Annotated[bool, typer.Option("--csv", help="comma-separated, for a file or a pipe")] = False,
) -> None:
    """Run a query as `bi_reader`, who reads the published tables and nothing else.

    Starts the embedded server if it is down.
    """
    postgres.start()
    names, rows = show.query(statement)
    if as_csv:
        show.write_csv(names, rows, sys.stdout)
    else:
        out.print(show.table(names, rows))


def main() -> None:
    """Run the command line; what a person can put right is said plainly, without a traceback."""
    try:
        app()
    except UserError as problem:
        err.print(str(problem), style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
