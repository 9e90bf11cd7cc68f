"""Web: files at addresses, asked for only when their server has another version than the one landed."""

from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path

from anchorspend.contract import Web, Window
from anchorspend.contract.source import file_name, plain_name
from anchorspend.errors import UserError
from anchorspend.fetch.base import Fetched, Found, Seen
from anchorspend.fetch.http import Answer, Client


class WebOrigin:
    """The files of a feed at their addresses: those listed, or one for each window."""

    def __init__(self, source: Web, client: Client, windows: list[Window]) -> None:
        self._source, self._client = source, client
        self._urls = source.urls or [window.fill(source.url or "") for window in windows]
        self._named: dict[str, str] = {}

    def discover(self) -> list[Found]:
        """Every address, without asking it: only fetching tells what is there and new."""
        return [Found(file_name(url), url) for url in self._urls]

    def fetch(self, found: Found, seen: Seen | None, scratch: Path) -> Fetched | None:
        path = scratch / "file"
        answer = self._client.download(found.url, path, seen)
        if answer.status in {404, 410}:
            if self._source.url:
                return None  # the period is not published yet
            raise UserError(f"{found.url}: there is no file at this address any more; put the new one under `urls`")
        name = seen.name if seen and answer.status == 304 else _name(found, answer)
        if self._named.setdefault(name, found.url) != found.url:
            raise UserError(
                f"{found.url}: its file is called {name!r}, as is that of {self._named[name]}; two files of a feed "
                "must differ in name: take one address out, or make two feeds of them"
            )
        if answer.status == 304:
            return None
        _refuse_page(found.url, answer, path)
        headers = answer.headers
        marks = Seen(name, headers.get("ETag"), headers.get("Last-Modified"))
        return Fetched(name, path, _moment(marks.last_modified), seen=marks)

    def close(self) -> None:
        self._client.close()


def _name(found: Found, answer: Answer) -> str:
    """What the server calls the file, else what its address in the contract ends in."""
    header = Message()
    # Names beyond ASCII are often sent as they are, in UTF-8, and http.client reads every header as Latin-1.
    given = answer.headers.get("Content-Disposition", "").encode("latin-1", "replace").decode("utf-8", "replace")
    header["Content-Disposition"] = "".join(letter for letter in given if letter.isprintable())
    name = plain_name(header.get_filename() or "") or found.name
    if not name:
        raise UserError(f"{found.url}: ends in no file name and the server gives none; name the file's own address")
    return name


def _refuse_page(url: str, answer: Answer, path: Path) -> None:
    """Raise `UserError` for a page meant for people: a login, or "not found" in the guise of an answer."""
    with path.open("rb") as file:
        begins = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = answer.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html") and begins.startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{url}: a web page came instead of a file; put the address of the file itself")


def _moment(value: str | None) -> datetime:
    """The time in a Last-Modified header, else now."""
    try:
        return parsedate_to_datetime(value or "").astimezone(UTC)
    except (ValueError, TypeError):
        return datetime.now(UTC)
