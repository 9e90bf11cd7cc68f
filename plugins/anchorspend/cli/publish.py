"""Make, sign, roll back, show and hand on releases."""

import io
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anchorspend import export, history, pages, release, show
from anchorspend import publish as publishing
from anchorspend.cli.base import PUBLISH, app, err, examples, out, print_json, say, working
from anchorspend.errors import UserError
from anchorspend.server import postgres


@app.command(
    name="release",
    rich_help_panel=PUBLISH,
    epilog=examples(
        "anchorspend release",
        "anchorspend release --json",
    ),
)
def make_release(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, null when nothing changed")] = False,
) -> None:
    """Build, audit and publish what is loaded, without Airflow, and write its review pages.

    Exits 1 when a critical check fails.

    Keys of --json: release_id, schema_name, batches, lines, is_sample.
    """
    postgres.start()
    try:
        with working("making a release"):
            published = release.make(say)
    except release.AuditFailed as problem:
        err.print(str(problem), highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if published:
        with working("writing the review pages") as tell:
            pages.write(tell)
    if as_json:
        print_json(asdict(published) if published else None)
    elif published is None:
        out.print("nothing changed since the published release")
    else:
        out.print(f"{published.schema_name}: {published.batches} batches, {published.lines:,} lines", highlight=False)


@app.command(
    name="releases",
    rich_help_panel=PUBLISH,
    epilog=examples("anchorspend releases", "anchorspend releases --limit 1 --json"),
)
def list_releases(
    limit: Annotated[int, typer.Option(min=1, help="how many, newest first")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array")] = False,
) -> None:
    """List releases and attempts at one: when, how much, whether published, and why not.

    Keys of --json: release_id, status (building, published, failed or withdrawn), opened_at, closed_at, is_sample,
    batches, lines, amount (text), checks, failed_critical, warnings, reason, signed_by, withdrawn_at, withdrawn_by.
    """
    postgres.start()
    found = history.releases()[:limit]
    if as_json:
        print_json(found)
        return
    if not found:
        raise UserError("no release was made yet; run `anchorspend release`")
    headings = (
        *("release", "status", "closed", "batches", "lines", "pounds", "failed checks", "data", "signed", "reason"),
    )
    rows = [
        (
            *(one["release_id"], one["status"], one["closed_at"] and f"{one['closed_at']:%Y-%m-%d %H:%M}"),
            *("" if one[name] is None else f"{one[name]:,}" for name in ("batches", "lines", "amount")),
            f"{one['failed_critical']} critical, {one['warnings']} warnings of {one['checks']}",
            *("sample" if one["is_sample"] else "", one["signed_by"] or "", (one["reason"] or "").partition("\n")[0]),
        )
        for one in found
    ]
    out.print(show.table(headings, rows))


@app.command(
    rich_help_panel=PUBLISH,
    epilog=examples("anchorspend sign 3 --by 'Luton Council, service manager' --note 'without the airport'"),
)
def sign(
    release_id: Annotated[int, typer.Argument(metavar="RELEASE", help="number of a published release")],
    by: Annotated[str, typer.Option(help="who stands behind it: a name, a role, an institution")],
    note: Annotated[str | None, typer.Option(help="on what terms")] = None,
) -> None:
    """Record who stands behind a published release; readers see it in the table `release`. A signature stays."""
    postgres.start()
    publishing.sign(release_id, by, note)
    out.print(f"release {release_id} is signed by {by.strip()}", highlight=False, markup=False)
    pages.write(say)


@app.command(
    rich_help_panel=PUBLISH,
    epilog=examples("anchorspend rollback 2 --by 'Luton Council, service manager' --reason 'police ledger sent twice'"),
)
def rollback(
    release_id: Annotated[int, typer.Argument(metavar="RELEASE", help="number of the release to show again")],
    by: Annotated[str, typer.Option(help="who decides it")],
    reason: Annotated[str, typer.Option(help="what is wrong with the later releases")],
) -> None:
    """Show readers an earlier release again, all tables at once; the later ones are withdrawn, with who and why.

    Nothing is deleted. What was wrong with the inputs stays wrong: put it right before the next release is made.
    """
    postgres.start()
    withdrawn = publishing.roll_back(release_id, by, reason)
    out.print(f"readers see release {release_id}; withdrawn: {', '.join(map(str, withdrawn))}", highlight=False)
    pages.write(say)


@app.command(
    name="pages",
    rich_help_panel=PUBLISH,
    epilog=examples("anchorspend pages", "anchorspend pages --serve"),
)
def review_pages(
    serve: Annotated[bool, typer.Option("--serve", help="then show them on this machine alone, until Ctrl-C")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="with --serve; 0 takes a free one")] = 8765,
) -> None:
    """Write the review pages of the published release, as files that a browser opens."""
    postgres.start()
    out.print(str(pages.write(say)), highlight=False, soft_wrap=True)
    if serve:
        with pages.serve(port) as server:
            out.print(f"http://127.0.0.1:{server.server_port}/", highlight=False, soft_wrap=True)
            server.serve_forever()


@app.command(
    name="export",
    rich_help_panel=PUBLISH,
    epilog=examples(
        "anchorspend export county",
        "anchorspend export county --format parquet --release 3",
    ),
)
def export_release(
    folder: Annotated[Path, typer.Argument(help="a new or empty folder")],
    form: Annotated[str, typer.Option("--format", help="csv or parquet")] = "csv",
    release_id: Annotated[int | None, typer.Option("--release", help="an earlier release, by its number")] = None,
) -> None:
    """Write every published table as a CSV or Parquet file, with a manifest of rows, hashes and the release.

    Keys of manifest.json: release_id, published_at, is_sample, format, tables, a list of {table, file, rows, sha256}.
    """
    if form not in ("csv", "parquet"):
        raise UserError(f"{form!r} is no format; say csv or parquet")
    postgres.start()
    with working(f"writing to {folder}") as tell:
        done = export.export(folder, form, release_id, tell)  # type: ignore[arg-type]  # checked above
    rows = sum(table.rows for table in done.tables)
    out.print(
        f"release {done.release_id} of {done.published_at:%Y-%m-%d}{', SAMPLE DATA' if done.is_sample else ''}: "
        f"{len(done.tables)} tables, {rows:,} rows in {folder}",
        highlight=False,
        soft_wrap=True,
    )


@app.command(
    name="transparency-code",
    rich_help_panel=PUBLISH,
    epilog=examples(
        "anchorspend transparency-code luton_council q1.csv --year 2019-20 --quarter 1",
    ),
)
def transparency_code(
    institution: Annotated[str, typer.Argument(help="id of an institution that sends its ledger")],
    file: Annotated[Path, typer.Argument(help="the CSV file to write")],
    year: Annotated[str, typer.Option(help="financial year of the institution, such as 2019-20")],
    quarter: Annotated[int | None, typer.Option(min=1, max=4, help="quarter of that year; all of it without")] = None,
    recommended: Annotated[bool, typer.Option(help="from the recommended threshold, which is lower")] = False,
) -> None:
    """Write one institution's own payments in the spend schema of the Local Government Association, to be published."""
    if file.exists():
        raise UserError(f"{file}: exists already; name a new file")
    postgres.start()
    text = io.StringIO(newline="")
    with working(f"writing {file.name}"):
        done = export.transparency_code(text, institution, year, quarter, recommended=recommended)
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    out.print(f"{file}: {done.lines:,} lines, £{done.amount:,.2f}", highlight=False, soft_wrap=True)
    if done.not_net:
        err.print(
            f"{done.not_net:,} lines stand with VAT, or nobody knows whether: say so where the file is published",
            highlight=False,
            soft_wrap=True,
        )
