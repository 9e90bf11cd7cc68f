"""Publish: one transaction names the audited candidate `release_NNNN` and points every view of `marts` at it.

Readers see the old release or the new, never a mixture. Earlier releases keep their schemas.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from anchorspend import settings, warehouse
from anchorspend.audit import CANDIDATE
from anchorspend.errors import UserError

_PATIENCE_SECONDS = 60

HISTORY = "One row per published release."
HISTORY_COLUMNS = {
    "release_id": ("integer", "number of the release; the greatest is the one that readers see"),
    "published_at": ("timestamptz", "when it was published"),
    "schema_name": ("text", "schema in which its tables stay"),
    "is_sample": ("boolean", "whether made-up data of the sample county are in it"),
    "batches": ("bigint", "files that count"),
    "lines": ("bigint", "spend lines that count"),
    "amount": ("numeric", "pounds of those"),
}
"""The mart that publishing itself makes: its columns' types and descriptions."""


@dataclass(frozen=True)
class Published:
    """A release as readers see it."""

    release_id: int
    schema_name: str
    batches: int
    lines: int
    is_sample: bool


def seconds_since_last_change(connection: psycopg.Connection) -> float:
    """How long no file has landed and no batch was loaded; infinite when nothing ever was."""
    row = connection.execute(
        """
        select extract(epoch from clock_timestamp() - greatest(
            (select max(started_at) from ops.batch), (select max(finished_at) from ops.batch),
            (select max(landed_at) from landing.file)))
        """
    ).fetchone()
    return float(row[0]) if row and row[0] is not None else float("inf")


def is_current(connection: psycopg.Connection) -> bool:
    """Whether the published release was made from the batches, registers, institutions and dbt project of now."""
    published = connection.execute(
        "select inputs_digest from ops.release where status = 'published' order by release_id desc limit 1"
    ).fetchone()
    return published is not None and published[0] == _inputs(connection)


def open_release() -> int | None:
    """Begin a release, with an empty `candidate`; its id, or None when nothing changed since the published one.

    What counts as a change: the batches that count, a register's version, the facts of an institution and
    its feeds, a decision about suppliers, the dbt project.
    A release left unfinished is closed as failed. Raises `UserError` when no batch is loaded at all.
    """
    with warehouse.connect() as connection:
        connection.execute("lock table ops.release in exclusive mode")
        if not connection.execute("select 1 from ops.batch where status = 'loaded' limit 1").fetchone():
            raise UserError("nothing is loaded yet; run an ingest DAG or `anchorspend ingest`")
        if is_current(connection):
            return None
        connection.execute(
            """
            update ops.release set status = 'failed', reason = 'left unfinished', closed_at = clock_timestamp()
            where status = 'building'
            """
        )
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(CANDIDATE)))
        row = connection.execute(
            "insert into ops.release (status, inputs_digest) values ('building', %s) returning release_id",
            [_inputs(connection)],
        ).fetchone()
        assert row
        return int(row[0])


def fail(release_id: int, reason: str) -> None:
    """Close a release that did not pass; the one published before it stays."""
    with warehouse.connect() as connection:
        connection.execute(
            """
            update ops.release set status = 'failed', reason = %s, closed_at = clock_timestamp()
            where release_id = %s and status = 'building'
            """,
            [reason, release_id],
        )


def publish(release_id: int) -> Published:
    """Switch readers to the candidate. Raises `UserError` unless it was audited and nothing critical failed."""
    release = f"release_{release_id:04}"
    with warehouse.connect() as connection:
        _refuse_unaudited(connection, release_id)
        _lock_marts(connection)
        connection.execute(
            sql.SQL("alter schema {} rename to {}").format(sql.Identifier(CANDIDATE), sql.Identifier(release))
        )
        row = connection.execute(
            sql.SQL(
                """
                update ops.release set status = 'published', reason = null, closed_at = clock_timestamp(),
                    schema_name = %(schema)s, batches = counted.batches, is_sample = counted.is_sample,
                    lines = spent.lines, amount = spent.amount
                from (select count(*) as batches, bool_or(is_sample) as is_sample from {schema}.dim_batch) as counted,
                    (select sum(line_count) as lines, sum(amount) as amount from {schema}.spend_basis where is_counted)
                    as spent
                where release_id = %(release_id)s
                returning counted.batches, spent.lines, counted.is_sample
                """
            ).format(schema=sql.Identifier(release)),
            {"schema": release, "release_id": release_id},
        ).fetchone()
        assert row
        connection.execute(
            sql.SQL("insert into ops.release_batch select %s, batch_id from {}").format(
                sql.Identifier(release, "dim_batch")
            ),
            [release_id],
        )
        _point_marts(connection, release)
    return Published(release_id, release, *row)


def _point_marts(connection: psycopg.Connection, release: str) -> None:
    """Make `marts` exactly the tables of a release, and the history of releases."""
    for view in _marts(connection):
        connection.execute(sql.SQL("drop view {}").format(view))
    tables = connection.execute(
        "select table_name from information_schema.tables where table_schema = %s order by table_name", [release]
    ).fetchall()
    for (name,) in tables:
        connection.execute(
            sql.SQL("create view {} as select * from {}").format(
                sql.Identifier("marts", name), sql.Identifier(release, name)
            )
        )
    _describe(connection, release)
    _write_history(connection)
    connection.execute(
        sql.SQL(
            """
            create or replace view ops.published_scorecard as
            select kpi_id, institution_id, financial_year, definition_id, value from {}
            """
        ).format(sql.Identifier(release, "kpi_scorecard"))
    )
    connection.execute(
        sql.SQL("grant select on all tables in schema marts to {}").format(sql.Identifier(warehouse.READER))
    )


def _describe(connection: psycopg.Connection, release: str) -> None:
    """Give the views of `marts` the comments of the release's tables and columns: a view has none of its own, and BI
    tools show them beside each name."""
    (comments,) = connection.execute(
        """
        select string_agg(format(
            case when objsubid = 0 then 'comment on view marts.%%1$I is %%3$L'
            else 'comment on column marts.%%1$I.%%2$I is %%3$L' end, relname, attname, description), ';')
        from pg_description
        inner join pg_class on objoid = pg_class.oid and classoid = 'pg_class'::regclass
        left join pg_attribute on attrelid = objoid and attnum = objsubid
        where relnamespace = %s::regnamespace and relkind in ('r', 'v')
        """,
        [release],
    ).fetchone()  # type: ignore[misc]  # an aggregate has one row
    if comments:
        connection.execute(comments.encode())


def _marts(connection: psycopg.Connection) -> list[sql.Identifier]:
    names = connection.execute("select viewname from pg_views where schemaname = 'marts' order by viewname").fetchall()
    return [sql.Identifier("marts", name) for (name,) in names]


def _lock_marts(connection: psycopg.Connection) -> None:
    """Keep readers out of every mart at one stroke, or of none: taken one by one, the locks of this switch and of a
    reader's query over two marts could wait for each other. Raises `UserError` when a reader holds on for too long.
    """
    views = _marts(connection)
    if not views:
        return
    statement = sql.SQL("lock table {} in access exclusive mode nowait").format(sql.SQL(", ").join(views))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with connection.transaction():
                connection.execute(statement)
            return
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise UserError(
                    f"readers have kept a mart busy for {_PATIENCE_SECONDS} s; end the long query "
                    "(pg_stat_activity names it) and make the release again"
                ) from None
            time.sleep(0.01)


def _write_history(connection: psycopg.Connection) -> None:
    """`marts.release`, as literals: a reader who waited for the switch sees rows as they were before it, and a view on
    `ops.release` would show him the new figures beside the old history.
    """
    history = connection.execute(
        """
        select release_id, closed_at, schema_name, is_sample, batches, lines, amount
        from ops.release where status = 'published' order by release_id
        """
    ).fetchall()
    rows = [
        sql.SQL("({})").format(
            sql.SQL(", ").join(
                sql.SQL("{}::{}").format(sql.Literal(cell), sql.SQL(kind))
                for cell, (kind, _) in zip(row, HISTORY_COLUMNS.values(), strict=True)
            )
        )
        for row in history
    ]
    connection.execute(
        sql.SQL(
            """
            create view marts.release ({}) as values {}
            """
        ).format(sql.SQL(", ").join(map(sql.Identifier, HISTORY_COLUMNS)), sql.SQL(", ").join(rows))
    )
    told = [("view marts.release", HISTORY)]
    told += [(f"column marts.release.{name}", meaning) for name, (_, meaning) in HISTORY_COLUMNS.items()]
    for of, meaning in told:
        connection.execute(sql.SQL("comment on {} is {}").format(sql.SQL(of), sql.Literal(meaning)))


def _refuse_unaudited(connection: psycopg.Connection, release_id: int) -> None:
    status, checks, failed = connection.execute(
        """
        select (select status from ops.release where release_id = %(id)s for update),
            (select count(*) from ops.audit where release_id = %(id)s),
            (select count(*) from ops.audit where release_id = %(id)s and severity = 'critical' and not passed)
        """,
        {"id": release_id},
    ).fetchone()  # type: ignore[misc]  # a select without from has one row
    if status != "building":
        raise UserError(f"release {release_id} is {status or 'unknown'}, not being built; open a new one")
    if not checks or failed:
        raise UserError(f"release {release_id} is not audited or failed its audit; see ops.audit")


def _inputs(connection: psycopg.Connection) -> str:
    """A digest of everything a release is made from."""
    digest = hashlib.sha256()
    for query in (
        """
        select distinct on (institution_id, feed_id, period_label) batch_id from ops.batch where status = 'loaded'
        order by institution_id, feed_id, period_label, batch_id desc
        """,
        "select register_id, version from reference.register order by register_id",
        "select * from ops.institution order by institution_id",
        "select * from ops.feed order by institution_id, feed_id",
        "select decision_id, undone_at from ops.supplier_decision order by decision_id",
    ):
        digest.update(repr(connection.execute(query.encode()).fetchall()).encode())
    for path in sorted(sources(settings.dbt_project())):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(project: Path) -> list[Path]:
    """The files of the dbt project that a release is built by."""
    folders = ("models", "seeds", "macros", "tests")
    return [
        path for folder in folders for path in (project / folder).rglob("*") if path.suffix in {".sql", ".yml", ".csv"}
    ]
