"""Ingest: land, read and load, put together for one feed. What the ingest DAGs and `anchorspend ingest` both run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from anchorspend import land, warehouse
from anchorspend.contract import Institution

if TYPE_CHECKING:
    from anchorspend.load import Batch


def waiting(connection: psycopg.Connection, institution: Institution) -> list[str]:
    """The feeds with a file that is not landed, or landed and not loaded."""
    return [
        feed_id
        for feed_id in institution.feeds
        if land.unlanded(connection, institution, feed_id) or _unloaded(connection, institution, feed_id)
    ]


def land_feed(institution: Institution, feed_id: str) -> Iterator[land.Landed]:
    """Land every new file of a feed, one after the other."""
    with warehouse.connect(autocommit=True) as connection:
        for found in land.unlanded(connection, institution, feed_id):
            yield land.land(connection, institution.id, feed_id, found)


def load_feed(
    institution: Institution, feed_id: str, progress: Callable[[str, int], None] = lambda file, lines: None
) -> "Iterator[Batch]":
    """Load every landed file of a feed that is not loaded yet, one batch each, oldest first."""
    with warehouse.connect(autocommit=True) as connection:
        for file_id, _ in _unloaded(connection, institution, feed_id):
            batch = _load_file(connection, institution, feed_id, file_id, progress)
            if batch:
                yield batch


def ingest_file(
    institution: Institution,
    feed_id: str,
    path: Path,
    progress: Callable[[str, int], None] = lambda file, lines: None,
) -> "tuple[land.Landed, Batch | None]":
    """Land and load one file a person names; the batch is None when these bytes were loaded before."""
    found = land.found_at(path, institution.feeds[feed_id])
    with warehouse.connect(autocommit=True) as connection:
        landed = land.land(connection, institution.id, feed_id, found)
        return landed, _load_file(connection, institution, feed_id, landed.file_id, progress)


def refused(connection: psycopg.Connection, institution: Institution) -> list[str]:
    """Each file whose newest version stands refused under the layout in force, with the reason."""
    return [
        f"{feed_id}: {name}: {reason}"
        for feed_id in institution.feeds
        for name, reason in connection.execute(
            """
            select name, reason
            from (select distinct on (name) name, file_id from landing.file
                where institution_id = %s and feed_id = %s order by name, file_id desc) as newest
            inner join lateral (select status, reason from ops.batch
                where batch.file_id = newest.file_id order by batch_id desc limit 1) as latest on true
            where status = 'refused' order by name
            """,
            [institution.id, feed_id],
        )
    ]


def _unloaded(connection: psycopg.Connection, institution: Institution, feed_id: str) -> list[tuple[int, str]]:
    """Landed files (id, name) whose newest version has no batch under the layout in force, oldest first."""
    rows = connection.execute(
        """
        select distinct on (name) file_id, name,
            array(select layout_digest from ops.batch where batch.file_id = file.file_id)
        from landing.file where institution_id = %s and feed_id = %s order by name, file_id desc
        """,
        [institution.id, feed_id],
    ).fetchall()
    feed, year_start = institution.feeds[feed_id], institution.financial_year_start
    return sorted((file_id, name) for file_id, name, done in rows if feed.terms(name, year_start).digest not in done)


def _load_file(
    connection: psycopg.Connection,
    institution: Institution,
    feed_id: str,
    file_id: int,
    progress: Callable[[str, int], None],
) -> "Batch | None":
    # Imported late: pandas takes a second, and discovering or landing files needs none of it.
    from anchorspend import load

    name, sha256, control = connection.execute(
        "select name, sha256, control_sha256 from landing.file where file_id = %s", [file_id]
    ).fetchone()  # type: ignore[misc]  # the caller has the id from this table
    with ExitStack() as files:
        source = load.Source(
            file_id,
            name,
            files.enter_context(land.open_landed(sha256)),
            files.enter_context(land.open_landed(control)) if control else None,
        )
        return load.load(connection, institution, feed_id, source, lambda lines: progress(name, lines))
