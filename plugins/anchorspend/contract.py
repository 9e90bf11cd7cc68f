"""The contract with an institution: who it is, and what each of its feeds promises.

An institution is one YAML file, `dags/institutions/<id>.yml`, checked by the models below. A key nobody knows, a
field nobody defined or a date that cannot be is refused with the file, the place and what to write instead.
"""

import calendar as months
import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from anchorspend import settings
from anchorspend.errors import UserError
from anchorspend.kinds import KINDS, Kind

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]
Header = Annotated[str, StringConstraints(min_length=1)]


class InstitutionType(StrEnum):
    """Kinds of anchor institution: strategy lines 55-67, with the airport (lines 275-277)."""

    LOCAL_AUTHORITY = "local_authority"
    POLICE = "police"
    FIRE = "fire"
    NHS = "nhs"
    INTEGRATED_CARE_BOARD = "integrated_care_board"
    CLINICAL_COMMISSIONING_GROUP = "clinical_commissioning_group"
    UNIVERSITY = "university"
    COLLEGE = "college"
    SCHOOL = "school"
    AIRPORT = "airport"
    CENTRAL_GOVERNMENT = "central_government"


class VatBasis(StrEnum):
    """Whether a feed's amounts include VAT. LGA guide v1.3: net of recoverable VAT; some publish gross."""

    NET = "net"
    GROSS = "gross"
    UNKNOWN = "unknown"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Folder(_Strict):
    """Files in a folder: relative to the inbox, absolute, or an fsspec URL such as `s3://bucket/feed`."""

    folder: str
    files: str = Field("*.csv", description="glob of the data files inside the folder")


class Calendar(_Strict):
    """When a feed is due: one file a `month`, `quarter` or `year`, `due_days` after its period ends."""

    every: Literal["month", "quarter", "year"]
    due_days: int = Field(30, ge=0, le=366)
    starts: date = Field(description="first day of the first period promised")
    ends: date | None = Field(None, description="last day of the last period promised; open when absent")


class SidecarTotal(_Strict):
    """A control total in a small CSV beside each data file: a header row and one row of figures."""

    sidecar: str = Field(description="name of the sidecar; {stem} is the data file's name without its ending")
    amount: Header = Field(description="header of the column with the pounds")
    lines: Header | None = Field(None, description="header of the column with the number of lines")
    delimiter: str = Field(",", min_length=1, max_length=1)

    @field_validator("sidecar")
    @classmethod
    def _sidecar_is_a_name(cls, name: str) -> str:
        try:
            name.format(stem="stem")
        except (KeyError, IndexError, ValueError):
            raise ValueError("only {stem} is filled in; write every other brace twice") from None
        return name


class PublishedTotals(_Strict):
    """Control totals the institution published elsewhere: period label (`2017-04`, `2017-18`) to pounds."""

    published: dict[str, Decimal]


class Layout(_Strict):
    """How the files of a feed look from a date on. The layout of a file is the last one that starts by its period."""

    starts: date | None = Field(None, description="first period the layout holds for; absent: from the beginning")
    format: Literal["csv", "xlsx"] = "csv"
    encoding: str = Field("detect", description="Python codec name, or `detect`: UTF-8 where valid, else cp1252")
    delimiter: str = Field(",", min_length=1, max_length=1)
    sheets: str = Field(".*", description="xlsx: regular expression of the sheets to read")
    header_within: int = Field(30, ge=1, le=500, description="the header row is looked for in this many first rows")
    columns: dict[str, Header | list[Header]] = Field(description="field of the kind: header, or its spellings")
    ignore: list[Header] = Field(default_factory=list, description="headers known and not wanted")
    fallback: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="field to the number (from 1) of a column read where its own cell is empty"
    )
    dates: list[str] = Field(["%d/%m/%Y"], min_length=1, description="strptime formats, tried in this order")
    payments_are: Literal["positive", "negative"] = "positive"
    vat: VatBasis | None = Field(None, description="where the layout differs from the feed")

    @field_validator("dates")
    @classmethod
    def _dates_are_whole(cls, formats: list[str]) -> list[str]:
        for one in formats:
            day, month = re.search("%d", one), re.search("%[mbB]", one)
            if not (day and month and re.search("%[yY]", one)):
                raise ValueError(f"{one!r} must hold a day (%d), a month (%m, %b or %B) and a year (%Y or %y)")
        return formats

    @field_validator("sheets")
    @classmethod
    def _sheets_is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from None
        return pattern

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, name: str) -> str:
        try:
            if name != "detect":
                "".encode(name)
        except LookupError:
            raise ValueError(f"no encoding is called {name!r}; write utf-8, cp1252, utf-16 or detect") from None
        return name

    @model_validator(mode="after")
    def _a_header_means_one_thing(self) -> Self:
        seen: dict[str, str] = {}
        for field, headers in [*self.spellings().items(), ("ignore", self.ignore)]:
            for header in headers:
                key = normalise_header(header)
                if key in seen and seen[key] != field:
                    raise ValueError(f"header {header!r} is mapped to {seen[key]!r} and to {field!r}; keep one")
                seen[key] = field
        return self

    def spellings(self) -> dict[str, list[str]]:
        """Field to the list of its header spellings."""
        return {field: [value] if isinstance(value, str) else value for field, value in self.columns.items()}

    def digest(self, feed: "Feed") -> str:
        """What reading depends on, as 12 hex digits: a file is read anew when it changes."""
        text = (
            self.model_dump_json()
            + f"|{feed.kind}|{feed.period}|{feed.vat}|{feed.quarantine_limit}|{feed.control_total!r}"
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Period:
    """The span a file reports: `2017-04`, `2017-Q1` (financial quarter), `2017-18` (financial year) or a bare name."""

    label: str
    first: date
    last: date


@dataclass(frozen=True)
class Terms:
    """What the contract says of one file: its period and layout, a digest of both, or the reason there is none."""

    period: Period | None
    layout: Layout | None
    digest: str
    problem: str | None


class Feed(_Strict):
    """One stream of files of one kind."""

    kind: str
    description: str
    source: Folder
    period: str = Field(description="regular expression over the file name with groups year and month, quarter or part")
    calendar: Calendar | None = None
    vat: VatBasis
    publishes_over: Decimal = Field(
        Decimal(0), ge=0, description="pounds below which the institution publishes nothing"
    )
    control_total: SidecarTotal | PublishedTotals | None = None
    quarantine_limit: float = Field(0.02, ge=0, le=1, description="share of lines above which a file is refused whole")
    layouts: list[Layout] = Field(min_length=1)

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"no kind is called {kind!r}; {_did_you_mean(kind, KINDS)}")
        return kind

    @field_validator("period")
    @classmethod
    def _period_names_a_year(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from None
        if unknown := groups - {"year", "month", "quarter", "part"}:
            raise ValueError(f"group {unknown.pop()!r} is not year, month, quarter or part")
        if "year" not in groups or {"month", "quarter"} <= groups:
            raise ValueError("must name a group year, and at most one of month and quarter")
        return pattern

    @model_validator(mode="after")
    def _layouts_fit_the_kind(self) -> Self:
        kind = self.definition
        for layout in self.layouts:
            for field in layout.columns:
                if field not in kind.fields:
                    raise ValueError(f"{field!r} is not a field of {self.kind}; {_did_you_mean(field, kind.fields)}")
            for field in layout.fallback:
                if field not in layout.columns:
                    raise ValueError(f"`fallback` names {field!r}, which `columns` does not map")
            for field in kind.required:
                if field not in layout.columns:
                    raise ValueError(f"a {self.kind} layout must map {field!r} ({kind.fields[field].meaning})")
        starts = [layout.starts or date.min for layout in self.layouts]
        if starts != sorted(set(starts)):
            raise ValueError("layouts must be in the order of their `starts`, each with a date of its own")
        return self

    @property
    def definition(self) -> Kind:
        """The kind's fields and rules."""
        return KINDS[self.kind]

    def terms(self, file_name: str, financial_year_start: int) -> "Terms":
        """Under which layout a file of the feed is read; its name decides."""
        try:
            period = self.period_of(file_name, financial_year_start)
        except UserError as problem:
            return Terms(None, None, f"none:{self.period}", str(problem))
        layout = self.layout_for(period)
        if layout is None:
            return Terms(period, None, f"none:{period.label}", f"no layout starts by {period.label}; add one")
        return Terms(period, layout, layout.digest(self), None)

    def layout_for(self, period: Period) -> Layout | None:
        """The layout in force when a period begins; None when every layout starts later."""
        return next((one for one in reversed(self.layouts) if (one.starts or date.min) <= period.first), None)

    def period_of(self, file_name: str, financial_year_start: int) -> Period:
        """The period a file reports, from its name.

        `month` may be a number or an English month name; `quarter` and a bare `year` count from the institution's
        financial year. `part` keeps several files of one period apart. Raises `UserError` when the name has none.
        """
        found = re.search(self.period, file_name, re.IGNORECASE)
        if not found:
            raise UserError(
                f"{file_name}: its name holds no period; the contract looks for {self.period!r}. "
                "Rename the file or correct `period`."
            )
        parts = found.groupdict()
        try:
            period = _period(parts, financial_year_start)
        except ValueError as problem:
            raise UserError(f"{file_name}: no such period: {problem}. Rename the file or correct `period`.") from None
        part = parts.get("part")
        return Period(f"{period.label}/{part.lower()}", period.first, period.last) if part else period


class Institution(_Strict):
    """An anchor institution and its feeds."""

    id: Id
    name: str
    type: InstitutionType
    gss_code: Annotated[str, StringConstraints(pattern=r"^[A-Z]\d{8}$")] | None = None
    financial_year_start: int = Field(4, ge=1, le=12, description="month in which the financial year begins")
    active_from: date | None = None
    active_to: date | None = None
    predecessors: list[Id] = Field(default_factory=list, description="institutions this one continues")
    feeds: dict[Id, Feed] = Field(min_length=1)


def normalise_header(header: str) -> str:
    """A header as it is compared: case, spacing and a byte-order mark do not count."""
    return " ".join(header.replace("\ufeff", "").split()).casefold()


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


_MONTHS = {
    name.casefold(): i for names in (months.month_name, months.month_abbr) for i, name in enumerate(names) if name
}


_MONTHS["sept"] = 9


def _period(parts: Mapping[str, str | None], year_start: int) -> Period:
    year = int(parts["year"] or "")
    year += 2000 if year < 100 else 0
    if word := parts.get("month"):
        month = int(word) if word.isdigit() else _MONTHS.get(word.casefold(), 0)
        first = date(year, month, 1)
        return Period(f"{year}-{month:02}", first, _end_of(first, 1))
    if quarter := parts.get("quarter"):
        if quarter not in {"1", "2", "3", "4"}:
            raise ValueError(f"quarter {quarter}")
        first = _add_months(date(year, year_start, 1), 3 * (int(quarter) - 1))
        return Period(f"{year}-Q{quarter}", first, _end_of(first, 3))
    first = date(year, year_start, 1)
    label = f"{year}-{(year + 1) % 100:02}" if year_start > 1 else f"{year}"
    return Period(label, first, _end_of(first, 12))


def _add_months(day: date, count: int) -> date:
    index = day.month - 1 + count
    return date(day.year + index // 12, index % 12 + 1, 1)


def _end_of(first: date, count: int) -> date:
    return _add_months(first, count) - timedelta(days=1)


class _NoTwiceLoader(yaml.SafeLoader):
    """YAML in which a key written twice is an error: the plain loader keeps the last and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is written twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _plain(error: Mapping[str, Any]) -> str:
    """One pydantic error as a sentence: where, what, and the fix where it is known."""
    place = ".".join(str(step) for step in error["loc"] if step not in {"Folder", "SidecarTotal", "PublishedTotals"})
    if error["type"] == "extra_forbidden":
        known = {
            name
            for model in (Institution, Feed, Folder, Calendar, Layout, SidecarTotal, PublishedTotals)
            for name in model.model_fields
        }
        return f"{place}: no such key; {_did_you_mean(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{place}: is missing; add it"
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | date) else ""
    return f"{place or 'file'}: {error['msg'].removeprefix('Value error, ')}{shown}"


def load_institution(path: Path) -> Institution:
    """One institution file. Raises `UserError` naming file, key and fix for everything wrong in it."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_NoTwiceLoader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise UserError(f"{path}: not YAML: {problem}") from None
    except OSError as problem:
        raise UserError(f"{path}: cannot be read: {problem.strerror}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: is empty or no mapping; start with `id: {path.stem}`")
    try:
        institution = Institution.model_validate(content)
    except ValidationError as problem:
        raise UserError("\n".join(f"{path}: {_plain(error)}" for error in problem.errors())) from None
    if institution.id != path.stem:
        raise UserError(f"{path}: id: must be the file's name, {path.stem!r} (given: {institution.id!r})")
    return institution


def load_institutions(folder: Path | None = None) -> dict[str, Institution]:
    """Every institution file of a folder by id, in the order of ids.

    Raises `UserError` with the problems of all files at once, and when a predecessor is not an institution.
    """
    folder = folder or settings.institutions()
    paths = sorted(folder.glob("*.yml"))
    if not paths:
        raise UserError(f"{folder}: no institution files (*.yml)")
    found: dict[str, Institution] = {}
    problems: list[str] = []
    for path in paths:
        try:
            found[path.stem] = load_institution(path)
        except UserError as problem:
            problems.append(str(problem))
    names = {path.stem for path in paths}
    problems += [
        f"{folder / institution.id}.yml: predecessors: no institution {other!r}; {_did_you_mean(other, found)}"
        for institution in found.values()
        for other in institution.predecessors
        if other not in names
    ]
    if problems:
        raise UserError("\n".join(problems))
    return found


def pick(institutions: Mapping[str, Institution], institution_id: str, feed_id: str) -> tuple[Institution, Feed]:
    """An institution and one of its feeds by their ids, as a person typed them."""
    if institution_id not in institutions:
        raise UserError(f"no institution {institution_id!r}; {_did_you_mean(institution_id, institutions)}")
    institution = institutions[institution_id]
    if feed_id not in institution.feeds:
        raise UserError(f"{institution_id} has no feed {feed_id!r}; {_did_you_mean(feed_id, institution.feeds)}")
    return institution, institution.feeds[feed_id]
