"""Review how supplier records are linked."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anchorspend import show
from anchorspend.cli.base import REVIEW, app, examples, out, print_json, working
from anchorspend.errors import UserError
from anchorspend.server import postgres


@app.command(
    rich_help_panel=REVIEW,
    epilog=examples(
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
    with working("looking for doubtful pairs"):
        from anchorspend.resolve import review as questions  # Splink and pandas take seconds

        postgres.start()
        found = questions(limit)
    if as_json:
        print_json([asdict(one) for one in found])
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
    epilog=examples(
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
    epilog=examples(
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
    epilog=examples(
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
    with working("measuring the resolution"):
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
