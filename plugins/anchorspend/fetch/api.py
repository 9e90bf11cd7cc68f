"""Paged interfaces: every page of a window, put together as one JSON file whose records stand as they came."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from anchorspend.contract import Api, Window
from anchorspend.errors import UserError
from anchorspend.fetch.base import Fetched, FetchFailed, Found, Seen
from anchorspend.fetch.http import Client

# Numbers stay the text they are: neither money nor a long cursor passes through binary floating point.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)
_SPACE = re.compile(r"[ \t\n\r]*")


class ApiOrigin:
    """One file per window, `{feed}-{first day}-{last day}.json`.

    A window is asked for again until it is due, for records come late; from then on what was landed stands.
    """

    def __init__(self, source: Api, client: Client, feed_id: str, windows: list[Window], due_days: int) -> None:
        self._source, self._client = source, client
        self._found = {
            found.url: found
            for window in windows
            for found in [
                Found(
                    f"{feed_id}-{window.first}-{window.last}.json",
                    _with(window.fill(source.api), {k: window.fill(v) for k, v in source.parameters.items()}),
                    settled_at=datetime.combine(window.last + timedelta(days=due_days + 1), time(), UTC),
                )
            ]
        }

    def discover(self) -> list[Found]:
        """Every window, without asking: only fetching tells what is there and new."""
        return list(self._found.values())

    def fetch(self, found: Found, seen: Seen | None, scratch: Path) -> Fetched | None:
        asked_at = datetime.now(UTC)
        path, count = scratch / "file", 0
        *above, last = self._source.records.split(".") if self._source.records else [""]
        opening = "".join(f"{{{json.dumps(key)}: " for key in (*above, last) if key)
        with path.open("w", encoding="utf-8") as file:
            file.write(f"{opening}[")
            for page in self._pages(found.url, scratch / "page"):
                for record in page:
                    file.write(f"{',' if count else ''}\n{record}")
                    count += 1
            file.write("\n]" + "}" * opening.count("{") + "\n")
        if not count and seen is None:
            return None  # nothing published yet; an empty answer after a full one is news
        return Fetched(found.name, path, asked_at, seen=Seen(found.name, None, None))

    def close(self) -> None:
        self._client.close()

    def _pages(self, url: str, scratch: Path) -> Iterator[list[str]]:
        """The records of each page, from the first to the last."""
        source, deadline, bytes_left = self._source, self._client.deadline(), self._client.max_bytes
        asked: set[str] = set()
        before: list[str] = []
        here = url if source.pages is None else _with(url, {source.pages.parameter: str(source.pages.starts)})
        for number in range(source.max_pages):
            asked.add(here)
            # Addresses and cursors that a server makes up may hold a token: messages count pages.
            place = f"{url}, page {number + 1}"
            answer = self._client.download(here, scratch, place=place, deadline=deadline)
            if answer.status in {404, 410}:
                raise UserError(f"{place}: the server answers {answer.status}; check the address")
            bytes_left -= scratch.stat().st_size
            if bytes_left < 0:
                raise UserError(f"{url}: its pages are larger than `max_mb` together; raise it if they are meant to be")
            answered, records = self._read(place, scratch)
            if source.pages and records and records == before:
                raise UserError(f"{place}: is the page before once more; is {source.pages.parameter!r} the parameter?")
            before = records
            yield records
            following = self._next(url, here, place, number, answered, len(records))
            if following is None:
                return
            if following in asked:
                raise UserError(f"{place}: leads back to one already read; check `cursor`")
            here = following
        raise UserError(f"{url}: has more than {source.max_pages} pages; raise `max_pages` or shorten the calendar")

    def _read(self, place: str, path: Path) -> tuple[Any, list[str]]:
        """A page's answer, and its records as they are written."""
        content = path.read_bytes()
        try:
            text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
            return _DECODER.decode(text), _elements(text, self._source.records)
        except _Misplaced as problem:
            raise UserError(f"{place}: {problem}; check `records`") from None
        except (ValueError, RecursionError):
            raise FetchFailed(f"{place}: what came is no JSON") from None

    def _next(self, url: str, here: str, place: str, number: int, answered: Any, count: int) -> str | None:
        """The address of the page after the one read as `number` (from 0), or None after the last."""
        source = self._source
        if source.cursor:
            cursor = _at(answered, source.cursor.path)
            if cursor in (None, "", False):
                return None
            if not isinstance(cursor, str):
                raise UserError(f"{place}: `{source.cursor.path}` holds no text or number; check `cursor`")
            if source.cursor.parameter:
                return _with(url, {source.cursor.parameter: cursor})
            try:
                following, asked = urlsplit(urljoin(here, cursor)), urlsplit(url)
            except ValueError:
                raise UserError(f"{place}: `{source.cursor.path}` holds no address; check `cursor`") from None
            if following.hostname != asked.hostname:
                raise UserError(f"{place}: the next page is at another host, {following.hostname}; check `cursor`")
            # Servers behind a proxy often write their own scheme and port.
            return following._replace(scheme=asked.scheme, netloc=asked.netloc, fragment="").geturl()
        assert source.pages
        pages = source.pages
        if pages.total:
            total = _at(answered, pages.total)
            if not isinstance(total, str) or not total.isdigit():
                raise UserError(f"{place}: `{pages.total}` holds no number of pages; check `pages.total`")
            if number + 1 >= int(total):
                return None
            if not count:
                raise FetchFailed(f"{place}: is empty, of {total} pages")
        elif count < (pages.size or 1):
            return None
        return _with(url, {pages.parameter: str(pages.starts + number + 1)})


class _Misplaced(Exception):
    """A list of records that is not where it should be."""


def _with(url: str, parameters: dict[str, str]) -> str:
    """An address with query parameters put in, in place of those of the same name."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return parts._replace(query=urlencode([*kept, *parameters.items()])).geturl()


def _at(answered: Any, path: str) -> Any:
    """What stands at a path of keys; None where there is nothing."""
    for key in path.split("."):
        answered = answered.get(key) if isinstance(answered, dict) else None
    return answered


def _elements(text: str, path: str) -> list[str]:
    """The elements of the list at a path of keys, each exactly as it is written in a valid JSON text."""
    at = _skip(text, 0)
    for key in path.split(".") if path else ():
        at = _value(text, at, key)
    if text[at] != "[":
        raise _Misplaced(f"at {path!r} there is no list" if path else "the answer is no list")
    elements = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        elements.append(text[at:end])
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return elements


def _value(text: str, at: int, key: str) -> int:
    """Where the value of a key begins in the object that begins at `at`; the last one, where a key stands twice."""
    if text[at] != "{":
        raise _Misplaced(f"there is no object with {key!r}")
    found = None
    names = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, end = _DECODER.raw_decode(text, at)
        names.append(str(name))
        begins = _skip(text, _skip(text, end) + 1)
        found = begins if name == key else found
        _, end = _DECODER.raw_decode(text, begins)
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    if found is None:
        raise _Misplaced(f"there is no {key!r} among {', '.join(names[:20]) or 'no keys'}")
    return found


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
