"""Run an installation."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.text import Text

from anchorspend import dictionary, model, release, show, warehouse
from anchorspend.cli.base import OPERATE, app, examples, out, print_json, say, working
from anchorspend.server import airflow, postgres


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples(
        "anchorspend up",
        "ANCHORSPEND_STATE=/srv/anchorspend anchorspend up",
    ),
)
def up() -> None:
    """Start PostgreSQL and Airflow and leave them running until `down`."""
    with working("PostgreSQL and Airflow are starting"):
        postgres.start()
        say("PostgreSQL runs; Airflow is starting")
        address = airflow.start()
    out.print(f"Airflow: {address.url}\n  user {address.user}\n  password {address.password}", highlight=False)
    out.print("Warehouse: .venv/bin/anchorspend sql, or any client with the URL in .state/postgres/addresses.json")


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples(
        "anchorspend down",
    ),
)
def down() -> None:
    """Stop what `up` started."""
    airflow.stop()
    postgres.stop()


@app.command(
    rich_help_panel=OPERATE, epilog=examples("anchorspend doctor", "anchorspend doctor --json || notify-somebody")
)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array; its keys never change meaning")] = False,
) -> None:
    """Look this installation over and say what to do: versions, rights, disk, feeds, release, Airflow. Changes nothing.

    Exits 1 when there are warnings, 2 when there is a problem.

    Keys of --json: check, status (ok, warning or problem), found, to_do (empty when nothing).
    """
    with working("looking the installation over"):
        from anchorspend import doctor as examination  # dbt and pandas are not needed, and still it takes a second

        findings = examination.examine()
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        colours = {"ok": "green", "warning": "yellow", "problem": "red"}
        rows = [(one.check, Text(one.status, style=colours[one.status]), one.found, one.to_do) for one in findings]
        out.print(show.table(("check", "status", "found", "to do"), rows))
    raise typer.Exit({"ok": 0, "warning": 1, "problem": 2}[examination.worst(findings)])


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples(
        "anchorspend prepare",
    ),
)
def prepare() -> None:
    """Parse the dbt project, which the release DAG is drawn from. Needs no database."""
    with working("parsing the dbt project"):
        manifest = model.prepare()
    out.print(str(manifest), highlight=False, soft_wrap=True)


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples(
        "anchorspend docs",
    ),
)
def docs() -> None:
    """Write the reference pages of docs/ from the dbt project, the command line and the models. Needs no database."""
    for path in dictionary.write(app):
        out.print(str(path), highlight=False, soft_wrap=True)


@app.command(
    name="dbt-docs",
    rich_help_panel=OPERATE,
    epilog=examples("anchorspend dbt-docs"),
)
def dbt_docs() -> None:
    """Write dbt's documentation of every model as one page, `dbt_docs/index.html` in the state folder.

    Needs no database; with one, it shows the columns as they were built last.
    """
    with working("writing dbt's documentation"):
        page = model.document()
    out.print(str(page), highlight=False, soft_wrap=True)


@app.command(
    rich_help_panel=OPERATE,
    epilog=examples(
        "anchorspend setup",
        "ANCHORSPEND_WAREHOUSE_URL=postgresql://owner:...@db.example/anchorspend anchorspend setup",
    ),
)
def setup() -> None:
    """Create the warehouse's schemas, tables and roles, or bring them up to date. Safe to run again."""
    postgres.start()
    warehouse.set_up(unquote(urlsplit(warehouse.reader_url()).password or ""))
    release.register()
