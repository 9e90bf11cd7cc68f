"""Show: what stands published, read as `bi_reader` from `marts` alone. Nothing is computed here."""

import csv
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TextIO

import psycopg
from rich.table import Table
from rich.text import Text

from anchorspend import warehouse
from anchorspend.errors import UserError

HEADLINES = ("strategy", "primary", "secondary")
_COLOURS = {"met": "green", "missed": "red", "uncertain": "yellow"}


def query(statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a statement, as `bi_reader`. Raises `UserError` with the database's words."""
    with warehouse.connect(warehouse.reader_url()) as connection:
        try:
            cursor = connection.execute(statement.encode())
        except psycopg.Error as problem:
            raise UserError(f"the database says: {str(problem).strip()}") from None
        if cursor.description is None:
            raise UserError("that statement has no result; write a SELECT")
        return [column.name for column in cursor.description], cursor.fetchall()


def write_csv(names: Sequence[str], rows: Sequence[Sequence[Any]], target: TextIO) -> None:
    """A result as CSV."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A result as a table for a terminal."""
    shown = Table(*names, box=None, header_style="bold")
    for row in rows:
        # A bare string would be taken for markup, and a cell may hold square brackets.
        shown.add_row(*(cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row))
    return shown


def scorecard() -> list[dict[str, Any]]:
    """% local spend by institution and financial year under the headline definitions, with bounds, target and status.

    Raises `UserError` when nothing is published yet.
    """
    with warehouse.connect(warehouse.reader_url()) as connection:
        try:
            return warehouse.rows(
                connection,
                """
                select institution.institution_name, score.financial_year, score.definition_id, score.value,
                    score.value_low, score.value_high, score.coverage, score.total_amount, score.target, score.status,
                    release.release_id, release.is_sample
                from marts.kpi_scorecard as score
                inner join marts.dim_institution as institution on score.institution_id = institution.institution_id
                cross join (select * from marts.release order by release_id desc limit 1) as release
                where score.kpi_id = 'local_spend_pct' and score.definition_id = any(%(definitions)s)
                order by score.institution_id = 'partnership', institution.institution_name, score.financial_year
                """,
                {"definitions": list(HEADLINES)},
            )
        except psycopg.errors.UndefinedTable:
            raise UserError(
                "nothing is published yet; run `make demo`, or `anchorspend ingest` and `release`"
            ) from None


def scorecard_table(scores: Sequence[dict[str, Any]]) -> Table:
    """The scorecard for a terminal: one row per institution and year, one column per definition."""
    first = scores[0]
    title = f"Local share of spend, release {first['release_id']}"
    shown = Table(
        title=f"{title} · SAMPLE DATA, made up" if first["is_sample"] else title,
        caption="in brackets: with every pound of unknown place counted against, and for",
        header_style="bold",
    )
    shown.add_column("Institution", no_wrap=True)
    shown.add_column("Year", no_wrap=True)
    for heading in ("Spend £m", *(f"% {name}" for name in HEADLINES), "Target"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("Status", no_wrap=True)
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for score in scores:
        cells.setdefault((score["institution_name"], score["financial_year"]), {})[score["definition_id"]] = score
    for (institution, year), by_definition in cells.items():
        headline = by_definition["strategy"]
        shown.add_row(
            institution,
            year,
            f"{headline['total_amount'] / 1_000_000:,.1f}",
            *(_bounded(by_definition[name]) for name in HEADLINES),
            "" if headline["target"] is None else _percent(headline["target"]),
            Text(headline["status"].replace("_", " "), style=_COLOURS.get(headline["status"], "dim")),
        )
    return shown


def _bounded(score: dict[str, Any]) -> Text:
    if score["value"] is None:
        return Text("no data")
    low, high = score["value_low"], score["value_high"]
    bounds = "" if low == high else f" ({_percent(low)}–{_percent(high)})"
    return Text(f"{_percent(score['value'])}{bounds}")


def _percent(share: Decimal) -> str:
    return f"{share * 100:.1f}"
