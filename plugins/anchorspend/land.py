"""Land: a feed's new files are fetched, hashed, kept and registered. Nobody looks inside.

The landing store is content-addressed: a file lies under its SHA-256 and is never changed. `landing.file` holds one row
per version of each file name, so the same bytes again are nothing new and a file put right is a new version.
"""

import glob
import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import fsspec
import psycopg

from anchorspend import settings
from anchorspend.contract import Feed, Institution, SidecarTotal
from anchorspend.errors import UserError

_BLOCK = 1 << 20
SAMPLE_MARK = "SAMPLE"


@dataclass(frozen=True)
class Found:
    """A file at its source, with the control-total file beside it where the contract names one."""

    name: str
    url: str
    size: int
    modified_at: datetime
    control_url: str | None = None
    control_modified_at: datetime | None = None


@dataclass(frozen=True)
class Landed:
    """A registered version of a file."""

    file_id: int
    name: str
    sha256: str
    control_sha256: str | None
    is_new: bool


def discover(institution: Institution, feed_id: str) -> list[Found]:
    """The files at a feed's source, oldest first (by modification time, then name); none where the folder is absent."""
    feed = institution.feeds[feed_id]
    filesystem, folder = _source(feed)
    listed = filesystem.glob(f"{glob.escape(folder)}/{feed.source.files}", detail=True)
    beside = {str(path): _modified(filesystem, path, info) for path, info in _files(filesystem, folder, listed)}
    found = [
        Found(
            name=PurePosixPath(path).name,
            url=filesystem.unstrip_protocol(path),
            size=int(info["size"]),
            modified_at=_modified(filesystem, path, info),
            **_control(filesystem, feed, path, beside),
        )
        for path, info in listed.items()
        if info["type"] == "file"
    ]
    controls = {one.control_url for one in found}
    return sorted((one for one in found if one.url not in controls), key=lambda one: (one.modified_at, one.name))


def unlanded(connection: psycopg.Connection, institution: Institution, feed_id: str) -> list[Found]:
    """The discovered files whose name, size or time differs from the version registered last."""
    known = connection.execute(
        """
        select distinct on (name) name, size_bytes, modified_at, control_modified_at
        from landing.file where institution_id = %s and feed_id = %s order by name, file_id desc
        """,
        [institution.id, feed_id],
    ).fetchall()
    seen = set(known)
    return [
        one
        for one in discover(institution, feed_id)
        if (one.name, one.size, one.modified_at, one.control_modified_at) not in seen
    ]


def land(connection: psycopg.Connection, institution_id: str, feed_id: str, found: Found) -> Landed:
    """Keep a file's bytes and register them. The same bytes under the same name change nothing."""
    sha256, size = _keep(found.url)
    control_sha256 = _keep(found.control_url)[0] if found.control_url else None
    with connection.transaction():
        connection.execute(
            "select pg_advisory_xact_lock(hashtext('anchorspend.land'), hashtext(%s))", [f"{institution_id}/{feed_id}"]
        )
        latest = connection.execute(
            """
            select file_id, sha256, control_sha256 from landing.file
            where institution_id = %s and feed_id = %s and name = %s order by file_id desc limit 1
            """,
            [institution_id, feed_id, found.name],
        ).fetchone()
        if latest and latest[1:] == (sha256, control_sha256):
            connection.execute(
                "update landing.file set modified_at = %s, control_modified_at = %s where file_id = %s",
                [found.modified_at, found.control_modified_at, latest[0]],
            )
            return Landed(latest[0], found.name, sha256, control_sha256, is_new=False)
        row = connection.execute(
            """
            insert into landing.file
            (institution_id, feed_id, name, sha256, size_bytes, control_name, control_sha256, source, modified_at,
                control_modified_at, is_sample)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning file_id
            """,
            [
                *(institution_id, feed_id, found.name, sha256, size),
                *(found.control_url and PurePosixPath(found.control_url).name, control_sha256, found.url),
                *(found.modified_at, found.control_modified_at, _is_sample(found.url)),
            ],
        ).fetchone()
    assert row
    return Landed(row[0], found.name, sha256, control_sha256, is_new=True)


def found_at(path: Path, feed: Feed) -> Found:
    """A file named by a person rather than found at the feed's source. Raises `UserError` when it cannot be read."""
    path = path.absolute()
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    control = None
    if isinstance(feed.control_total, SidecarTotal):
        beside = path.with_name(feed.control_total.sidecar.format(stem=path.stem))
        control = beside if beside.is_file() else None
    return Found(
        path.name,
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


def _source(feed: Feed) -> tuple[Any, str]:
    folder = feed.source.folder
    if "://" not in folder:
        folder = str(settings.inbox() / folder)
    filesystem, path = fsspec.core.url_to_fs(folder)
    return filesystem, path.rstrip("/")


def _modified(filesystem: Any, path: str, info: dict[str, Any]) -> datetime:
    stamp = info.get("mtime") or info.get("LastModified") or filesystem.modified(path)
    return stamp.astimezone(UTC) if isinstance(stamp, datetime) else datetime.fromtimestamp(float(stamp), UTC)


def _files(filesystem: Any, folder: str, listed: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    return filesystem.find(folder, detail=True).items() if listed else ()


def _control(filesystem: Any, feed: Feed, path: str, beside: dict[str, datetime]) -> dict[str, Any]:
    """The control-total file beside a data file, as the last fields of `Found`."""
    if not isinstance(feed.control_total, SidecarTotal):
        return {}
    data = PurePosixPath(path)
    control = str(data.with_name(feed.control_total.sidecar.format(stem=data.stem)))
    if control not in beside:
        return {}
    return {"control_url": filesystem.unstrip_protocol(control), "control_modified_at": beside[control]}


def _is_sample(url: str) -> bool:
    """Whether a file comes from an inbox that the sample county's generator marked as made up."""
    inbox = settings.inbox().absolute()
    return (inbox / SAMPLE_MARK).exists() and url.startswith(f"file://{inbox}/")


def _store() -> tuple[Any, str]:
    filesystem, root = fsspec.core.url_to_fs(settings.landing())
    return filesystem, root.rstrip("/")


def _address(root: str, sha256: str) -> str:
    return f"{root}/{sha256[:2]}/{sha256}"


def _keep(url: str) -> tuple[str, int]:
    """Copy a file into the store under its hash, unless it is there; the hash and the size."""
    filesystem, root = _store()
    digest, size = hashlib.sha256(), 0
    with TemporaryDirectory(prefix="landing-", dir=_scratch()) as folder:
        copy = Path(folder) / "copy"
        # Not fsspec.open, which takes `*` and `[` in a name for a pattern.
        origin, path = fsspec.core.url_to_fs(url)
        with origin.open(path, "rb") as source, copy.open("wb") as target:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                target.write(block)
        address = _address(root, digest.hexdigest())
        if not filesystem.exists(address):
            filesystem.makedirs(str(PurePosixPath(address).parent), exist_ok=True)
            # Whole or not at all: a store with atomic uploads needs one step, a folder a rename.
            partial = f"{address}.{uuid.uuid4().hex}.partial"
            filesystem.put_file(str(copy), partial)
            filesystem.mv(partial, address)
    return digest.hexdigest(), size


def _scratch() -> Path:
    folder = settings.state() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
