"""Where the files of a feed come from: a folder, addresses on the web, or a paged interface."""

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from anchorspend.contract.base import Strict
from anchorspend.contract.period import Calendar

_LOGIN = re.compile(r"://[^/?#\s]*@")
_SECRET = re.compile(r"[?&](password|passwd|token|access_token|api[-_]?key|secret|sig|signature)=", re.IGNORECASE)
_CONNECTION = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_STEPS = {"month": 1, "quarter": 3, "year": 12}

PLACEHOLDERS = {
    "year": "calendar year of a month; of a quarter or year, the one its financial year begins in",
    "month": "number of the first month; {month:02} has two digits",
    "month_name": "April",
    "quarter": "1 to 4 of the financial year",
    "fy": "financial year, as 2017-18",
    "from": "first day, as 2017-04-01; {from:%d/%m/%Y} writes it otherwise",
    "to": "last day, likewise",
}


@dataclass(frozen=True)
class Window:
    """One period of a feed's calendar, both days included."""

    first: date
    last: date
    every: str
    year_start: int

    def fill(self, template: str) -> str:
        """A template with each of `PLACEHOLDERS` put in."""
        begins = self.first.year - (self.first.month < self.year_start)
        values = {
            "year": self.first.year if self.every == "month" else begins,
            "month": self.first.month,
            "month_name": f"{self.first:%B}",
            "quarter": (self.first.month - self.year_start) % 12 // 3 + 1,
            "fy": f"{begins}-{(begins + 1) % 100:02}" if self.year_start > 1 else f"{begins}",
            "from": self.first,
            "to": self.last,
        }
        return template.format_map(values)


def windows(calendar: Calendar, year_start: int, until: date) -> Iterator[Window]:
    """The periods of a calendar that have begun by a day, in order."""
    first = calendar.starts
    while first <= min(until, calendar.ends or until):
        index = first.year * 12 + first.month - 1 + _STEPS[calendar.every]
        following = date(index // 12, index % 12 + 1, 1)
        yield Window(first, following - timedelta(days=1), calendar.every, year_start)
        first = following


class _Source(Strict):
    """What every source has: perhaps a connection, and never a secret."""

    connection: str | None = Field(None, description="id of the Airflow connection that holds the credentials")

    @model_validator(mode="before")
    @classmethod
    def _holds_no_secret(cls, content: Any) -> Any:
        # Before the fields are checked, and on the whole: a problem of one field would show the field's value.
        if not isinstance(content, dict):
            return content
        for key, value in content.items():
            if any(_LOGIN.search(text) or _SECRET.search(text) for text in _texts(value)):
                raise ValueError(
                    f"`{key}` holds a login, password or token; take it out, change it at the institution, keep it in "
                    "an Airflow connection and name that under `connection`"
                )
            if key in _OTHERS and key not in cls.model_fields:
                raise ValueError(f"`{key}` does not go with `{_kind(content)}`, which takes {_known(cls)}")
        named = content.get("connection")
        if isinstance(named, str) and not _CONNECTION.fullmatch(named):
            raise ValueError("`connection` must be the id of an Airflow connection: letters, digits, `_`, `-` and `.`")
        return content

    def problem(self, calendar: Calendar | None, sidecar: bool) -> str | None:
        """Why the source does not fit the rest of its feed, or None."""
        raise NotImplementedError


class Folder(_Source):
    """Files in a folder: relative to the inbox, absolute, or an fsspec URL: `s3://bucket/prefix`, `sftp://host/path`."""

    folder: str
    files: str = Field("*.csv", description="glob of the data files inside the folder")

    @model_validator(mode="after")
    def _folder_can_be_reached(self) -> Self:
        scheme = self.folder.partition("://")[0] if "://" in self.folder else ""
        if scheme in {"http", "https"}:
            raise ValueError("`folder` is a web address; write `url` or `urls` with the addresses of its files")
        if scheme == "sftp" and not self.connection:
            raise ValueError("`folder` is on an SFTP server; name the Airflow connection with its login: `connection`")
        if self.connection and scheme not in {"s3", "sftp"}:
            raise ValueError("`connection` goes with a `folder` that starts with s3:// or sftp://; take it out")
        return self

    def problem(self, calendar: Calendar | None, sidecar: bool) -> str | None:  # noqa: ARG002  # it fits any feed
        return None


class _OverHttp(_Source):
    allow_private: bool = Field(False, description="whether addresses of private networks may be asked")
    max_mb: int = Field(1000, ge=1, description="megabytes (10^6 bytes) above which a file is refused")

    addresses: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _addresses_are_of_the_web(self) -> Self:
        hosts = set()
        for key in self.addresses:
            for text in _texts(getattr(self, key)):
                parts = urlsplit(text)
                if parts.scheme not in {"http", "https"} or not parts.netloc:
                    raise ValueError(f"`{key}`: {text!r} is no web address; start it with https:// and a host")
                if "{" in parts.netloc:
                    raise ValueError(f"`{key}`: a placeholder cannot be part of the host")
                hosts.add(parts.netloc.casefold())
                if self.connection and parts.scheme == "http" and not self.allow_private:
                    raise ValueError(f"`{key}`: `connection` would send its password in the clear; write https://")
        if self.connection and len(hosts) > 1:
            raise ValueError("`connection` is for one host; make a feed of each, or take it out")
        return self

    def _template_problem(self, key: str, texts: list[str], calendar: Calendar | None, sidecar: bool) -> str | None:
        """Why the templates of `key` do not give each period of the calendar a request of its own, or None."""
        if sidecar:
            return "`control_total`: a sidecar goes with a folder only; take it out, or write `published` totals"
        if not texts:
            return None
        if calendar is None:
            return f"`source`: `{key}` is filled in for each period; say which by `calendar`"
        sample = calendar.model_copy(update={"ends": None})
        filled = [
            tuple(window.fill(text) for text in texts)
            for window in windows(sample, 4, calendar.starts + timedelta(days=3 * 366))
        ]
        if len(set(filled)) < len(filled):
            return f"`source`: `{key}` asks for the same in two periods of the calendar; put in {_braced()}"
        return None


class Web(_OverHttp):
    """Files at addresses of the web: a list, or a template filled in for each period of the feed's calendar.

    A file is called what the server calls it, else what its address ends in. A period whose address answers 404 is
    not published yet.
    """

    urls: list[str] = Field(default_factory=list, description="addresses of the files")
    url: str | None = Field(None, description="address with placeholders: " + ", ".join(PLACEHOLDERS))

    addresses: ClassVar[tuple[str, ...]] = ("urls", "url")

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if bool(self.urls) == bool(self.url):
            raise ValueError("write either `urls`, a list, or `url`, with placeholders for the period")
        if len(set(self.urls)) < len(self.urls):
            raise ValueError("`urls` names one address twice; keep one")
        if self.url:
            _check_template("url", self.url)
        return self

    def problem(self, calendar: Calendar | None, sidecar: bool) -> str | None:
        return self._template_problem("url", [self.url] if self.url else [], calendar, sidecar)


class Cursor(Strict):
    """Pages that each say how to ask for the next. The last one says nothing, null or the empty string."""

    path: str = Field(min_length=1, description="where in an answer the cursor stands, such as `links.next`")
    parameter: str | None = Field(None, description="query parameter to send it as; absent: it is the next address")


class Pages(Strict):
    """Pages asked for by number until one is empty, or short where `size` is given, or `total` are read."""

    parameter: str = Field("page", min_length=1, description="query parameter of the number")
    starts: int = Field(1, ge=0, description="number of the first page")
    size: int | None = Field(None, ge=1, description="records on a full page; ask for them under `parameters`")
    total: str | None = Field(None, min_length=1, description="where in an answer the number of pages stands")


class Api(_OverHttp):
    """Records from pages of JSON, asked for each period of the feed's calendar and kept as one file per period."""

    api: str = Field(description="address of the first page; may hold placeholders: " + ", ".join(PLACEHOLDERS))
    parameters: dict[str, str] = Field(default_factory=dict, description="query parameters; may hold placeholders")
    records: str = Field("", description="path to the list of records, such as `releases`; empty: the top level")
    cursor: Cursor | None = None
    pages: Pages | None = None
    max_pages: int = Field(1000, ge=1, description="pages of one period above which it is refused")

    addresses: ClassVar[tuple[str, ...]] = ("api",)

    @model_validator(mode="after")
    def _paged_one_way(self) -> Self:
        if (self.cursor is None) == (self.pages is None):
            raise ValueError("write either `cursor` or `pages`; an answer that comes whole is a `url`, not an `api`")
        if not self.records and (self.cursor or (self.pages and self.pages.total)):
            raise ValueError("an answer that is a bare list has no place for `cursor` or `total`; write `records`")
        if any(_SECRET.match(f"?{name}=") for name in self.parameters):
            raise ValueError("`parameters` holds a password or token; send it as a header, kept in the connection")
        for text in (self.api, *self.parameters.values()):
            _check_template("api", text)
        return self

    def problem(self, calendar: Calendar | None, sidecar: bool) -> str | None:
        return self._template_problem("api", [self.api, *self.parameters.values()], calendar, sidecar)


_KINDS: Mapping[str, type[_Source]] = {"folder": Folder, "url": Web, "urls": Web, "api": Api}
_OTHERS = {key for one in (Folder, Web, Api) for key in one.model_fields}


def _kind(content: Any) -> str | None:
    """The key that says which source is meant; None unless exactly one does."""
    kinds = {_KINDS[key]: key for key in content if key in _KINDS} if isinstance(content, dict) else {}
    return next(iter(kinds.values())) if len(kinds) == 1 else None


def _tag(content: Any) -> str | None:
    if isinstance(content, _Source):
        return type(content).__name__
    kind = _kind(content)
    return _KINDS[kind].__name__ if kind else None


def _mapping(content: Any) -> Any:
    # A bare text could be an address with a password in it, which the message would show.
    return content if isinstance(content, dict | _Source) else {}


Source = Annotated[
    Annotated[Folder, Tag("Folder")] | Annotated[Web, Tag("Web")] | Annotated[Api, Tag("Api")],
    Discriminator(
        _tag,
        custom_error_type="source",
        custom_error_message="must be a mapping with one of `folder`, `urls`, `url` and `api`",
    ),
    BeforeValidator(_mapping),
]


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _check_template(key: str, template: str) -> None:
    """Raise `ValueError` unless a template's placeholders are known and can be filled in."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        if unknown := [name for name in names if name not in PLACEHOLDERS]:
            raise ValueError(f"`{key}`: {{{unknown[0]}}} is no placeholder; known: {_braced()}")
        Window(date(2017, 4, 1), date(2017, 4, 30), "month", 4).fill(template)
    except (ValueError, LookupError) as problem:
        told = str(problem)
        raise ValueError(told if told.startswith("`") else f"`{key}`: {template!r}: {told}") from None


def _braced() -> str:
    return ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


def _known(model: type[Strict]) -> str:
    return ", ".join(f"`{name}`" for name in model.model_fields)


def file_name(url: str) -> str:
    """What an address ends in, as a file name; empty where it ends in a slash."""
    return plain_name(unquote(urlsplit(url).path.rpartition("/")[2]))


def plain_name(name: str) -> str:
    """A name from outside without folders, control characters or leading dots, of at most 200 characters."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip().lstrip(".")[-200:]
