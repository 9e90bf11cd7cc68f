"""Load a file."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anchorspend import contract, ingest, release
from anchorspend.cli.base import LOAD, app, err, examples, out, print_json, working
from anchorspend.server import postgres


@app.command(
    name="ingest",
    rich_help_panel=LOAD,
    epilog=examples(
        "anchorspend ingest payments-2023-04.csv --institution luton_council --feed ledger",
    ),
)
def ingest_file(
    file: Annotated[Path, typer.Argument(help="a file of the feed")],
    institution: Annotated[str, typer.Option(help="id of the institution")],
    feed: Annotated[str, typer.Option(help="id of the feed")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Land, read and load one file. Exits 1 when the file is refused.

    Keys of --json: file, status (loaded, refused or known: the same bytes were loaded before) and, unless known,
    batch_id, reason, lines_read, lines_quarantined, amount_read and difference.
    """
    postgres.start()
    found, _ = contract.pick(contract.load_institutions(), institution, feed)
    release.register()
    with working(f"loading {file.name}") as tell:
        landed, batch = ingest.ingest_file(found, feed, file, lambda name, lines: tell(f"{name}: {lines:,} lines"))
    if as_json:
        print_json(asdict(batch) if batch else {"file": landed.name, "status": "known"})
        if batch and batch.status == "refused":
            raise typer.Exit(1)
        return
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
