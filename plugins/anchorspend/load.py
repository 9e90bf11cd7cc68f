"""Load: the lines of one landed file become one batch, reconciled, in one transaction.

Everything of a batch commits together, so a load killed at any moment leaves nothing, and running it again leaves one
counted copy. The same file under the same layout is loaded once; a layout put right reads the file anew.
"""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from decimal import Decimal
from typing import Any, BinaryIO

import psycopg
from psycopg import sql

from anchorspend import control, difference
from anchorspend.contract import Feed, Institution, Terms
from anchorspend.difference import Difference
from anchorspend.kinds import Kind
from anchorspend.read import Held, Part, Problem, Reading, read

PROGRESS_LINES = 100_000  # lines from one word of progress to the next
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_ESCAPED = str.maketrans(_ESCAPES)


@dataclass(frozen=True)
class Source:
    """A landed file to load: its registration, its bytes, and those of its control total."""

    file_id: int
    name: str
    data: BinaryIO
    control: BinaryIO | None


@dataclass(frozen=True)
class Batch:
    """What became of a file: `loaded` or `refused` with the reason. Counts are None where it was not read.

    `difference` says what it changed in the batch it replaces, where it replaces one.
    """

    batch_id: int
    file: str
    status: str
    reason: str | None = None
    lines_read: int | None = None
    lines_quarantined: int | None = None
    amount_read: Decimal | None = None
    difference: Difference | None = None

    def __str__(self) -> str:
        if self.status == "refused":
            return f"{self.file}: refused: {self.reason}"
        told = (
            f"{self.file}: batch {self.batch_id}, {self.lines_read:,} lines, £{self.amount_read:,.2f}; "
            f"{self.lines_quarantined:,} lines in quarantine"
        )
        return f"{told}; {self.difference}" if self.difference else told


def load(
    connection: psycopg.Connection,
    institution: Institution,
    feed_id: str,
    source: Source,
    progress: Callable[[int], None] = lambda lines: None,
) -> Batch | None:
    """Read a landed file into `raw`, reconcile it, and say so in `ops.batch`; None when that was done before.

    A file that is not as agreed, does not reconcile or has too large a share in quarantine becomes a refused batch:
    recorded with its reason and its quarantined lines, counted nowhere.
    """
    feed = institution.feeds[feed_id]
    terms = feed.terms(source.name, institution.financial_year_start)
    with connection.transaction():
        batch_id = _open_batch(connection, institution.id, feed_id, feed, source.file_id, terms)
        if batch_id is None:
            return None
        reason, note = None, None
        try:
            if terms.period is None or terms.layout is None:
                raise Held(terms.problem or "the contract says nothing of it")
            with connection.transaction(), _collector_paused():  # what a held file had already copied is rolled back
                reading = read(source.data, feed, terms.layout, terms.period)
                _copy(connection, batch_id, feed, reading, progress)
            reason = _reconcile(connection, batch_id, feed, terms, reading, source.control)
        except Held as held:
            reason, note = str(held), held.note
        batch = _close_batch(connection, batch_id, source.name, reason, note)
        if reason:
            return batch
        if feed.definition.is_register:
            _forget_replaced(connection, institution.id, feed_id, feed, batch_id)
            return batch
        return replace(batch, difference=difference.compare(connection, batch_id, feed.kind, feed.definition))


def _open_batch(
    connection: psycopg.Connection, institution_id: str, feed_id: str, feed: Feed, file_id: int, terms: Terms
) -> int | None:
    # Two loads of one file meet at the unique key: the second waits for the first, then finds its work done.
    row = connection.execute(
        """
        insert into ops.batch (file_id, institution_id, feed_id, kind, layout_digest, status, vat_basis,
            period_label, period_first, period_last)
        values (%s, %s, %s, %s, %s, 'loading', %s, %s, %s, %s)
        on conflict (file_id, layout_digest) do nothing returning batch_id
        """,
        [
            *(file_id, institution_id, feed_id, feed.kind, terms.digest),
            (terms.layout and terms.layout.vat) or feed.vat,
            *((terms.period.label, terms.period.first, terms.period.last) if terms.period else (None, None, None)),
        ],
    ).fetchone()
    return row[0] if row else None


def _copy(
    connection: psycopg.Connection, batch_id: int, feed: Feed, reading: Reading, progress: Callable[[int], None]
) -> None:
    """Stream the parts of a file into `raw.<kind>` and `raw.quarantine`; one part is copied while the next is read."""
    said = 0
    with ThreadPoolExecutor(max_workers=1) as copier:
        copied: Future[None] | None = None
        for part in reading.parts:
            if copied:
                copied.result()
            copied = copier.submit(_copy_part, connection, batch_id, feed, part)
            if reading.lines >= said + PROGRESS_LINES:
                said = reading.lines
                progress(said)
        if copied:
            copied.result()
    connection.execute(
        "update ops.batch set encoding = %s, lines_read = %s, amount_read = %s where batch_id = %s",
        [reading.encoding, reading.lines, reading.amount, batch_id],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.finding values (%s, %s, %s, %s, %s, %s, %s)",
            [(batch_id, *astuple(finding)) for finding in reading.findings],
        )


def _copy_part(connection: psycopg.Connection, batch_id: int, feed: Feed, part: Part) -> None:
    _copy_columns(connection, feed.kind, {"batch_id": [batch_id] * len(part.good["line_no"]), **part.good})
    bad: dict[str, list[Any]] = {
        "batch_id": [batch_id] * len(part.bad),
        "line_no": [one.line_no for one in part.bad],
        "sheet": [one.sheet for one in part.bad],
        "source_row": [one.source_row for one in part.bad],
        "amount": [one.amount for one in part.bad],
        "problems": [_json(one.problems) for one in part.bad],
        "cells": [_json(one.cells) for one in part.bad],
    }
    _copy_columns(connection, "quarantine", bad)


def _copy_columns(connection: psycopg.Connection, table: str, columns: dict[str, list[Any]]) -> None:
    rows = "\n".join(map("\t".join, zip(*map(_copy_texts, columns.values()), strict=True)))
    if not rows:
        return
    statement = sql.SQL("copy {} ({}) from stdin (format text, null '')").format(
        sql.Identifier("raw", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(rows)


def _copy_texts(column: list[Any]) -> list[str]:
    """A column as COPY's text format writes it: empty for None, which no other value is."""
    texts = ["" if value is None else str(value) for value in column]
    whole = "".join(texts)
    if any(special in whole for special in _ESCAPES):
        return [text.translate(_ESCAPED) for text in texts]
    return texts


def _forget_replaced(
    connection: psycopg.Connection, institution_id: str, feed_id: str, feed: Feed, batch_id: int
) -> None:
    """Take out the lines of a register's older versions: millions each, and the files they came from are kept.

    The newest version is that of the latest period, whenever it was loaded: an old file that turns up replaces nothing.
    """
    connection.execute(
        sql.SQL(
            """
            delete from {} where batch_id in (
                select batch_id from ops.batch where institution_id = %s and feed_id = %s and batch_id <= %s
                order by (status = 'loaded') desc, period_last desc, batch_id desc offset 1
            )
            """
        ).format(sql.Identifier("raw", feed.kind)),
        [institution_id, feed_id, batch_id],
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No cyclic collection meanwhile: a load makes no cycles, and walking all that Airflow and pandas loaded, again and
    again, is a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _json(value: Sequence[object]) -> str:
    return json.dumps(
        [_storable(asdict(one) if isinstance(one, Problem) else one) for one in value], ensure_ascii=False
    )


def _storable(value: object) -> object:
    """PostgreSQL's jsonb has no NUL; its symbol says that one stood there."""
    if isinstance(value, dict):
        return {key: _storable(one) for key, one in value.items()}
    return value.replace("\x00", "␀") if isinstance(value, str) else value


def _reconcile(
    connection: psycopg.Connection,
    batch_id: int,
    feed: Feed,
    terms: Terms,
    reading: Reading,
    sidecar: BinaryIO | None,
) -> str | None:
    """Count the batch again in the database and compare with what was read and with every control total.

    Returns the reason to refuse it, or None.
    """
    kind: Kind = feed.definition
    pounds = sql.Identifier(kind.amount) if kind.amount else sql.Literal(0)
    counted = connection.execute(
        sql.SQL(
            """
            update ops.batch set lines_loaded = good.lines, amount_loaded = good.amount,
                lines_quarantined = bad.lines, amount_quarantined = bad.amount
            from (select count(*) as lines, coalesce(sum({amount}), 0) as amount from {table}
                    where batch_id = %(batch_id)s) as good,
                (select count(*) as lines, coalesce(sum(amount), 0) as amount from raw.quarantine
                    where batch_id = %(batch_id)s) as bad
            where batch_id = %(batch_id)s
            returning good.lines + bad.lines, good.amount + bad.amount, bad.lines
            """
        ).format(
            amount=pounds,
            table=sql.Identifier("raw", feed.kind),
        ),
        {"batch_id": batch_id},
    ).fetchone()
    assert counted
    lines, amount, bad = counted
    if (lines, amount) != (reading.lines, reading.amount):
        return (
            f"does not reconcile: {reading.lines:,} lines and £{reading.amount:,} were read, "
            f"{lines:,} lines and £{amount:,} are in the database; report this as a fault of the reader"
        )
    if reason := control.over_limit(feed, lines, bad):
        return f"{reason}; ops.quarantine lists them with batch_id = {batch_id}"
    for total in control.stated(feed, terms, reading, sidecar):
        connection.execute(
            "update ops.batch set control_amount = %s, control_lines = %s where batch_id = %s",
            [total.amount, total.lines, batch_id],
        )
        if reason := total.differs(lines, amount):
            return reason
    return None


def _close_batch(
    connection: psycopg.Connection, batch_id: int, name: str, reason: str | None, note: str | None
) -> Batch:
    row = connection.execute(
        """
        update ops.batch set status = %s, reason = %s, change_note = %s, finished_at = clock_timestamp()
        where batch_id = %s
        returning lines_read, lines_quarantined, amount_read
        """,
        ["refused" if reason else "loaded", reason, note, batch_id],
    ).fetchone()
    assert row
    return Batch(batch_id, name, "refused" if reason else "loaded", reason, *row)
