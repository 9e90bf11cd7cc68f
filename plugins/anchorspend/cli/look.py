"""Look at what is published."""

import json
import sys
from typing import Annotated

import typer

from anchorspend import compare, show
from anchorspend.cli.base import LOOK, app, examples, out, print_json, working
from anchorspend.errors import UserError
from anchorspend.server import postgres


@app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "anchorspend scorecard",
        "anchorspend scorecard --json > scorecard.json",
    ),
)
def scorecard(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array, shares as fractions from 0 to 1")] = False,
) -> None:
    """Print % local spend by institution and year, with bounds, target and status.

    Keys of --json: institution_name, financial_year, definition_id, value, value_low, value_high, coverage,
    total_amount, target, status, release_id, is_sample.
    """
    postgres.start()
    scores = show.scorecard()
    if as_json:
        typer.echo(json.dumps(scores, default=float))
    else:
        out.print(show.scorecard_table(scores))


@app.command(
    name="compare-definitions",
    rich_help_panel=LOOK,
    epilog=examples(
        "anchorspend compare-definitions primary secondary --year 2017-18",
        "anchorspend compare-definitions primary luton_borough --institution luton_council --csv",
    ),
)
def compare_definitions(
    a: Annotated[str, typer.Argument(help="a definition of local, such as primary")],
    b: Annotated[str, typer.Argument(help="another, such as secondary")],
    institution: Annotated[
        str | None, typer.Option(help="id of an institution; all together when none is named")
    ] = None,
    year: Annotated[str | None, typer.Option(help="financial year, such as 2017-18; all when none is named")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="suppliers shown of each pair of statuses")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object; its keys never change meaning")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="the suppliers, comma-separated")] = False,
) -> None:
    """Name the suppliers that are local under one definition and not under another, with the pounds between them.

    Keys of --json: a, b, institution, year, local_a, local_b, difference, local_in_b_only, local_in_a_only, moves,
    suppliers. Shown are the first 20 of each pair of statuses; --json and --csv hold all unless --limit is given.
    """
    if as_json and as_csv:
        raise UserError("--json or --csv, not both")
    postgres.start()
    done = compare.compare(a, b, institution, year)
    if as_json:
        typer.echo(json.dumps(compare.as_json(done, limit), default=float, ensure_ascii=False, indent=2))
    elif as_csv:
        rows = [[row[name] for name in compare.COLUMNS] for row in done.rows(limit)]
        show.write_csv(compare.COLUMNS, rows, sys.stdout)
    else:
        out.print(compare.shown(done, limit), highlight=False)


@app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "anchorspend sql 'select * from release'",
        "anchorspend sql --csv \"select * from fct_spend where institution_id = 'luton_council'\" > lines.csv",
        "anchorspend sql --json 'select kpi_id, unit from kpi_definition'",
    ),
)
def sql(
    statement: Annotated[str, typer.Argument(help="a SELECT over schema marts")],
    as_csv: Annotated[bool, typer.Option("--csv", help="comma-separated, for a file or a pipe")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array")] = False,
) -> None:
    """Run a query as `bi_reader`, who reads the published tables and nothing else.

    Starts the embedded server if it is down. Keys of --json: the columns; decimals are text, to the last digit.
    """
    if as_csv and as_json:
        raise UserError("--json or --csv, not both")
    postgres.start()
    with working("asking the database"):
        names, rows = show.query(statement)
    if as_json:
        if len(set(names)) < len(names):
            raise UserError("two columns have one name, which JSON cannot hold; name them with `as`")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif as_csv:
        show.write_csv(names, rows, sys.stdout)
    else:
        out.print(show.table(names, rows))
