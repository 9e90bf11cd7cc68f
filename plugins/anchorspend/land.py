"""Land: a feed's new files are fetched, hashed, kept and registered. Nobody looks inside.

The landing store is content-addressed: a file lies under its SHA-256 and is never changed. `landing.file` holds one row
per version of each file name, so the same bytes again are nothing new and a file put right is a new version.
"""

import hashlib
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import fsspec
import psycopg

from anchorspend import settings
from anchorspend.contract import Feed, SidecarTotal
from anchorspend.errors import UserError
from anchorspend.fetch import Found, LocalFiles, Origin, Seen

SAMPLE_MARK = "SAMPLE"


@dataclass(frozen=True)
class Landed:
    """A registered version of a file."""

    file_id: int
    name: str
    sha256: str
    control_sha256: str | None
    is_new: bool


def unlanded(connection: psycopg.Connection, institution_id: str, feed_id: str, origin: Origin) -> list[Found]:
    """The files at a feed's source whose name, size or time differs from the version registered last.

    Where only fetching can tell, every file that is not settled.
    """
    known = connection.execute(
        """
        select distinct on (name) name, size_bytes, modified_at, control_modified_at
        from landing.file where institution_id = %s and feed_id = %s order by name, file_id desc
        """,
        [institution_id, feed_id],
    ).fetchall()
    seen = set(known)
    asked_at = {name: modified_at for name, _, modified_at, _ in known}
    return [
        one
        for one in origin.discover()
        if (one.name, one.size, one.modified_at, one.control_modified_at) not in seen
        and not (one.settled_at and one.name in asked_at and asked_at[one.name] >= one.settled_at)
    ]


def land(
    connection: psycopg.Connection, institution_id: str, feed_id: str, found: Found, origin: Origin | None = None
) -> Landed | None:
    """Fetch a file, keep its bytes and register them; from this machine where no origin is given.

    None when the source has nothing new there. The same bytes under the same name change nothing.
    """
    seen = _seen(connection, institution_id, feed_id, found.url)
    with TemporaryDirectory(prefix="landing-", dir=_scratch()) as scratch:
        fetched = (origin or LocalFiles()).fetch(found, seen, Path(scratch))
        if fetched is None:
            return None
        sha256, size = _keep(fetched.path)
        control_sha256 = _keep(fetched.control)[0] if fetched.control else None
    with connection.transaction():
        connection.execute(
            "select pg_advisory_xact_lock(hashtext('anchorspend.land'), hashtext(%s))", [f"{institution_id}/{feed_id}"]
        )
        if fetched.seen:
            connection.execute(
                """
                insert into landing.address (institution_id, feed_id, url, name, etag, last_modified)
                values (%s, %s, %s, %s, %s, %s)
                on conflict (institution_id, feed_id, url) do update set
                    name = excluded.name, etag = excluded.etag, last_modified = excluded.last_modified
                """,
                [institution_id, feed_id, found.url, fetched.name, fetched.seen.etag, fetched.seen.last_modified],
            )
        latest = connection.execute(
            """
            select file_id, sha256, control_sha256 from landing.file
            where institution_id = %s and feed_id = %s and name = %s order by file_id desc limit 1
            """,
            [institution_id, feed_id, fetched.name],
        ).fetchone()
        if latest and latest[1:] == (sha256, control_sha256):
            connection.execute(
                "update landing.file set modified_at = %s, control_modified_at = %s where file_id = %s",
                [fetched.modified_at, found.control_modified_at, latest[0]],
            )
            return Landed(latest[0], fetched.name, sha256, control_sha256, is_new=False)
        row = connection.execute(
            """
            insert into landing.file
            (institution_id, feed_id, name, sha256, size_bytes, control_name, control_sha256, source, modified_at,
                control_modified_at, is_sample)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning file_id
            """,
            [
                *(institution_id, feed_id, fetched.name, sha256, size),
                *(found.control_url and PurePosixPath(found.control_url).name, control_sha256, found.url),
                *(fetched.modified_at, found.control_modified_at, _is_sample(found.url)),
            ],
        ).fetchone()
    assert row
    return Landed(row[0], fetched.name, sha256, control_sha256, is_new=True)


def _seen(connection: psycopg.Connection, institution_id: str, feed_id: str, url: str) -> Seen | None:
    """What an address gave last, as long as that is registered."""
    row = connection.execute(
        """
        select name, etag, last_modified from landing.address
        where institution_id = %s and feed_id = %s and url = %s and exists (
            select from landing.file
            where file.institution_id = address.institution_id and file.feed_id = address.feed_id
                and file.name = address.name
        )
        """,
        [institution_id, feed_id, url],
    ).fetchone()
    return Seen(*row) if row else None


def found_at(path: Path, feed: Feed) -> Found:
    """A file named by a person rather than found at the feed's source. Raises `UserError` when it cannot be read.

    It is called by its name, or with so many of its folders as the feed's pattern of periods asks for.
    """
    path = path.absolute()
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    control = None
    if isinstance(feed.control_total, SidecarTotal):
        beside = path.with_name(feed.control_total.sidecar.format(stem=path.stem))
        control = beside if beside.is_file() else None
    names = ["/".join(path.parts[-count:]) for count in range(1, len(path.parts))]
    return Found(
        next((name for name in names if re.search(feed.period, name, re.IGNORECASE)), path.name),
        f"file://{path}",
        path.stat().st_size,
        _changed(path),
        f"file://{control}" if control else None,
        _changed(control) if control else None,
    )


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def open_landed(sha256: str) -> Iterator[BinaryIO]:
    """The kept bytes of a hash. Raises `UserError` when the store has lost them."""
    filesystem, root = _store()
    path = _address(root, sha256)
    try:
        with filesystem.open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(
            f"the landing store has no {path}, though it was registered; restore it from a backup"
        ) from None


def _is_sample(url: str) -> bool:
    """Whether a file comes from an inbox that the sample county's generator marked as made up."""
    inbox = settings.inbox().absolute()
    return (inbox / SAMPLE_MARK).exists() and url.startswith(f"file://{inbox}/")


def _store() -> tuple[Any, str]:
    filesystem, root = fsspec.core.url_to_fs(settings.landing())
    return filesystem, root.rstrip("/")


def _address(root: str, sha256: str) -> str:
    return f"{root}/{sha256[:2]}/{sha256}"


def _keep(copy: Path) -> tuple[str, int]:
    """Put a scratch file into the store under its hash, unless it is there; the hash and the size."""
    filesystem, root = _store()
    with copy.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    address = _address(root, sha256)
    if not filesystem.exists(address):
        filesystem.makedirs(str(PurePosixPath(address).parent), exist_ok=True)
        # Whole or not at all: a store with atomic uploads needs one step, a folder a rename.
        partial = f"{address}.{uuid.uuid4().hex}.partial"
        filesystem.put_file(str(copy), partial)
        filesystem.mv(partial, address)
    return sha256, size


def _scratch() -> Path:
    folder = settings.state() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
