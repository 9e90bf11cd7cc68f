"""Folders: of this machine, of an object store, or of an SFTP server."""

import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec

from anchorspend import settings
from anchorspend.contract import Folder
from anchorspend.errors import UserError
from anchorspend.fetch.base import Fetched, FetchFailed, Found, Limits, Seen
from anchorspend.fetch.credentials import Credentials

_BLOCK = 1 << 20


class FolderOrigin:
    """The files of a folder, oldest first (by modification time, then name); none where the folder is absent.

    A file is called by its path below the folder: `2020-21/april.csv` and `2021-22/april.csv` are two files.
    `sidecar` names the control-total file beside a data file; {stem} is the data file's name without its ending.
    """

    def __init__(self, source: Folder, credentials: Credentials | None, sidecar: str | None, limits: Limits) -> None:
        folder = source.folder if "://" in source.folder else str(settings.inbox() / source.folder)
        self._place, self._files, self._sidecar = folder, source.files, sidecar
        self._connection = source.connection
        self._problems = _problems(folder)
        with self._plainly():
            self._filesystem, path = _opened(folder, credentials, limits)
        self._folder = path.rstrip("/")
        # fsspec's own URL of an SFTP path leaves the host out.
        self._prefix = f"sftp://{urlsplit(folder).netloc}" if folder.startswith("sftp://") else None

    def discover(self) -> list[Found]:
        filesystem = self._filesystem
        with self._plainly():
            try:
                # A glob takes a folder it may not read, and a server gone away, for a folder without files.
                filesystem.ls(self._folder or "/", detail=False)
            except FileNotFoundError:
                return []
            listed = filesystem.glob(f"{glob.escape(self._folder)}/{self._files}", detail=True)
            everything = filesystem.find(self._folder, detail=True) if listed and self._sidecar else {}
            beside = {str(path): _modified(filesystem, path, info) for path, info in everything.items()}
            found = [
                Found(
                    str(PurePosixPath(path).relative_to(self._folder)),
                    self._url(path),
                    int(info["size"]),
                    _modified(filesystem, path, info),
                    self._url(control) if control else None,
                    beside[control] if control else None,
                )
                for path, info in listed.items()
                if info["type"] == "file"
                for control in [self._control(path, beside)]
            ]
        controls = {one.control_url for one in found}
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(
            (one for one in found if one.url not in controls), key=lambda one: (one.modified_at or oldest, one.name)
        )

    def fetch(self, found: Found, seen: Seen | None, scratch: Path) -> Fetched:  # noqa: ARG002  # as any origin
        with self._plainly(found.url):
            path = self._copied(found.url, scratch / "file")
            control = self._copied(found.control_url, scratch / "control") if found.control_url else None
        return Fetched(found.name, path, found.modified_at or datetime.now(UTC), control)

    def close(self) -> None:
        if self._prefix:
            self._filesystem.client.close()

    def _url(self, path: str) -> str:
        return f"{self._prefix}{path}" if self._prefix else str(self._filesystem.unstrip_protocol(path))

    def _copied(self, url: str, target: Path) -> Path:
        path = url.removeprefix(self._prefix) if self._prefix else self._filesystem._strip_protocol(url)
        return _copied(self._filesystem, path, target)

    def _control(self, path: str, beside: dict[str, datetime]) -> str | None:
        """The control-total file beside a data file, where there is one."""
        if self._sidecar is None:
            return None
        data = PurePosixPath(path)
        control = str(data.with_name(self._sidecar.format(stem=data.stem)))
        return control if control in beside else None

    @contextmanager
    def _plainly(self, place: str | None = None) -> Iterator[None]:
        """What goes wrong at a server, in words that name the place, else the folder, and hold no credentials."""
        place = place or self._place
        try:
            yield
        except PermissionError:
            login = f"the login of connection {self._connection!r}" if self._connection else "reading without a login"
            raise UserError(f"{place}: refuses {login}; check it, and its right to list and read") from None
        except self._problems as problem:
            raise FetchFailed(f"{place}: could not be read: {type(problem).__name__}: {problem}") from None


class LocalFiles:
    """Files that a person named: nothing is discovered, each is copied from this machine."""

    def discover(self) -> list[Found]:
        return []

    def fetch(self, found: Found, seen: Seen | None, scratch: Path) -> Fetched:  # noqa: ARG002  # as any origin
        local = fsspec.filesystem("file")
        path = _copied(local, local._strip_protocol(found.url), scratch / "file")
        beside = found.control_url
        control = _copied(local, local._strip_protocol(beside), scratch / "control") if beside else None
        return Fetched(found.name, path, found.modified_at or datetime.now(UTC), control)

    def close(self) -> None:
        pass


def _problems(folder: str) -> tuple[type[Exception], ...]:
    """What reading a folder may raise when its server is not as it should be.

    The clients are imported late: they take a second, and a folder of this machine needs none.
    """
    if folder.startswith("s3://"):
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

        return (OSError, BotoCoreError)
    if folder.startswith("sftp://"):
        from anchorspend.fetch.sftp import PROBLEMS

        return PROBLEMS
    return (OSError,)


def _opened(folder: str, credentials: Credentials | None, limits: Limits) -> tuple[Any, str]:
    """The file system of a folder's URL, and the folder's path in it."""
    scheme = folder.partition("://")[0] if "://" in folder else "file"
    if scheme == "s3":
        filesystem = fsspec.filesystem("s3", **_s3_options(credentials, limits))
        return filesystem, filesystem._strip_protocol(folder)
    if scheme == "sftp" and credentials:
        from anchorspend.fetch.sftp import Sftp

        parts = urlsplit(folder)
        port = parts.port or credentials.port or 22
        return Sftp(parts.hostname or "", port, credentials, limits), unquote(parts.path)
    filesystem, path = fsspec.core.url_to_fs(folder)
    return filesystem, path


def _s3_options(credentials: Credentials | None, limits: Limits) -> dict[str, Any]:
    fresh = {
        # Kept instances and listings would show a long-lived process yesterday's files.
        "skip_instance_cache": True,
        "use_listings_cache": False,
        "config_kwargs": {
            "connect_timeout": limits.connect,
            "read_timeout": limits.read,
            "retries": {"max_attempts": limits.attempts - 1},
        },
    }
    if credentials is None:
        return {**fresh, "anon": True}
    extra = credentials.extra
    key = credentials.login or extra.get("aws_access_key_id")
    secret = credentials.password or extra.get("aws_secret_access_key")
    if not (key and secret):
        raise UserError(f"connection {credentials.id!r} has no login (access key id) and password (secret access key)")
    client = {name: extra[name] for name in ("endpoint_url", "region_name") if extra.get(name)}
    if "endpoint_url" in client:
        # A store of one's own seldom has a name for each bucket.
        fresh["config_kwargs"]["s3"] = {"addressing_style": "path"}  # type: ignore[index]
    return {**fresh, "key": key, "secret": secret, "token": extra.get("aws_session_token"), "client_kwargs": client}


def _modified(filesystem: Any, path: str, info: dict[str, Any]) -> datetime:
    stamp = info.get("mtime") or info.get("LastModified") or filesystem.modified(path)
    return stamp.astimezone(UTC) if isinstance(stamp, datetime) else datetime.fromtimestamp(float(stamp), UTC)


def _copied(filesystem: Any, path: str, target: Path) -> Path:
    # Not fsspec.open, which takes `*` and `[` in a name for a pattern.
    with filesystem.open(path, "rb") as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, _BLOCK)
    return target
