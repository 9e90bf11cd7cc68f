"""From nothing to first figures, and from a file to a contract."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType

from anchorspend import contract, demo, pages, settings, show
from anchorspend.cli.base import FIRST, app, err, examples, out, print_json, say, working
from anchorspend.errors import UserError
from anchorspend.kinds import KINDS
from anchorspend.server import postgres


@app.command(
    name="demo",
    rich_help_panel=FIRST,
    epilog=examples(
        "anchorspend demo",
        "make demo",
    ),
)
def run_demo() -> None:
    """Bring the sample county from its files to a published scorecard, through Airflow, and print it."""
    demo.run(say)
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
    out.print(f"\nOpen the review pages in a browser: {pages.current()}", highlight=False, soft_wrap=True)


@app.command(
    rich_help_panel=FIRST,
    epilog=examples(
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
    with working("writing the sample county") as tell:
        write_county(folder / "inbox", folder / "truth", scale=scale, progress=tell)


@app.command(
    name="inspect",
    rich_help_panel=FIRST,
    epilog=examples(
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
    with working(f"reading {file.name}"):
        done = inspect_file(file, kind, institution)
    if as_json:
        print_json(printed.as_json(done))
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
    epilog=examples(
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
            print_json([{"kind": name, "meaning": meaning} for name, meaning in meanings])
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
        print_json(fields)
        return
    rows = [(one["field"], "!" if one["required"] else "", one["type"], one["meaning"]) for one in fields]
    out.print(show.table(("field", "", "type", "meaning"), rows))


@app.command(
    rich_help_panel=FIRST,
    epilog=examples(
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
        print_json([dict(zip(names, row, strict=True)) for row in rows])
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
    with working(f"reading {data.name}"):
        done = rehearse.rehearse(data, institution, feed_id, name)
    if as_json:
        print_json(done.as_json())
    else:
        _print(rehearse.shown(done))
    if done.refused:
        raise typer.Exit(1)


def _print(shown: RenderableType) -> None:
    """For reading, in a terminal of any width or as a file of 120 columns."""
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(shown)
