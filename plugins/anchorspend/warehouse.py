"""The warehouse: its address, its connections, its roles and its own tables.

Two roles: the owner builds everything, `bi_reader` reads the schema `marts` and nothing else.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from anchorspend import settings
from anchorspend.contract import Institution
from anchorspend.errors import UserError
from anchorspend.kinds import KINDS

READER = "bi_reader"


def url() -> str:
    """The owner's URL: `ANCHORSPEND_WAREHOUSE_URL`, else that of the embedded server."""
    return os.environ.get("ANCHORSPEND_WAREHOUSE_URL") or embedded("owner_url")


def reader_url() -> str:
    """The URL of `bi_reader` on the same server."""
    if not os.environ.get("ANCHORSPEND_WAREHOUSE_URL"):
        return embedded("reader_url")
    parts = urlsplit(url())
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{READER}:{quote(given_reader_password(), safe='')}@{host}").geturl()


def given_reader_password() -> str:
    """The password `bi_reader` has, or shall have, on a server of one's own."""
    password = os.environ.get("ANCHORSPEND_BI_READER_PASSWORD")
    if not password:
        raise UserError("set ANCHORSPEND_BI_READER_PASSWORD, the password of bi_reader, and run `anchorspend setup`")
    return password


def embedded(name: str) -> str:
    """One of the addresses of the embedded server: `owner_url`, `reader_url` or `airflow_url`."""
    path = settings.state() / "postgres" / "addresses.json"
    try:
        addresses: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            "no database: `make up` starts the embedded one; ANCHORSPEND_WAREHOUSE_URL names a server of yours"
        ) from None
    return addresses[name]


def connect(address: str | None = None, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection as the owner, or to the given URL. Raises `UserError` when no server answers there."""
    address = address or url()
    try:
        return psycopg.connect(address, autocommit=autocommit, connect_timeout=10, application_name="anchorspend")
    except psycopg.OperationalError as problem:
        parts = urlsplit(address)
        raise UserError(
            f"no connection to the database at {parts.hostname}:{parts.port or 5432}{parts.path}: "
            f"{str(problem).strip().splitlines()[-1]}. Is it running? `make up` starts the embedded one."
        ) from None


def dbt_environment() -> dict[str, str]:
    """The owner's URL in the parts that `dbt_project/profiles.yml` reads."""
    parts = urlsplit(url())
    return {
        "ANCHORSPEND_DB_HOST": parts.hostname or "127.0.0.1",
        "ANCHORSPEND_DB_PORT": str(parts.port or 5432),
        "ANCHORSPEND_DB_USER": unquote(parts.username or ""),
        "DBT_ENV_SECRET_ANCHORSPEND_DB_PASSWORD": unquote(parts.password or ""),
        "ANCHORSPEND_DB_NAME": unquote(parts.path.lstrip("/")),
    }


def is_set_up() -> bool:
    """Whether the warehouse has its own tables."""
    with connect() as connection:
        row = connection.execute("select to_regclass('ops.release') is not null").fetchone()
        return bool(row and row[0])


def set_up(reader_password: str) -> None:
    """Create or bring up to date every schema, table and role outside dbt. Safe to run again.

    The URL's role must own the database and may need CREATEROLE, to make `bi_reader`.
    """
    with connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('anchorspend.set_up'))")
        # A plain string without parameters, so that the file's statements run as one script.
        connection.execute(files("anchorspend").joinpath("schema.sql").read_bytes())
        for name, kind in KINDS.items():
            columns = [
                sql.SQL("{} {}").format(sql.Identifier(f), sql.SQL(d.type.value)) for f, d in kind.fields.items()
            ]
            table = sql.Identifier("raw", name)
            connection.execute(
                sql.SQL(
                    # No foreign key: it would be checked line by line, and a load writes batch and lines together.
                    "create table if not exists {} (batch_id bigint not null,"
                    " line_no integer not null, sheet text, source_row integer not null, {})"
                ).format(table, sql.SQL(", ").join(columns))
            )
            # A field that a later version of a kind brings: lines from before then have none.
            connection.execute(
                sql.SQL("alter table {} {}").format(
                    table, sql.SQL(", ").join(sql.SQL("add column if not exists {}").format(one) for one in columns)
                )
            )
            # Lines arrive batch by batch, so a block-range index finds a batch at a thousandth of a tree's size.
            connection.execute(
                sql.SQL("create index if not exists {} on {} using brin (batch_id)").format(
                    sql.Identifier(f"{name}_by_batch"), table
                )
            )
            if kind.is_register:  # a county's suppliers are one in hundreds of what a register holds
                connection.execute(
                    sql.SQL("create index if not exists {} on {} ({})").format(
                        sql.Identifier(f"{name}_by_identity"), table, sql.Identifier(kind.identity)
                    )
                )
        _grant_reader(connection, reader_password)
        connection.execute(sql.SQL("comment on schema ops is {}").format(sql.Literal(_version())))


def is_up_to_date(connection: psycopg.Connection) -> bool:
    """Whether the tables outside dbt were set up by this version of what makes them."""
    row = connection.execute("select obj_description(to_regnamespace('ops'), 'pg_namespace')").fetchone()
    return row is not None and row[0] == _version()


def _version() -> str:
    """What the schema `ops` says of itself: a digest of what the tables outside dbt are made from."""
    fields = {name: {f: d.type.value for f, d in kind.fields.items()} for name, kind in KINDS.items()}
    made_from = files("anchorspend").joinpath("schema.sql").read_bytes() + repr(fields).encode()
    return f"what was done: batches, releases, audits; set up by {hashlib.sha256(made_from).hexdigest()[:16]}"


def _grant_reader(connection: psycopg.Connection, password: str) -> None:
    reader = sql.Identifier(READER)
    found = connection.execute("select 1 from pg_roles where rolname = %s", [READER]).fetchone()
    verb = sql.SQL("create role" if found is None else "alter role")
    connection.execute(sql.SQL("{} {} login password {}").format(verb, reader, sql.Literal(password)))
    connection.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(reader))
    database = sql.Identifier(connection.info.dbname)
    for statement in (
        "revoke all on database {database} from public",
        "grant connect on database {database} to {reader}",
        "revoke all on schema public from public",
        "grant usage on schema marts to {reader}",
        "alter role {reader} in database {database} set search_path = marts",
    ):
        connection.execute(sql.SQL(statement).format(database=database, reader=reader))


def register_institutions(connection: psycopg.Connection, institutions: Iterable[Institution]) -> None:
    """Write the institution files' facts to `ops.institution` and `ops.feed`.

    Other institutions keep theirs: `forget_feeds` is for those whose file is gone.
    """
    found = list(institutions)
    connection.execute("lock table ops.institution in exclusive mode")
    connection.execute("delete from ops.feed where institution_id = any(%s)", [[one.id for one in found]])
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.institution values (%s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (institution_id) do update set
                institution_name = excluded.institution_name, institution_type = excluded.institution_type,
                gss_code = excluded.gss_code, financial_year_start = excluded.financial_year_start,
                active_from = excluded.active_from, active_to = excluded.active_to,
                predecessors = excluded.predecessors
            """,
            [
                (i.id, i.name, i.type, i.gss_code, i.financial_year_start, i.active_from, i.active_to, i.predecessors)
                for i in found
            ],
        )
        cursor.executemany(
            """
            insert into ops.feed (institution_id, feed_id, kind, description, vat_basis, publishes_over, position,
                detail_of, due_every, due_days, due_from, due_to)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    *(institution.id, feed_id, feed.kind, feed.description, feed.vat, feed.publishes_over, position),
                    *(
                        feed.detail_of,
                        *((c.every, c.due_days, c.starts, c.ends) if (c := feed.calendar) else (None,) * 4),
                    ),
                )
                for institution in found
                for position, (feed_id, feed) in enumerate(institution.feeds.items(), start=1)
            ],
        )


def forget_feeds(connection: psycopg.Connection, known: Iterable[str]) -> None:
    """Take out the feeds of every institution but the known ones: none of theirs is due. Their spend stays."""
    connection.execute("delete from ops.feed where not institution_id = any(%s)", [list(known)])


def rows(
    connection: psycopg.Connection, query: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()
