"""Publish: one transaction names the audited candidate `release_NNNN` and points every view of `marts` at it.

Readers see the old release or the new, never a mixture. Earlier releases keep their schemas.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from anchorspend import settings, warehouse
from anchorspend.audit import CANDIDATE
from anchorspend.errors import UserError

_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Made:
    """A mart that publishing itself makes, from what the stages before it noted in schema `ops`.

    `columns`: type and description by name; `question` and `sql` are as in the YAML of the other marts; `rows` selects
    its rows, of the release whose schema is `release`.
    """

    name: str
    description: str
    key: Sequence[str]
    columns: Mapping[str, tuple[str, str]]
    question: str
    sql: str
    rows: str


HISTORY = Made(
    "release",
    "One row per published release.",
    ["release_id"],
    {
        "release_id": ("integer", "number of the release; the greatest is the one that readers see"),
        "published_at": ("timestamptz", "when it was published"),
        "schema_name": ("text", "schema in which its tables stay"),
        "is_sample": ("boolean", "whether made-up data of the sample county are in it"),
        "batches": ("bigint", "files that count"),
        "lines": ("bigint", "spend lines that count"),
        "amount": ("numeric", "pounds of those"),
        "signed_by": (
            "text",
            "who signed it, in the order they did, separated by semicolons; empty when nobody has",
        ),
        "signed_at": ("timestamptz", "when the last of them signed"),
    },
    "Which release do readers see, and is it made of sample data?",
    "select release_id, published_at, is_sample, lines, amount from release order by release_id desc limit 1",
    """
    select release.release_id, release.closed_at, release.schema_name, release.is_sample, release.batches,
        release.lines, release.amount, string_agg(signature.signed_by, '; ' order by signature.signed_at),
        max(signature.signed_at)
    from ops.release left join ops.release_signature as signature on release.release_id = signature.release_id
    where release.status = 'published' group by release.release_id order by release.release_id
    """,
)

CHECKS = Made(
    "audit_check",
    "One row per check that the release went through before it was published.",
    ["check_no"],
    {
        "check_no": ("integer", "its place among the checks"),
        "suite": ("text", "published table that it looks at"),
        "description": ("text", "what is so when all is well"),
        "severity": ("text", "critical (a release that fails it is not published), warning or info"),
        "owner": ("text", "role that acts on a failure"),
        "passed": ("boolean", "whether it was so"),
        "observed": ("numeric", "rows of which it was not so, or the rows it counted; empty where it broke"),
    },
    "Which checks has the release not passed, and who acts?",
    "select passed, severity, owner, count(*) as checks from audit_check group by passed, severity, owner"
    " order by passed, severity, owner",
    # What a check that broke was told by the database may quote a line.
    """
    select check_no, suite, description, severity, owner, passed,
        case when observed ~ '^[0-9]+([.][0-9]+)?$' then observed::numeric end
    from ops.audit inner join ops.release using (release_id)
    where schema_name = %(release)s order by check_no
    """,
)

MADE = (HISTORY, CHECKS)


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


def schema_of(release_id: int) -> str:
    """The schema in which a published release's tables stay; its review pages bear the name too."""
    return f"release_{release_id:04}"


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
    release = schema_of(release_id)
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


def sign(release_id: int, by: str, note: str | None = None) -> None:
    """Record that somebody stands behind a published release, and show it in `marts.release`; a signature stays.

    Raises `UserError` when the release is not published, the name is empty, or the same name signed it before.
    """
    signer = _named(by)
    with warehouse.connect() as connection:
        _refuse_unpublished(connection, release_id)
        made = connection.execute(
            """
            insert into ops.release_signature (release_id, signed_by, note) values (%s, %s, %s)
            on conflict do nothing returning release_id
            """,
            [release_id, signer, note],
        ).fetchone()
        if not made:
            raise UserError(f"{signer} has signed release {release_id} already")
        _lock_marts(connection)
        _write(connection, HISTORY, schema_of(release_id))


def roll_back(release_id: int, by: str, reason: str) -> list[int]:
    """Show readers an earlier published release again, and withdraw every later one; the ids of those.

    A withdrawn release keeps its tables, its audit and its signatures. The greatest published release stays the one
    that readers see, so the next release is made when its inputs differ from those of the one rolled back to.
    Raises `UserError` when the release is not published, is the one readers see, or its tables are gone.
    """
    who, why = _named(by), reason.strip()
    if not why:
        raise UserError("say why: --reason")
    with warehouse.connect() as connection:
        _refuse_unpublished(connection, release_id)
        schema = schema_of(release_id)
        if not connection.execute(
            "select 1 from pg_class where relnamespace = to_regnamespace(%s) and relname = 'kpi_scorecard'", [schema]
        ).fetchone():
            raise UserError(f"the tables of release {release_id} are gone (schema {schema}); name another release")
        withdrawn = connection.execute(
            """
            update ops.release
            set status = 'withdrawn', withdrawn_at = clock_timestamp(), withdrawn_by = %s, reason = %s
            where status = 'published' and release_id > %s returning release_id
            """,
            [who, why, release_id],
        ).fetchall()
        if not withdrawn:
            raise UserError(f"release {release_id} is the one that readers see; name an earlier one")
        _lock_marts(connection)
        _point_marts(connection, schema)
    return sorted(row[0] for row in withdrawn)


def _named(by: str) -> str:
    if not by.strip():
        raise UserError("say who: --by")
    return by.strip()


def _refuse_unpublished(connection: psycopg.Connection, release_id: int) -> None:
    """Raise `UserError` unless a release is published; releases stay as they are until the transaction ends."""
    connection.execute("lock table ops.release in exclusive mode")
    known: dict[int, str] = dict(
        connection.execute("select release_id, status from ops.release order by release_id").fetchall()
    )
    if known.get(release_id) != "published":
        published = [str(one) for one, status in known.items() if status == "published"]
        raise UserError(
            f"release {release_id} is {known.get(release_id, 'unknown')}, not published; "
            f"published: {', '.join(published) or 'none yet'}"
        )


def _point_marts(connection: psycopg.Connection, release: str) -> None:
    """Make `marts` exactly the tables of a release, and those that publishing makes."""
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
    for made in MADE:
        _write(connection, made, release)
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

    `lock table` would lock the tables that a view stands on as well, and wait for whoever vacuums those; setting the
    owner that a view has locks the view alone.
    """
    views = _marts(connection)
    alone = [sql.SQL("alter view {} owner to current_user").format(view) for view in views]
    statement = sql.SQL("; ").join([sql.SQL("set local lock_timeout = '10ms'"), *alone, sql.SQL("reset lock_timeout")])
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


def _write(connection: psycopg.Connection, made: Made, release: str) -> None:
    """A mart of `MADE`, as literals: a reader who waited for the switch sees rows as they were before it, and a view on
    schema `ops` would show him the new figures beside the old history.
    """
    rows = [
        sql.SQL("({})").format(
            sql.SQL(", ").join(
                sql.SQL("{}::{}").format(sql.Literal(cell), sql.SQL(kind))
                for cell, (kind, _) in zip(row, made.columns.values(), strict=True)
            )
        )
        for row in connection.execute(made.rows.encode(), {"release": release}).fetchall()
    ]
    view = sql.Identifier("marts", made.name)
    connection.execute(
        sql.SQL("create or replace view {} ({}) as values {}").format(
            view, sql.SQL(", ").join(map(sql.Identifier, made.columns)), sql.SQL(", ").join(rows)
        )
    )
    told = [(sql.SQL("view {}").format(view), made.description)]
    told += [
        (sql.SQL("column {}").format(sql.Identifier("marts", made.name, name)), meaning)
        for name, (_, meaning) in made.columns.items()
    ]
    for of, meaning in told:
        connection.execute(sql.SQL("comment on {} is {}").format(of, sql.Literal(meaning)))


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
