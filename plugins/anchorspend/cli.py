"""The command line. docs/command_line.md says what every command keeps to; each command's help has its examples."""

import io
import json
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from anchorspend import (
    compare,
    contract,
    demo,
    dictionary,
    export,
    history,
    ingest,
    model,
    release,
    settings,
    show,
    warehouse,
)
from anchorspend.errors import UserError
from anchorspend.kinds import KINDS
from anchorspend.server import airflow, postgres

FIRST, LOAD, LOOK, REVIEW, PUBLISH, OPERATE = "First steps", "Load", "Look", "Review", "Publish", "Operate"

app = typer.Typer(
    help="What the anchor institutions of a county spend, with whom, and how much of it stays local.",
    epilog="Exit codes: 0 done; 1 done, and something is held or failed a check; 2 something for you to put right;"
    " 3 a fault of the program, with its traceback; 130 stopped by you.",
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


@contextmanager
def _working(on: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being worked on, and for how long; gives what changes it. Elsewhere plain lines."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(on, total=None)
        yield (lambda now: progress.update(task, description=now)) if err.is_terminal else _say


def _examples(*commands: str) -> str:
    """The end of a command's help. A blank line keeps each example on a line of its own."""
    return "\n\n".join(["Examples:", *(f"  {one}" for one in commands)])


def _json(found: Any) -> None:
    typer.echo(json.dumps(found, default=_plain, ensure_ascii=False, indent=2))


def _plain(cell: Any) -> str:
    """What JSON has no form for, as text: pounds and other decimals to the last digit, times by ISO 8601."""
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


@app.command(
    name="demo",
    rich_help_panel=FIRST,
    epilog=_examples(
        "anchorspend demo",
        "make demo",
    ),
)
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


@app.command(
    rich_help_panel=FIRST,
    epilog=_examples(
        "anchorspend sample county",
        "anchorspend sample county --scale 0.05",
    ),
)
def sample(
    folder: Annotated[Path, typer.Argument(help="an empty folder")],
    scale: Annotated[float, typer.Option(help="1 is about 250,000 lines")] = 1.0,
) -> None:
    """Write the sample county's files, with the truth beside them, into a folder."""
    from anchorspend.sample import write_county

    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name a new folder")
    with _working("writing the sample county") as tell:
        write_county(folder / "inbox", folder / "truth", scale=scale, progress=tell)


@app.command(
    name="inspect",
    rich_help_panel=FIRST,
    epilog=_examples(
        "anchorspend inspect payments-2023-04.csv",
        "anchorspend inspect payments-2023-04.csv --draft dags/institutions/herts_council.yml",
        "anchorspend inspect payments.xlsx --kind ledger --json",
    ),
)
def inspect_command(
    file: Annotated[Path, typer.Argument(help="a file as its publisher left it")],
    kind: Annotated[str | None, typer.Option(help="kind of feed; the likeliest when none is named")] = None,
    institution: Annotated[str | None, typer.Option(help="id the draft is for; guessed when none is named")] = None,
    draft: Annotated[Path | None, typer.Option(help="write the draft here: a new .yml file, or a folder")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object; its keys never change meaning")] = False,
) -> None:
    """Say what a file is, column by column, and draft the contract that loads it. Needs no database.

    Exits 1 when there is no draft, or the draft would not load the file.

    Keys of --json: file, format, reads_as, encoding, delimiter, quotechar, line_ending, members, sheets, header_row,
    lines, repeated_lines, columns, kind, other_kinds, missing, period, dates, totals, oddities, notes, problem, draft,
    feed, rehearsal.
    """
    from anchorspend.inspect import inspect_file, printed  # pandas takes a second, and no other command needs this

    target = None if draft is None else _new_draft(draft, institution)
    if target and target.suffix:
        institution = target.stem
    with _working(f"reading {file.name}"):
        done = inspect_file(file, kind, institution)
    if as_json:
        typer.echo(json.dumps(printed.as_json(done), ensure_ascii=False, indent=2))
    else:
        _print(printed.shown(done))
        if done.draft:
            typer.echo(f"\n{done.draft.text}")
    if done.draft and target:
        path = target if target.suffix else target / f"{done.draft.institution.id}.yml"
        _write_new(path, done.draft.text)
        _say_next(file, path, done.draft.feed_id, done.named.name if done.named else file.name)
    if done.rehearsal is None or done.rehearsal.refused:
        raise typer.Exit(1)


def _new_draft(draft: Path, institution: str | None) -> Path:
    """The file or folder a draft goes to. An institution's file is called by its id."""
    if draft.is_dir():
        return draft
    if draft.suffix != ".yml":
        raise UserError(f"{draft}: name a folder, or a file that ends in .yml")
    if draft.exists():
        raise UserError(f"{draft}: exists already; name a new file")
    if institution not in {None, draft.stem}:
        raise UserError(f"{draft}: an institution's file is called by its id; write {institution}.yml")
    return draft


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path}: exists already; name a new file") from None
    except OSError as problem:
        raise UserError(f"{path}: cannot be written: {problem.strerror}") from None


def _say_next(file: Path, draft: Path, feed: str, name: str) -> None:
    renamed = "" if name == file.name else f" --name {shlex.quote(name)}"
    err.print(
        f"{draft} is written; when it is as it should be, put it into {settings.institutions()} and try\n"
        f"  anchorspend check --data {shlex.quote(str(file))} --contract {shlex.quote(str(draft))}"
        f" --feed {feed}{renamed}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command(
    rich_help_panel=FIRST,
    epilog=_examples(
        "anchorspend kinds",
        "anchorspend kinds ledger",
        "anchorspend kinds contract --json",
    ),
)
def kinds(
    kind: Annotated[str | None, typer.Argument(help="one kind: its fields and what each means")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array")] = False,
) -> None:
    """List the kinds of feed, or the fields that columns of one kind can be mapped to. `!` must be mapped.

    Keys of --json: kind, meaning; of one kind field, required, type, meaning.
    """
    if kind is None:
        meanings = [(name, one.meaning) for name, one in KINDS.items()]
        if as_json:
            _json([{"kind": name, "meaning": meaning} for name, meaning in meanings])
        else:
            out.print(show.table(("kind", "one line is"), meanings))
        return
    if kind not in KINDS:
        raise UserError(f"no kind is called {kind!r}; {contract.did_you_mean(kind, KINDS)}")
    fields = [
        {"field": name, "required": field.required, "type": field.type.name.lower(), "meaning": field.meaning}
        for name, field in KINDS[kind].fields.items()
    ]
    if as_json:
        _json(fields)
        return
    rows = [(one["field"], "!" if one["required"] else "", one["type"], one["meaning"]) for one in fields]
    out.print(show.table(("field", "", "type", "meaning"), rows))


@app.command(
    rich_help_panel=FIRST,
    epilog=_examples(
        "anchorspend check",
        "anchorspend check --data payments-2023-04.csv --institution luton_council --feed ledger",
        "anchorspend check --data payments-2023-04.csv --contract draft.yml --json",
    ),
)
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="institution files; all when none is named")] = None,
    data: Annotated[Path | None, typer.Option(help="a data file: say what loading it would do")] = None,
    institution: Annotated[str | None, typer.Option(help="with --data: id of the institution")] = None,
    feed: Annotated[str | None, typer.Option(help="with --data: id of the feed, where there are several")] = None,
    contract_file: Annotated[
        Path | None, typer.Option("--contract", help="with --data: an institution file from anywhere, such as a draft")
    ] = None,
    name: Annotated[str | None, typer.Option(help="with --data: the name the file will have in its folder")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON; its keys never change meaning")] = False,
) -> None:
    """Validate institution files, or with --data say what loading a file would do, without a database.

    Exits 1 when the file would be refused, 2 when the contract or the command is wrong.

    Keys of --json: a list of {institution, type, feed, kind, layouts}; with --data one object with file, institution,
    feed, kind, would_load, refused, note, period, layout, encoding, lines, pounds, dates, control, quarantine and
    findings.
    """
    if data is not None:
        _check_data(data, files, institution, feed, contract_file, name, as_json)
        return
    if institution or feed or contract_file or name:
        raise UserError("--institution, --feed, --contract and --name go with --data FILE")
    found = [contract.load_institution(path) for path in files] if files else contract.load_institutions().values()
    names = ("institution", "type", "feed", "kind", "layouts")
    rows = [
        (one.id, one.type.value, feed_id, feed.kind, len(feed.layouts))
        for one in found
        for feed_id, feed in one.feeds.items()
    ]
    if as_json:
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
    else:
        out.print(show.table(names, rows))


def _check_data(
    data: Path,
    files: list[Path] | None,
    institution_id: str | None,
    feed_id: str | None,
    contract_file: Path | None,
    name: str | None,
    as_json: bool,
) -> None:
    from anchorspend import rehearse  # reads files, as inspect does

    if files:
        raise UserError("--data goes with --institution or --contract, and no further files")
    if (institution_id is None) == (contract_file is None):
        raise UserError("say under which contract to read it: --institution ID, or --contract FILE.yml")
    if contract_file:
        institution = contract.load_institution(contract_file, any_name=True)
    else:
        known = contract.load_institutions()
        if institution_id not in known:
            raise UserError(f"no institution {institution_id!r}; {contract.did_you_mean(str(institution_id), known)}")
        institution = known[str(institution_id)]
    if feed_id is None and len(institution.feeds) > 1:
        raise UserError(f"say which feed of {institution.id}: --feed {' or '.join(institution.feeds)}")
    feed_id = feed_id or next(iter(institution.feeds))
    contract.pick({institution.id: institution}, institution.id, feed_id)
    with _working(f"reading {data.name}"):
        done = rehearse.rehearse(data, institution, feed_id, name)
    if as_json:
        typer.echo(json.dumps(done.as_json(), ensure_ascii=False, indent=2))
    else:
        _print(rehearse.shown(done))
    if done.refused:
        raise typer.Exit(1)


def _print(shown: RenderableType) -> None:
    """For reading, in a terminal of any width or as a file of 120 columns."""
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(shown)


@app.command(
    name="ingest",
    rich_help_panel=LOAD,
    epilog=_examples(
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
    with _working(f"loading {file.name}") as tell:
        landed, batch = ingest.ingest_file(found, feed, file, lambda name, lines: tell(f"{name}: {lines:,} lines"))
    if as_json:
        _json(asdict(batch) if batch else {"file": landed.name, "status": "known"})
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


@app.command(
    rich_help_panel=LOOK,
    epilog=_examples(
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
    epilog=_examples(
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
    epilog=_examples(
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
    with _working("asking the database"):
        names, rows = show.query(statement)
    if as_json:
        if len(set(names)) < len(names):
            raise UserError("two columns have one name, which JSON cannot hold; name them with `as`")
        _json([dict(zip(names, row, strict=True)) for row in rows])
    elif as_csv:
        show.write_csv(names, rows, sys.stdout)
    else:
        out.print(show.table(names, rows))


@app.command(
    rich_help_panel=REVIEW,
    epilog=_examples(
        "anchorspend review",
        "anchorspend review --limit 5 --json",
    ),
)
def review(
    limit: Annotated[int, typer.Option(min=1, help="how many questions")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array")] = False,
) -> None:
    """List the undecided pairs of suppliers on which most pounds hang, for a person to decide.

    Shows names as published: for those who may see the schema `raw`.

    Keys of --json: supplier_record_id, institution_id, name, supplier_id, other_supplier_id, other_name,
    other_institutions, probability, evidence, pounds.
    """
    with _working("looking for doubtful pairs"):
        from anchorspend.resolve import review as questions  # Splink and pandas take seconds

        postgres.start()
        found = questions(limit)
    if as_json:
        _json([asdict(one) for one in found])
        return
    headings = ("pounds", "record", "of", "name", "may be supplier", "name there", "likely")
    rows = [
        (
            *(f"{one.pounds:,.2f}", one.supplier_record_id, one.institution_id, one.name),
            *(one.other_supplier_id, one.other_name, f"{one.probability:.3f}"),
        )
        for one in found
    ]
    out.print(show.table(headings, rows))


@app.command(
    rich_help_panel=REVIEW,
    epilog=_examples(
        "anchorspend decide same RECORD SUPPLIER --by 'category manager' --reason 'one address'",
        "anchorspend decide register SUPPLIER --register company --number 01234567 --by auditor --reason 'its invoice'",
    ),
)
def decide(
    kind: Annotated[str, typer.Argument(help="same, different or register")],
    left: Annotated[str, typer.Argument(help="id of a supplier record, or of a supplier for all its records")],
    right: Annotated[str | None, typer.Argument(help="the other, for same and different")] = None,
    register: Annotated[str | None, typer.Option(help="company, charity, mutual or public_body")] = None,
    number: Annotated[str | None, typer.Option(help="its number in that register")] = None,
    *,
    by: Annotated[str, typer.Option(help="the role that decides")],
    reason: Annotated[str, typer.Option(help="what it stands on")],
) -> None:
    """Record what a person decided about suppliers; the next release follows it. `undo` takes it back.

    `register` without --register and --number says that the supplier is in no register.
    """
    from anchorspend.resolve import decide as record

    if kind not in ("same", "different", "register"):
        raise UserError(f"{kind!r} is no kind of decision; say same, different or register")
    postgres.start()
    made = record(
        kind,  # type: ignore[arg-type]  # checked above
        left,
        right,
        register=register,
        number=number,
        decided_by=by,
        reason=reason,
    )
    out.print(f"decision {made}; `anchorspend undo {made}` takes it back", highlight=False)


@app.command(
    rich_help_panel=REVIEW,
    epilog=_examples(
        "anchorspend undo 7",
    ),
)
def undo(decision: Annotated[int, typer.Argument(help="number of the decision")]) -> None:
    """Take a decision about suppliers back; it stays on record."""
    from anchorspend.resolve import undo as take_back

    postgres.start()
    take_back(decision)


@app.command(
    name="evaluate-resolution",
    rich_help_panel=REVIEW,
    epilog=_examples(
        "anchorspend evaluate-resolution",
        "anchorspend evaluate-resolution --judged names.csv --json",
    ),
)
def evaluate_resolution(
    judged: Annotated[Path | None, typer.Option(help="CSV of names that people judged, to be measured too")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Measure the resolution on the records whose supplier is known, beside two plain methods.

    Keys of --json: precision, recall, pound_error, pound_split, linked_pairs, true_pairs, records, equal_names, fuzzy,
    fuzzy_threshold and, with --judged, judged.
    """
    with _working("measuring the resolution"):
        from anchorspend.resolve import evaluate

        postgres.start()
        found = evaluate.standing()
        names = evaluate.judged(judged) if judged else None
    if as_json:
        told = asdict(found)
        typer.echo(json.dumps({**told.pop("resolution"), **told, **({"judged": asdict(names)} if names else {})}))
        return
    methods = {
        "resolution": found.resolution,
        "equal normalised names": found.equal_names,
        f"token_sort_ratio from {found.fuzzy_threshold}": found.fuzzy,
    }
    headings = ("method", "precision", "recall", "wrong pounds", "split pounds")
    rows = [
        (name, *(f"{share:.2%}" for share in (one.precision, one.recall, one.pound_error, one.pound_split)))
        for name, one in methods.items()
    ]
    out.print(f"{found.records:,} records whose supplier is known", highlight=False)
    out.print(show.table(headings, rows))
    if names:
        out.print(
            f"{names.names:,} judged names: precision {names.precision:.2%}, recall {names.recall:.2%}", highlight=False
        )


@app.command(
    name="release",
    rich_help_panel=PUBLISH,
    epilog=_examples(
        "anchorspend release",
        "anchorspend release --json",
    ),
)
def make_release(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, null when nothing changed")] = False,
) -> None:
    """Build, audit and publish what is loaded, without Airflow. Exits 1 when a critical check fails.

    Keys of --json: release_id, schema_name, batches, lines, is_sample.
    """
    postgres.start()
    try:
        with _working("making a release"):
            published = release.make(_say)
    except release.AuditFailed as problem:
        err.print(str(problem), highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        _json(asdict(published) if published else None)
    elif published is None:
        out.print("nothing changed since the published release")
    else:
        out.print(f"{published.schema_name}: {published.batches} batches, {published.lines:,} lines", highlight=False)


@app.command(
    name="releases",
    rich_help_panel=PUBLISH,
    epilog=_examples("anchorspend releases", "anchorspend releases --limit 1 --json"),
)
def list_releases(
    limit: Annotated[int, typer.Option(min=1, help="how many, newest first")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array")] = False,
) -> None:
    """List releases and attempts at one: when, how much, whether published, and why not.

    Keys of --json: release_id, status (building, published or failed), opened_at, closed_at, is_sample, batches, lines,
    amount (text), checks, failed_critical, warnings, reason.
    """
    postgres.start()
    found = history.releases()[:limit]
    if as_json:
        _json(found)
        return
    if not found:
        raise UserError("no release was made yet; run `anchorspend release`")
    headings = ("release", "status", "closed", "batches", "lines", "pounds", "failed checks", "data", "reason")
    rows = [
        (
            *(one["release_id"], one["status"], one["closed_at"] and f"{one['closed_at']:%Y-%m-%d %H:%M}"),
            *("" if one[name] is None else f"{one[name]:,}" for name in ("batches", "lines", "amount")),
            f"{one['failed_critical']} critical, {one['warnings']} warnings of {one['checks']}",
            *("sample" if one["is_sample"] else "", (one["reason"] or "").partition("\n")[0]),
        )
        for one in found
    ]
    out.print(show.table(headings, rows))


@app.command(
    name="export",
    rich_help_panel=PUBLISH,
    epilog=_examples(
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
    with _working(f"writing to {folder}") as tell:
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
    epilog=_examples(
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
    with _working(f"writing {file.name}"):
        done = export.transparency_code(text, institution, year, quarter, recommended=recommended)
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    out.print(f"{file}: {done.lines:,} lines, £{done.amount:,.2f}", highlight=False, soft_wrap=True)
    if done.not_net:
        err.print(
            f"{done.not_net:,} lines stand with VAT, or nobody knows whether: say so where the file is published",
            highlight=False,
            soft_wrap=True,
        )


@app.command(
    rich_help_panel=OPERATE,
    epilog=_examples(
        "anchorspend up",
        "ANCHORSPEND_STATE=/srv/anchorspend anchorspend up",
    ),
)
def up() -> None:
    """Start PostgreSQL and Airflow and leave them running until `down`."""
    with _working("PostgreSQL and Airflow are starting"):
        postgres.start()
        _say("PostgreSQL runs; Airflow is starting")
        address = airflow.start()
    out.print(f"Airflow: {address.url}\n  user {address.user}\n  password {address.password}", highlight=False)
    out.print("Warehouse: .venv/bin/anchorspend sql, or any client with the URL in .state/postgres/addresses.json")


@app.command(
    rich_help_panel=OPERATE,
    epilog=_examples(
        "anchorspend down",
    ),
)
def down() -> None:
    """Stop what `up` started."""
    airflow.stop()
    postgres.stop()


@app.command(
    rich_help_panel=OPERATE, epilog=_examples("anchorspend doctor", "anchorspend doctor --json || notify-somebody")
)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON array; its keys never change meaning")] = False,
) -> None:
    """Look this installation over and say what to do: versions, rights, disk, feeds, release, Airflow. Changes nothing.

    Exits 1 when there are warnings, 2 when there is a problem.

    Keys of --json: check, status (ok, warning or problem), found, to_do (empty when nothing).
    """
    with _working("looking the installation over"):
        from anchorspend import doctor as examination  # dbt and pandas are not needed, and still it takes a second

        findings = examination.examine()
    if as_json:
        _json([asdict(one) for one in findings])
    else:
        colours = {"ok": "green", "warning": "yellow", "problem": "red"}
        rows = [(one.check, Text(one.status, style=colours[one.status]), one.found, one.to_do) for one in findings]
        out.print(show.table(("check", "status", "found", "to do"), rows))
    raise typer.Exit({"ok": 0, "warning": 1, "problem": 2}[examination.worst(findings)])


@app.command(
    rich_help_panel=OPERATE,
    epilog=_examples(
        "anchorspend prepare",
    ),
)
def prepare() -> None:
    """Parse the dbt project, which the release DAG is drawn from. Needs no database."""
    with _working("parsing the dbt project"):
        manifest = model.prepare()
    out.print(str(manifest), highlight=False, soft_wrap=True)


@app.command(
    rich_help_panel=OPERATE,
    epilog=_examples(
        "anchorspend docs",
    ),
)
def docs() -> None:
    """Write docs/data_dictionary.md and docs/kpis.md from the dbt project's YAML and seeds. Needs no database."""
    for path in dictionary.write():
        out.print(str(path), highlight=False, soft_wrap=True)


@app.command(
    rich_help_panel=OPERATE,
    epilog=_examples(
        "anchorspend setup",
        "ANCHORSPEND_WAREHOUSE_URL=postgresql://owner:...@db.example/anchorspend anchorspend setup",
    ),
)
def setup() -> None:
    """Create the warehouse's schemas, tables and roles, or bring them up to date. Safe to run again."""
    postgres.start()
    warehouse.set_up(unquote(urlsplit(warehouse.reader_url()).password or ""))
    release.register()


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
    except Exception:  # not 1, which says that the command did its work
        traceback.print_exc()
        sys.exit(3)
