"""HTTP as the outside world needs it: bounded, patient with what can heal, and never led into a private network."""

import gzip
import ipaddress
import re
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError

from anchorspend.errors import UserError
from anchorspend.fetch.base import FetchFailed, Limits, Seen
from anchorspend.fetch.credentials import Credentials

_BLOCK = 1 << 18
_MOST_REDIRECTS = 5
_PATIENCE = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_CAN_HEAL = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Answer:
    """What a server said: 200 with its bytes in the file, 304 for nothing new, 404 or 410 for nothing there."""

    status: int
    headers: Mapping[str, str]


class Client:
    """Downloads from the addresses of one contract. Credentials go to the host of `home` alone.

    Every address a host name stands for is looked up and checked in the connection itself, and the socket is opened to
    what was checked, so a name cannot answer differently in between. Proxies and `.netrc` of the environment are not
    used.
    """

    def __init__(
        self, home: str, credentials: Credentials | None, *, allow_private: bool, max_mb: int, limits: Limits
    ) -> None:
        self._home, self._credentials, self._limits = home, credentials, limits
        self.max_bytes = max_mb * 1_000_000
        self._failed = 0  # downloads in a row
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = HTTPAdapter() if allow_private else _GuardedAdapter()
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def deadline(self) -> float:
        """When a download that begins now must be done, on the monotonic clock."""
        return time.monotonic() + self._limits.total

    def download(
        self,
        url: str,
        into: Path,
        seen: Seen | None = None,
        *,
        place: str | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Bring what an address holds into a file, trying again on what can heal. Messages say `place`, or the url.

        A download that broke off goes on where it stopped when the server marks its versions and serves parts, else it
        starts again. Raises `UserError` for what a person must put right, `FetchFailed` when nothing healed in time.
        """
        place, deadline = place or url, deadline or self.deadline()
        part = _Part(into)
        # A server that is away is not waited for anew at each of a hundred addresses.
        attempts = self._limits.attempts if self._failed < _PATIENCE else 1
        for attempt in range(1, attempts + 1):
            try:
                answer = self._attempt(url, place, part, seen, deadline)
            except _Broken as problem:
                wait = problem.wait if problem.wait is not None else self._limits.first_wait * 2 ** (attempt - 1)
                told = f"{place}: {problem}"
                if attempt == attempts:
                    told += f"; tried {attempt} times" if attempt > 1 else ""
                elif wait > self._limits.longest_wait or time.monotonic() + wait > deadline:
                    told += f"; try again in {wait:.0f} seconds"
                else:
                    time.sleep(wait)
                    continue
                self._failed += 1
                raise FetchFailed(told) from None
            self._failed = 0
            return answer
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, url: str, place: str, part: "_Part", seen: Seen | None, deadline: float) -> Answer:
        asked = {"User-Agent": "Anchorspend", "Accept-Encoding": "identity"}
        if part.mark and part.size:
            asked |= {"Range": f"bytes={part.size}-", "If-Range": part.mark}
        elif seen:
            asked |= {"If-None-Match": seen.etag} if seen.etag else {}
            asked |= {"If-Modified-Since": seen.last_modified} if seen.last_modified else {}
        with self._plainly(place), self._followed(url, place, asked, deadline) as response:
            status = response.status_code
            if status in {200, 206}:
                self._receive(place, response, part, deadline)
                return Answer(200, response.headers)
            if status in {404, 410} or (status == 304 and "Range" not in asked and seen):
                return Answer(status, response.headers)
            said = f"the server answers {_phrase(status)}"
            if status == 416:
                part.forget()
                raise _Broken(f"{said} to a request for the rest of the file", 0)
            if status in _CAN_HEAL:
                raise _Broken(said, _retry_after(response.headers.get("Retry-After")))
            if status in {401, 403}:
                raise UserError(f"{place}: {said}; {self._remedy()}")
            raise UserError(f"{place}: {said}; check the address")

    def _remedy(self) -> str:
        if self._credentials:
            return f"check the credentials of connection {self._credentials.id!r} and what they may read"
        return "name the Airflow connection with the credentials under `connection`"

    @contextmanager
    def _followed(self, url: str, place: str, asked: dict[str, str], deadline: float) -> Iterator[requests.Response]:
        """The answer at the end of an address's redirects."""
        here = url
        for _ in range(_MOST_REDIRECTS + 1):
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._too_long(place)
            with self._session.get(
                here,
                headers={**asked, **self._headers(here)},
                auth=self._auth(here),
                timeout=(min(self._limits.connect, left), min(self._limits.read, left)),
                stream=True,
                allow_redirects=False,
            ) as response:
                target = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or not target:
                    yield response
                    return
            here = urljoin(here, target)
            parts = urlsplit(here)
            if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
                raise UserError(f"{place}: leads to an address that is none of the web; check the address")
            if urlsplit(url).scheme == "https" and parts.scheme == "http":
                raise UserError(f"{place}: leads from https to http at {parts.hostname}; ask the institution")
        raise UserError(f"{place}: leads from address to address more than {_MOST_REDIRECTS} times; check the address")

    def _is_home(self, url: str) -> bool:
        return _origin(url) == _origin(self._home)

    def _headers(self, url: str) -> dict[str, str]:
        """The headers of the connection's extra, at the contract's own host."""
        given = self._credentials.extra.get("headers") if self._credentials and self._is_home(url) else None
        return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}

    def _auth(self, url: str) -> HTTPBasicAuth | None:
        known = self._credentials
        if not known or not known.login or not self._is_home(url):
            return None
        # As bytes, for requests can write text only where it is Latin-1.
        return HTTPBasicAuth(known.login.encode(), (known.password or "").encode())

    def _receive(self, place: str, response: requests.Response, part: "_Part", deadline: float) -> None:
        """Write an answer's body behind what is there, and see that it is whole."""
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        total = _whole(response.headers.get("Content-Length"))
        if response.status_code == 206:
            begins, total = _content_range(response.headers.get("Content-Range", ""))
            if begins is None or begins != part.size or encoding != "identity":
                part.forget()
                raise _Broken("the server sends another part than was asked for", 0)
            length = _whole(response.headers.get("Content-Length"))
            total = begins + length if total is None and length is not None else total
        else:
            part.forget()
        if total is not None:
            self._check_size(place, total)
        if encoding == "identity" and response.headers.get("Accept-Ranges", "").lower() != "none":
            etag = response.headers.get("ETag", "")
            # A weak mark stands for files that mean the same and differ in bytes.
            part.mark = response.headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag
        with part.path.open("ab") as file:
            # One read of the socket at a time: a server that drips would keep a longer read beyond every limit.
            while block := response.raw.read1(_BLOCK, decode_content=False):
                file.write(block)
                self._check_size(place, file.tell())
                if time.monotonic() > deadline:
                    raise self._too_long(place)
        if total is not None and part.size != total:
            raise _Broken(f"{part.size} of {total} bytes came")
        if encoding == "gzip":
            self._unpack(place, part.path)
        elif encoding != "identity":
            raise UserError(f"{place}: came packed as {encoding[:20]!r}, which was not asked for; ask the institution")

    def _unpack(self, place: str, path: Path) -> None:
        packed = path.rename(path.with_suffix(".packed"))
        try:
            with gzip.open(packed) as source, path.open("wb") as file:
                while block := source.read(_BLOCK):
                    file.write(block)
                    self._check_size(place, file.tell())
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise _Broken("what came cannot be unpacked") from None
        finally:
            packed.unlink()

    def _check_size(self, place: str, size: int) -> None:
        if size > self.max_bytes:
            raise UserError(
                f"{place}: is larger than {self.max_bytes // 1_000_000} MB; raise `max_mb` if it is meant to be"
            )

    def _too_long(self, place: str) -> FetchFailed:
        return FetchFailed(f"{place}: was not here after {self._limits.total:g} seconds")

    @contextmanager
    def _plainly(self, place: str) -> Iterator[None]:
        """What goes wrong on the way, in our own words: those of the libraries hold addresses with their secrets."""
        try:
            yield
        except requests.exceptions.SSLError:
            raise UserError(f"{place}: the server's certificate is not trusted; ask the institution") from None
        except (requests.Timeout, ReadTimeoutError):
            raise _Broken(f"no answer within {self._limits.read:g} seconds") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, HTTPError) as problem:
            raise _Broken(_words(problem)) from None
        except (requests.RequestException, ValueError) as problem:
            raise UserError(
                f"{place}: cannot be asked for ({type(problem).__name__}); check the address"
                + (f" and the headers of connection {self._credentials.id!r}" if self._credentials else "")
            ) from None


class _Broken(Exception):
    """An attempt that may go better the next time; `wait` in seconds where the server says when."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class _Part:
    """What has come of a file, and the server's mark of its version where the rest may be asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark: str | None = None
        self.forget()

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def forget(self) -> None:
        self.mark = None
        self.path.write_bytes(b"")


def refuse_private(host: str, address: str) -> None:
    """Raise `UserError` unless an address is one of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if not ip.is_global or ip.is_multicast or (mapped and not mapped.is_global):
        raise UserError(
            f"{host} is {address}, an address of a private network; if the institution's files are meant to come from "
            "there, write `allow_private: true`"
        )


class _Guarded:
    """A connection that looks its host up, checks every address found, and opens its socket to one of those."""

    def _new_conn(self: Any) -> socket.socket:
        host = self._dns_host
        try:
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as problem:
            raise NameResolutionError(self.host, self, socket.gaierror(str(problem))) from problem
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        for address in addresses:
            refuse_private(self.host, address)
        last: HTTPError = NewConnectionError(self, "no address")
        for address in addresses:
            # The name comes back for TLS, which checks the certificate against it.
            self._dns_host = address
            try:
                return super()._new_conn()  # type: ignore[misc,no-any-return]
            except HTTPError as refused:
                last = refused
            finally:
                self._dns_host = host
        raise last


class _GuardedHttp(_Guarded, HTTPConnection):
    pass


class _GuardedHttps(_Guarded, HTTPSConnection):
    pass


class _GuardedHttpPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHttp


class _GuardedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHttps


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _GuardedHttpPool, "https": _GuardedHttpsPool}


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def _phrase(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _words(problem: BaseException) -> str:
    """What broke a connection, told from the chain of libraries' exceptions."""
    told = repr(problem)
    if "NameResolution" in told:
        return "its host name is not known"
    return "the server cannot be reached" if "NewConnection" in told else "the connection broke off"


def _retry_after(value: str | None) -> float | None:
    """The seconds a server asks us to wait, from a number or a date; None where it says nothing to go by."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() else None


def _content_range(value: str) -> tuple[int | None, int | None]:
    """First byte and whole size of a part."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", value.strip())
    return (int(found[1]), _whole(found[2])) if found else (None, None)
