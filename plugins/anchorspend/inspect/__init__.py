"""Inspect: what a file is, what its columns mean, and a draft of the contract that loads it.

`recognise` tells the format by the bytes, `survey` reads the rows through `read`, `columns` tells what cells are,
`headers` and `meaning` which column is which field of which kind, `naming` what the file's name says, `draft` writes
the institution file, `printed` shows it all. The draft is rehearsed at once, so that what it would load is known.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from anchorspend import contract, rehearse
from anchorspend.contract import did_you_mean
from anchorspend.errors import UserError
from anchorspend.inspect.columns import SWAPPED, Column, Dates, swapped_days
from anchorspend.inspect.draft import Body, Draft, Totals, as_id, draft, find_totals, publisher, span, year_start
from anchorspend.inspect.meaning import Meaning, meaning_as, meanings
from anchorspend.inspect.naming import Named, institution_type, period_in
from anchorspend.inspect.recognise import Recognised, recognise
from anchorspend.inspect.survey import Table, survey
from anchorspend.kinds import KINDS
from anchorspend.read.tables import Held
from anchorspend.rehearse import Rehearsal

__all__ = ["Inspection", "Recognised", "inspect_file"]


@dataclass
class Inspection:
    """What a file is. Everything after `found` is None where the step before it had nothing to work on.

    `problem` says why there is no table or no draft; `others` are the kinds next in likelihood, the likeliest first.
    """

    file: Path
    found: Recognised
    table: Table | None = None
    meaning: Meaning | None = None
    others: list[Meaning] = field(default_factory=list)
    named: Named | None = None
    totals: Totals | None = None
    draft: Draft | None = None
    rehearsal: Rehearsal | None = None
    problem: str | None = None
    notes: list[str] = field(default_factory=list)


def inspect_file(path: Path, kind: str | None = None, institution_id: str | None = None) -> Inspection:
    """Look at a file, as one `kind` if that is given, and draft a contract for it.

    Raises `UserError` when there is no such file, kind, or id.
    """
    if kind is not None and kind not in KINDS:
        raise UserError(f"no kind is called {kind!r}; {did_you_mean(kind, KINDS)}")
    if institution_id is not None and as_id(institution_id) != institution_id:
        raise UserError(f"{institution_id!r} cannot be an id; write {as_id(institution_id)!r}")
    done = Inspection(path, recognise(path))
    if done.found.reads_as is None:
        done.problem = done.found.problem
        return done
    try:
        with path.open("rb") as file:
            done.table = survey(file, done.found.layout())
    except Held as held:
        done.problem = str(held)
        return done
    except OSError as problem:
        raise UserError(f"{path}: cannot be read: {problem.strerror}") from None
    if done.table.header_row is None:
        done.problem = "no header row was found; write one above the first line, or ask for the file with its headers"
        return done
    if not done.table.lines:
        done.problem = "there is no line below the header"
        return done
    _mean(done, kind)
    if done.meaning:
        _draft(done, institution_id)
    return done


def _mean(done: Inspection, kind: str | None) -> None:
    assert done.table
    ranked = meanings(done.table, done.file.name)
    best = next((one for one in ranked if one.kind == kind), ranked[0])
    if best.missing and kind is None:
        best = min(ranked, key=lambda one: (len(one.missing), -one.score))
    done.others = [one for one in ranked if one is not best and not one.missing and one.score > best.score - 1][:2]
    done.totals = find_totals(done.table, best)
    if done.totals:  # it had its part in what the columns were taken for
        best = meaning_as(done.table, best.kind)
    done.meaning = best
    if best.missing and kind is None:
        wanted = ", ".join(f"{name} ({KINDS[best.kind].fields[name].meaning})" for name in best.missing)
        done.problem = f"no kind of feed fits; as the nearest, {best.kind}, it lacks {wanted}"
        done.notes.append("name the kind with --kind to have a draft all the same, with those places to fill in")


def _draft(done: Inspection, institution_id: str | None) -> None:
    assert done.table and done.meaning
    body = _body(done.table, done.file, institution_id)
    changed = datetime.fromtimestamp(done.file.stat().st_mtime, UTC).date()
    by_name = period_in(done.file.name, body.financial_year_start, None, changed)
    if not by_name.is_renamed:
        _resolve_day_and_month(done.meaning, by_name)
    done.named = period_in(done.file.name, body.financial_year_start, span(done.meaning), changed)
    if done.problem:
        return
    done.draft = draft(body, done.found, done.table, done.meaning, done.named, done.totals)
    done.notes += done.draft.notes
    done.rehearsal = rehearse.rehearse(done.file, done.draft.institution, done.draft.feed_id, done.named.name)


def _body(table: Table, file: Path, institution_id: str | None) -> Body:
    """The institution: the one with the id if there is a file of it, else a guess."""
    if institution_id:
        try:
            known = contract.load_institutions().get(institution_id)
        except UserError:  # another institution's file is in disorder; that is not this file's matter
            known = None
        if known:
            return Body(
                known.id, known.name, known.type, False, known.financial_year_start, known.gss_code, is_known=True
            )
    name, of = publisher(table, file)
    if institution_id and of is None:
        name = institution_id.replace("_", " ").title()
        of = institution_type(name)
    kind = of or contract.InstitutionType.LOCAL_AUTHORITY
    return Body(institution_id or as_id(name), name, kind, True, year_start(of))


def _resolve_day_and_month(meaning: Meaning, named: Named) -> None:
    """Where day and month could be exchanged throughout, take the order that fits the period of the name."""
    for name, column in meaning.fields.items():
        if not column.dates.is_ambiguous or KINDS[meaning.kind].dated != name:
            continue
        days = column.dates.days
        other = swapped_days(column)
        inside = sum(times for day, times in days.items() if _within(day, named))
        if sum(times for day, times in other.items() if _within(day, named)) > 1.5 * inside:
            _exchange(column)


def _within(day: str, named: Named) -> bool:
    return named.period.first.isoformat() <= day <= named.period.last.isoformat()


def _exchange(column: Column) -> None:
    dates = column.dates
    formats = tuple(SWAPPED.get(one, one) for one in dates.formats)
    column.dates = Dates(formats, dates.read, dates.true_dates, False, False, swapped_days(column), dates.unread)
