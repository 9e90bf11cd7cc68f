"""The supplier records of the institutions' own books: whoever is named as paid, under contract or invited."""

import hashlib

import pandas as pd
import psycopg
from psycopg import sql

from anchorspend import settings
from anchorspend.kinds import KINDS, Kind
from anchorspend.resolve.profiles import IDENTIFIERS, RECORD

_KEY = ("supplier_ref", "supplier_name", "supplier_postcode")


def collect(connection: psycopg.Connection) -> None:
    """Keep the supplier records of every loaded batch that was not collected yet, in `raw.supplier_record`.

    A batch counts in a release from then on: one that is loaded while a release is made waits for the next. The cost
    follows the new batches.
    """
    connection.execute("lock table reference.resolved_batch in exclusive mode")
    waiting = connection.execute(
        """
        select kind, array_agg(batch_id) from ops.batch
        where status = 'loaded' and not exists (
            select from reference.resolved_batch as done where done.batch_id = batch.batch_id)
        group by kind
        """
    ).fetchall()
    for kind_id, batches in waiting:
        kind = KINDS[kind_id]
        if "supplier_name" in kind.fields and not kind.is_register:
            connection.execute(_collection(kind_id, kind), [batches])
        connection.execute(
            "insert into reference.resolved_batch select unnest(%s::bigint[])",
            [batches],
        )
    if waiting:
        connection.execute("analyze raw.supplier_record")


def _collection(kind_id: str, kind: Kind) -> sql.Composed:
    """The statement that collects a kind's records. Where nobody is named, pounds were still paid to somebody; in a
    register of the institution's own, nobody is meant."""
    has = {field: sql.Identifier(field) if field in kind.fields else sql.SQL("null") for field in (*_KEY, *IDENTIFIERS)}
    return sql.SQL(
        """
        insert into raw.supplier_record as known
        select distinct on (supplier_record_id)
            supplier_record_id, institution_id, supplier_ref, supplier_name, raw.clean_postcode(supplier_postcode),
            {newest}, batch_id
        from (
            select raw.supplier_record_id(institution_id, {ref}::text, {name}, {postcode}::text) as supplier_record_id,
                institution_id, {ref}::text as supplier_ref, {name} as supplier_name,
                {postcode}::text as supplier_postcode, {numbers}, line.batch_id, line_no
            from {table} as line inner join ops.batch using (batch_id)
            where line.batch_id = any(%s) and {condition}
        ) as seen
        window of_record as (partition by supplier_record_id)
        order by supplier_record_id, batch_id, line_no
        on conflict (supplier_record_id) do update set {updates}
        where ({mine}) is distinct from ({theirs})
        """
    ).format(
        ref=has["supplier_ref"],
        name=has["supplier_name"],
        postcode=has["supplier_postcode"],
        numbers=sql.SQL(", ").join(
            sql.SQL("nullif({}::text, '') as {}").format(has[one], sql.Identifier(one)) for one in IDENTIFIERS
        ),
        newest=sql.SQL(", ").join(sql.SQL("max({}) over of_record").format(sql.Identifier(one)) for one in IDENTIFIERS),
        table=sql.Identifier("raw", kind_id),
        condition=sql.SQL("true" if kind.amount == "amount" else "supplier_name <> ''"),
        updates=sql.SQL(", ").join(
            sql.SQL("{0} = coalesce(excluded.{0}, known.{0})").format(sql.Identifier(one)) for one in IDENTIFIERS
        ),
        mine=sql.SQL(", ").join(sql.SQL("known.{}").format(sql.Identifier(one)) for one in IDENTIFIERS),
        theirs=sql.SQL(", ").join(
            sql.SQL("coalesce(excluded.{0}, known.{0})").format(sql.Identifier(one)) for one in IDENTIFIERS
        ),
    )


def read_records(connection: psycopg.Connection) -> pd.DataFrame:
    """The supplier records, oldest first: columns of `RECORD`, `is_private` and `record_digest`.

    Postcodes that the loaded list does not know are None.
    """
    parts = [f"record.{name}::text" for name in RECORD]
    listed = connection.execute("select exists (select from reference.postcode)").fetchone()
    if listed and listed[0]:
        parts[RECORD.index("supplier_postcode")] = (
            "(select postcode from reference.postcode where postcode = record.supplier_postcode)"
        )
    rows = connection.execute(
        f"""
        select {", ".join(parts)}, coalesce(record.supplier_name ~* any(%s), false)
        from raw.supplier_record as record order by record.batch_id, record.supplier_record_id
        """.encode(),  # noqa: S608
        [_private_patterns()],
    ).fetchall()
    records = pd.DataFrame(rows, columns=[*RECORD, "is_private"]).astype({"is_private": bool})
    records[list(RECORD)] = records[list(RECORD)].astype(object).where(records[list(RECORD)].notna(), None)
    written = ("\x1f".join(row) for row in records[list(RECORD)].fillna("").itertuples(index=False))
    records["record_digest"] = [hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in written]
    return records


def _private_patterns() -> list[str]:
    """The patterns of private persons, which are PostgreSQL's; the release's models judge by the same file."""
    path = settings.dbt_project() / "seeds" / "individual_pattern.csv"
    return pd.read_csv(path).pattern.tolist()
