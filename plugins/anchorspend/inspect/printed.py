"""Printed: an inspection for a terminal, and as JSON."""

from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from anchorspend import rehearse
from anchorspend.inspect import Inspection
from anchorspend.inspect.columns import Column, readable
from anchorspend.inspect.draft import span
from anchorspend.inspect.meaning import Meaning
from anchorspend.inspect.survey import Table
from anchorspend.kinds import KINDS

_SHOWN = 26
_MOST_COLUMNS = 60
_SHEETS_SHOWN = 12


def as_json(done: Inspection) -> dict[str, Any]:
    """Keys: file, format, reads_as, encoding {name, sure}, delimiter, quotechar, line_ending, members, sheets [{name,
    lines, header_row, is_read}], header_row, lines, repeated_lines, columns [{position, header, samples, share_filled,
    distinct, type, formats, field, sure, oddities, left}], kind, other_kinds, missing, period {label, first, last,
    says, pattern, name_to_use, is_renamed}, dates {first, last}, totals {field, sum, count, negatives, totals_row
    {row, amount, agrees}}, oddities, notes, problem, draft (YAML text), feed, rehearsal (see `Rehearsal.as_json`).
    What is unknown is null; pounds are text with exact pence; shares go from 0 to 1."""
    found, table, meaning = done.found, done.table, done.meaning
    days = span(meaning) if meaning else None
    amount = _amount(meaning)
    return {
        "file": done.file.name,
        "format": found.format,
        "reads_as": found.reads_as,
        "encoding": {"name": found.encoding, "sure": found.encoding_sure},
        "delimiter": found.delimiter if found.reads_as == "csv" else None,
        "quotechar": found.quotechar if found.reads_as == "csv" else None,
        "line_ending": found.line_ending,
        "members": list(found.members),
        "sheets": [
            {"name": one.name, "lines": one.lines, "header_row": one.header_row, "is_read": one.is_read}
            for one in (table.sheets if table else [])
        ],
        "header_row": table.header_row if table else None,
        "lines": table.lines if table else None,
        "repeated_lines": table.repeated if table else None,
        "columns": [_column(column, meaning) for column in (table.columns if table else [])],
        "kind": meaning.kind if meaning else None,
        "other_kinds": [one.kind for one in done.others],
        "missing": meaning.missing if meaning else None,
        "period": done.named
        and {
            "label": done.named.period.label,
            "first": done.named.period.first.isoformat(),
            "last": done.named.period.last.isoformat(),
            "says": done.named.says,
            "pattern": done.named.pattern,
            "name_to_use": done.named.name,
            "is_renamed": done.named.is_renamed,
        },
        "dates": days and {"first": days[0].isoformat(), "last": days[1].isoformat()},
        "totals": amount
        and {
            "field": KINDS[meaning.kind].amount if meaning else None,
            "sum": str(amount.total),
            "count": sum(amount.cells[cell] for cell in amount.pounds),
            "negatives": amount.negatives,
            "totals_row": done.totals
            and {"row": done.totals.row[0], "amount": str(done.totals.amount), "agrees": done.totals.agrees},
        },
        "oddities": oddities(done),
        "notes": done.notes,
        "problem": done.problem,
        "draft": done.draft.text if done.draft else None,
        "feed": done.draft.feed_id if done.draft else None,
        "rehearsal": done.rehearsal.as_json() if done.rehearsal else None,
    }


def _column(column: Column, meaning: Meaning | None) -> dict[str, Any]:
    field = _field_of(column, meaning)
    return {
        "position": column.position,
        "header": column.header,
        "samples": column.samples,
        "share_filled": round(column.share_filled, 4),
        "distinct": len(column.cells),
        "type": column.type,
        "formats": list(column.dates.formats) if column.type == "date" else [],
        "field": field,
        "sure": round(meaning.sure[field], 3) if field and meaning else None,
        "oddities": column.oddities,
        "left": meaning.left.get(column.position) if meaning else None,
    }


def _field_of(column: Column, meaning: Meaning | None) -> str | None:
    fields = meaning.fields if meaning else {}
    return next((name for name, one in fields.items() if one.position == column.position), None)


def _amount(meaning: Meaning | None) -> Column | None:
    return meaning.fields.get(KINDS[meaning.kind].amount or "") if meaning else None


def oddities(done: Inspection) -> list[str]:
    """What a person should know of the file, beyond what its columns say."""
    table, found = done.table, []
    if done.found.problem and done.problem != done.found.problem:
        found.append(done.found.problem)
    if table is None:
        return found
    headers = [column.header.casefold() for column in table.columns]
    if twice := sorted({header for header in headers if header and headers.count(header) > 1}):
        found.append(f"a header stands over two columns: {', '.join(twice)}")
    blank = [column for column in table.columns if not column.header]
    if full := [str(column.position) for column in [*blank, *table.beyond] if column.filled]:
        found.append(f"no header stands over column {', '.join(full)}, and cells do")
    filled_beyond = sum(1 for column in table.beyond if column.position <= len(headers) + table.blank_ends)
    if hollow := table.blank_ends - filled_beyond + sum(1 for column in blank if not column.filled):
        found.append(f"{hollow} columns without header and cells")
    if empty := [column.header for column in table.columns if column.header and not column.filled]:
        found.append(f"empty columns: {', '.join(empty)}")
    if table.headers_again:
        found.append(f"the header is repeated {table.headers_again:,} times among the lines; it is left out")
    if table.short and done.found.reads_as == "csv":
        found.append(f"{table.short:,} lines have fewer cells than the header")
    if table.long:
        found.append(f"{table.long:,} lines have cells right of the header")
    if table.repeated:
        found.append(f"{table.repeated:,} lines repeat another exactly; they are kept")
    found += [
        f"{column.header or f'column {column.position}'}: {odd}" for column in table.columns for odd in column.oddities
    ]
    if others := [one.name for one in table.sheets if not one.is_read and one.lines and one.name]:
        found.append(f"sheets with another header are not read: {', '.join(others)}")
    return found


def shown(done: Inspection) -> RenderableType:
    """An inspection for a terminal: what it is, its columns, its oddities; then the draft and what it would load."""
    parts: list[RenderableType] = [_head(done)]
    if done.table and done.table.columns:
        parts += ["", *_columns(done.table, done.meaning)]
    if odd := oddities(done):
        parts += ["", Text("Oddities", style="bold"), *(Text(f"  {one}") for one in odd)]
    if done.notes:
        parts += ["", Text("Notes", style="bold"), *(Text(f"  {one}") for one in done.notes)]
    if done.problem:
        parts += ["", Text(f"No draft: {done.problem}", style="red")]
    if done.draft and done.rehearsal:
        parts += ["", Text("The draft, read with this file", style="bold"), _outcome(done.rehearsal)]
    return Group(*parts)


def _head(done: Inspection) -> Grid:
    head = Grid.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column(overflow="fold")
    found, table, meaning = done.found, done.table, done.meaning
    head.add_row("file", Text(done.file.name))
    head.add_row(
        "format", Text(", ".join(filter(None, [found.format, found.line_ending and f"lines end {found.line_ending}"])))
    )
    if found.members:
        head.add_row("zip holds", Text(", ".join(found.members[:6]) + (", ..." if len(found.members) > 6 else "")))
    if found.encoding:
        head.add_row("encoding", f"{found.encoding} ({found.encoding_sure})")
    if table:
        named = [one for one in table.sheets if one.name]
        for one in named[:_SHEETS_SHOWN]:
            head.add_row("sheet", Text(f"{one.name}: {one.lines:,} lines" + ("" if one.is_read else ", not read")))
        if len(named) > _SHEETS_SHOWN:
            head.add_row("", f"and {len(named) - _SHEETS_SHOWN} sheets more")
        above = f", {len(table.preamble)} rows above it" if table.preamble else ""
        head.add_row("header", "none found" if table.header_row is None else f"row {table.header_row}{above}")
        head.add_row("lines", f"{table.lines:,}")
    if meaning and not meaning.missing:
        others = f" (perhaps {' or '.join(one.kind for one in done.others)})" if done.others else ""
        head.add_row("kind", f"{meaning.kind}{others}: {KINDS[meaning.kind].meaning}")
    if done.named:
        named_in = "its name holds no year" if done.named.is_renamed else "from its name"
        head.add_row("period", f"{done.named.period.label} ({done.named.says}), {named_in}")
        if done.named.is_renamed:
            head.add_row("rename to", Text(done.named.name, style="yellow"))
        if not done.named.fits:
            head.add_row("", Text("the dates in the file do not fit the period of its name", style="yellow"))
    if meaning and (days := span(meaning)):
        head.add_row("dates", f"{days[0]} to {days[1]} (98 of 100 lines)")
    if amount := _amount(meaning):
        count = sum(amount.cells[cell] for cell in amount.pounds)
        head.add_row("total", f"{_pounds(amount.total)} in {count:,} amounts, {amount.negatives:,} negative")
    if done.totals:
        says = "agrees with the lines" if done.totals.agrees else f"the lines add up to {_pounds(done.totals.others)}"
        head.add_row("totals row", f"row {done.totals.row[0]}: {_pounds(done.totals.amount)}, {says}")
    return head


def _pounds(amount: Decimal) -> str:
    return f"£{amount:,.2f}" if amount == round(amount, 2) else f"£{amount:,}"


def _columns(table: Table, meaning: Meaning | None) -> list[RenderableType]:
    grid = Grid(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1), expand=True)
    grid.add_column("#", justify="right", no_wrap=True)
    grid.add_column("header", min_width=10, max_width=24, overflow="fold")
    grid.add_column("type", min_width=10, max_width=16, overflow="fold")
    grid.add_column("filled", justify="right", no_wrap=True)
    grid.add_column("distinct", justify="right", no_wrap=True)
    grid.add_column("field", no_wrap=True, style="green")
    grid.add_column("samples", overflow="ellipsis", no_wrap=True, ratio=1, min_width=8)
    every = [*table.columns, *table.beyond]
    # The records of a JSON file have hundreds of paths: those that mean something are enough.
    listed = every if len(every) <= _MOST_COLUMNS else [one for one in every if _field_of(one, meaning)]
    for column in listed:
        field = _field_of(column, meaning)
        doubt = " ?" if field and meaning and meaning.sure[field] < 0.9 else ""
        grid.add_row(
            str(column.position),
            Text(column.header[:60]),
            Text(_type(column)),
            _percent(column),
            f"{len(column.cells):,}",
            f"{field or ''}{doubt}",
            Text(" · ".join(" ".join(sample.split())[:_SHOWN] for sample in column.samples)),
        )
    left = [
        Text(f"  column {column.position}, {column.header}, is left out: {meaning.left[column.position]}")
        for column in table.columns
        if meaning and column.position in meaning.left
    ]
    if len(listed) < len(every):
        left.append(Text(f"  and {len(every) - len(listed)} columns that are no field of the kind"))
    return [grid, *left]


def _percent(column: Column) -> str:
    share = column.share_filled
    if 0 < share < 1:
        return f"{min(99.9, max(0.1, share * 100)):.1f} %"
    return f"{share * 100:.0f} %"


def _type(column: Column) -> str:
    if column.type != "date":
        return column.type
    dates = column.dates
    formats = readable(dates.formats) or "true dates"
    return f"date {formats}" + (" ?" if dates.is_ambiguous else "")


def _outcome(done: rehearse.Rehearsal) -> RenderableType:
    parts: list[RenderableType] = []
    if done.refused:
        parts.append(Text(f"  would be refused: {done.refused}", style="red"))
    parts.append(rehearse.counts(done))
    if done.quarantine:
        parts += ["", rehearse.troubles(done.quarantine)]
    # What the columns and oddities above say already is not said twice.
    findings = [one for one in done.findings if "repeat another" not in one and "spreadsheet" not in one]
    return Group(*parts, *(Text(f"  {one}") for one in findings))
