"""Rehearse: what loading a file would do, without a database and without keeping anything.

The file is read by the reader a load uses, under the contract a load would choose, and held to what a load holds it to:
the limit of the quarantine, the control total, the total in the file itself.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field as with_default
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from anchorspend import control, land
from anchorspend.contract import Feed, Institution, SidecarTotal, Terms
from anchorspend.control import Stated
from anchorspend.errors import UserError
from anchorspend.read import Held, Part, Reading, read
from anchorspend.show import table

_EXAMPLES = 3


@dataclass
class Trouble:
    """Lines in quarantine for one reason in one column. A line with two reasons stands in two of these."""

    reason: str
    field: str | None
    column: str | None
    lines: int = 0
    rows: list[int] = with_default(default_factory=list)
    examples: list[str] = with_default(default_factory=list)


@dataclass
class Rehearsal:
    """What a load would do.

    `refused` is the reason a load would refuse the whole file, None where it would load; `note` a letter to the
    publisher where there is one. Pounds are exact; those of quarantined lines count where they could be read.
    """

    file: str
    institution: str
    feed: str
    kind: str
    refused: str | None = None
    note: str | None = None
    period: str | None = None
    period_first: date | None = None
    period_last: date | None = None
    layout: int | None = None
    encoding: str | None = None
    lines: int = 0
    lines_quarantined: int = 0
    amount: Decimal = Decimal(0)
    amount_quarantined: Decimal = Decimal(0)
    first_date: str | None = None
    last_date: str | None = None
    lines_before_period: int = 0
    repeated_lines: int = 0
    unnamed_suppliers: int = 0
    control: Stated | None = None
    quarantine: list[Trouble] = with_default(default_factory=list)
    findings: list[str] = with_default(default_factory=list)

    @property
    def lines_loaded(self) -> int:
        """Lines that would load."""
        return self.lines - self.lines_quarantined

    @property
    def amount_loaded(self) -> Decimal:
        """Pounds that would load."""
        return self.amount - self.amount_quarantined

    def as_json(self) -> dict[str, Any]:
        """Keys: file, institution, feed, kind, would_load, refused, note, period {label, first, last}, layout (from 1),
        encoding, lines {total, loaded, quarantined, repeated, before_period, unnamed_suppliers}, pounds {total, loaded,
        quarantined} as text with exact pence, dates {first, last}, control {source, expected, agrees}, quarantine [
        {reason, field, column, lines, rows, examples}], findings [text]. What is unknown is null."""
        return {
            **{key: getattr(self, key) for key in ("file", "institution", "feed", "kind")},
            "would_load": self.refused is None,
            "refused": self.refused,
            "note": self.note,
            "period": {"label": self.period, "first": _iso(self.period_first), "last": _iso(self.period_last)},
            "layout": self.layout,
            "encoding": self.encoding,
            "lines": {
                "total": self.lines,
                "loaded": self.lines_loaded,
                "quarantined": self.lines_quarantined,
                "repeated": self.repeated_lines,
                "before_period": self.lines_before_period,
                "unnamed_suppliers": self.unnamed_suppliers,
            },
            "pounds": {
                "total": str(self.amount),
                "loaded": str(self.amount_loaded),
                "quarantined": str(self.amount_quarantined),
            },
            "dates": {"first": self.first_date, "last": self.last_date},
            "control": {
                "source": self.control.source if self.control else None,
                "expected": str(self.control.amount) if self.control else None,
                "agrees": self.control.differs(self.lines, self.amount) is None if self.control else None,
            },
            "quarantine": [vars(one) for one in self.quarantine],
            "findings": self.findings,
        }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def rehearse(path: Path, institution: Institution, feed_id: str, name: str | None = None) -> Rehearsal:
    """Read a file as a load of the feed would; `name` is the name it would be given in the feed's folder.

    Raises `UserError` when there is no such file.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'is a folder; name one of its files' if path.is_dir() else 'no such file'}")
    feed = institution.feeds[feed_id]
    found = land.found_at(path, feed)
    name = name or found.name
    terms = feed.terms(name, institution.financial_year_start)
    done = Rehearsal(name, institution.id, feed_id, feed.kind)
    if terms.period:
        done.period, done.period_first, done.period_last = terms.period.label, terms.period.first, terms.period.last
    try:
        with path.open("rb") as file, ExitStack() as beside:
            if terms.period is None or terms.layout is None:
                raise Held(terms.problem or "the contract says nothing of it")
            done.layout = feed.layouts.index(terms.layout) + 1
            control_file = found.control_url and Path(found.control_url.removeprefix("file://"))
            sidecar = beside.enter_context(control_file.open("rb")) if control_file else None
            _read(done, read(file, feed, terms.layout, terms.period), feed, terms, sidecar)
    except Held as held:
        done.refused, done.note = str(held), held.note
    except OSError as problem:
        raise UserError(f"{path}: cannot be read: {problem.strerror}") from None
    return done


def _read(done: Rehearsal, reading: Reading, feed: Feed, terms: Terms, sidecar: BinaryIO | None) -> None:
    troubles: dict[tuple[str | None, str], Trouble] = {}
    seen: set[int] = set()
    days: Counter[str] = Counter()
    done.encoding = reading.encoding
    for part in reading.parts:
        _look(done, part, feed, seen, days)
        for line in part.bad:
            done.lines_quarantined += 1
            done.amount_quarantined += line.amount or 0
            for problem in line.problems:
                trouble = troubles.setdefault(
                    (problem.column, problem.reason), Trouble(problem.reason, problem.field, problem.column)
                )
                trouble.lines += 1
                if len(trouble.rows) < _EXAMPLES:
                    trouble.rows.append(line.source_row)
                if len(trouble.examples) < _EXAMPLES and problem.value and problem.value not in trouble.examples:
                    trouble.examples.append(problem.value)
        done.lines, done.amount = reading.lines, reading.amount
    done.lines, done.amount = reading.lines, reading.amount
    done.quarantine = sorted(troubles.values(), key=lambda one: -one.lines)
    if days:
        done.first_date, done.last_date = min(days), max(days)
        first = terms.period.first.isoformat() if terms.period else ""
        done.lines_before_period = sum(times for day, times in days.items() if day < first)
    _hold(done, reading, feed, terms, sidecar)
    done.findings += _findings(done, reading, feed)


def _look(done: Rehearsal, part: Part, feed: Feed, seen: set[int], days: Counter[str]) -> None:
    """Count what the lines that load have in common."""
    columns = [values for name, values in part.good.items() if name not in {"line_no", "sheet", "source_row"}]
    for line in zip(*columns, strict=True):
        done.repeated_lines += hash(line) in seen
        seen.add(hash(line))
    dated = feed.definition.dated
    days.update(str(day) for day in part.good.get(dated or "", []) if day)
    done.unnamed_suppliers += sum(1 for supplier in part.good.get("supplier_name", []) if supplier is None)


def _hold(done: Rehearsal, reading: Reading, feed: Feed, terms: Terms, sidecar: BinaryIO | None) -> None:
    """What a load holds a file to after reading it."""
    done.refused = control.over_limit(feed, done.lines, done.lines_quarantined)
    for total in control.stated(feed, terms, reading, sidecar):
        done.control = total
        done.refused = done.refused or total.differs(done.lines, done.amount)
        if done.refused:
            return


def _findings(done: Rehearsal, reading: Reading, feed: Feed) -> list[str]:
    found = ["there is no line below the header"] if done.lines == 0 else []
    found += [
        f"{one.lines:,} × {one.column}: {one.reason} (row {one.source_row}: {one.example[:40]!r})"
        for one in reading.findings
    ]
    if done.repeated_lines:
        found.append(f"{done.repeated_lines:,} lines repeat another exactly; kept, because instalments do that too")
    if done.unnamed_suppliers:
        found.append(f"{done.unnamed_suppliers:,} lines name no supplier")
    if done.lines_before_period:
        found.append(f"{done.lines_before_period:,} lines are dated before the period; kept, as late payments are")
    dated = feed.definition.dated
    if dated and done.lines and done.first_date is None and done.refused is None:
        found.append(f"no {dated} is mapped: the lines are dated by the file's period")
    if isinstance(feed.control_total, SidecarTotal) and done.control is None:
        found.append("there is no file with the control total beside it")
    return found


def shown(done: Rehearsal) -> RenderableType:
    """A rehearsal for a terminal."""
    verdict = Text("would be refused" if done.refused else "would load", style="red" if done.refused else "green")
    head = Grid.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column(overflow="fold")
    head.add_row("file", Text(done.file))
    head.add_row("feed", f"{done.institution}, {done.feed} ({done.kind})")
    head.add_row("result", verdict)
    if done.refused:
        head.add_row("reason", Text(done.refused))
    if done.period:
        head.add_row("period", f"{done.period}: {done.period_first} to {done.period_last}")
    if done.layout:
        head.add_row("layout", f"number {done.layout}" + (f", {done.encoding}" if done.encoding else ""))
    if done.first_date:
        head.add_row("dates", f"{done.first_date} to {done.last_date}")
    if done.control:
        agrees = "differs" if done.control.differs(done.lines, done.amount) else "agrees"
        head.add_row("control", f"{done.control.source}, £{done.control.amount:,.2f}: {agrees}")
    parts: list[RenderableType] = [head]
    if done.lines:
        parts += ["", counts(done)]
    if done.quarantine:
        parts += ["", Text("In quarantine", style="bold"), troubles(done.quarantine)]
    if done.findings:
        parts += ["", Text("Findings", style="bold"), *(Text(f"  {one}") for one in done.findings)]
    if done.note:
        parts += ["", Text("For the publisher", style="bold"), Text(done.note)]
    return Group(*parts)


def counts(done: Rehearsal) -> Grid:
    """Lines and pounds that would load and go to quarantine, for a terminal."""
    grid = Grid("", box=None, header_style="bold")
    grid.add_column("lines", justify="right")
    grid.add_column("pounds", justify="right")
    for name, lines, amount in (
        ("would load", done.lines_loaded, done.amount_loaded),
        ("quarantine", done.lines_quarantined, done.amount_quarantined),
        ("total", done.lines, done.amount),
    ):
        grid.add_row(name, f"{lines:,}", f"£{amount:,.2f}")
    return grid


def troubles(found: Sequence[Trouble]) -> Grid:
    """The reasons of the quarantine for a terminal, the commonest twenty."""
    rows = [
        (f"{one.lines:,}", one.column or "", one.reason, ", ".join(map(str, one.rows)), "; ".join(one.examples)[:60])
        for one in found[:20]
    ]
    return table(("lines", "column", "reason", "first rows", "examples"), rows)
