"""Ingest: land, read and load, put together for one feed. What the ingest DAGs and `anchorspend ingest` both run."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from anchorspend import fetch, land, warehouse
from anchorspend.contract import Institution
from anchorspend.errors import UserError

if TYPE_CHECKING:
    from anchorspend.load import Batch


def waiting(
    connection: psycopg.Connection, institution: Institution, connections: fetch.Lookup = fetch.from_environment
) -> list[str]:
    """The feeds with a file that is not landed, may be newer than landed, or is landed and not loaded.

    A source that cannot be looked at counts too: landing says why, and the other feeds go on.
    """

    def has_something(feed_id: str) -> bool:
        try:
            with fetch.opened(institution, feed_id, connections) as origin:
                return bool(land.unlanded(connection, institution.id, feed_id, origin))
        except (UserError, fetch.FetchFailed):
            return True

    troubled = {feed_id for feed_id, _ in _troubles(connection, institution)}
    return [
        feed_id
        for feed_id in institution.feeds
        if feed_id in troubled or has_something(feed_id) or _unloaded(connection, institution, feed_id)
    ]


def land_feed(
    institution: Institution,
    feed_id: str,
    connections: fetch.Lookup = fetch.from_environment,
    limits: fetch.Limits = fetch.Limits(),  # noqa: B008  # frozen
) -> Iterator[land.Landed]:
    """Land every new file of a feed, one after the other.

    A file that cannot be fetched stops no other. At the end its problem is kept for `refused` and raised: `FetchFailed`
    when trying again can help with any of them, else `UserError`.
    """
    problems: list[UserError | fetch.FetchFailed] = []
    with warehouse.connect(autocommit=True) as connection:
        try:
            with fetch.opened(institution, feed_id, connections, limits) as origin:
                for found in land.unlanded(connection, institution.id, feed_id, origin):
                    try:
                        landed = land.land(connection, institution.id, feed_id, found, origin)
                    except (UserError, fetch.FetchFailed) as problem:
                        problems.append(problem)
                        continue
                    if landed:
                        yield landed
        except (UserError, fetch.FetchFailed) as problem:
            problems.append(problem)
        told = "\n".join(str(problem) for problem in problems)
        connection.execute(
            """
            insert into landing.look (institution_id, feed_id, problem) values (%s, %s, %s)
            on conflict (institution_id, feed_id) do update set
                problem = excluded.problem, looked_at = clock_timestamp()
            """,
            [institution.id, feed_id, told or None],
        )
    _raise(problems)


def land_feeds(
    institution: Institution, feed_ids: Iterable[str], connections: fetch.Lookup = fetch.from_environment
) -> Iterator[tuple[str, land.Landed]]:
    """Land every new file of several feeds, feed by feed, each with its feed's id.

    A feed that has a problem stops no other. At the end the problems are raised together, as `land_feed` does.
    """
    problems: list[UserError | fetch.FetchFailed] = []
    for feed_id in feed_ids:
        try:
            for landed in land_feed(institution, feed_id, connections):
                yield feed_id, landed
        except (UserError, fetch.FetchFailed) as problem:
            problems.append(type(problem)(f"{feed_id}: {problem}"))
    _raise(problems)


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
        assert landed  # a file on this machine is there
        return landed, _load_file(connection, institution, feed_id, landed.file_id, progress)


def refused(connection: psycopg.Connection, institution: Institution) -> list[str]:
    """Each source that could not be fetched from, and each file whose newest version stands refused under the layout
    in force, with the reason."""
    return [f"{feed_id}: {problem}" for feed_id, problem in _troubles(connection, institution)] + [
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


def _raise(problems: list[UserError | fetch.FetchFailed]) -> None:
    """Raise problems as one: as what trying again can help with where it can help with any of them."""
    told = "\n".join(str(problem) for problem in problems)
    if any(isinstance(problem, fetch.FetchFailed) for problem in problems):
        raise fetch.FetchFailed(told)
    if problems:
        raise UserError(told)


def _troubles(connection: psycopg.Connection, institution: Institution) -> list[tuple[str, str]]:
    """The feeds whose source had a problem when it was looked at last, with the problem."""
    rows = connection.execute(
        """
        select feed_id, problem from landing.look
        where institution_id = %s and feed_id = any(%s) and problem is not null order by feed_id
        """,
        [institution.id, list(institution.feeds)],
    ).fetchall()
    return [(feed_id, problem) for feed_id, problem in rows]


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
