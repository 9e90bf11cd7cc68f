"""An institution and what each of its feeds promises."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from anchorspend.contract.base import Header, Id, Strict, VatBasis, did_you_mean
from anchorspend.contract.layout import Layout
from anchorspend.contract.period import GROUPS, Calendar, Period, period_of_parts
from anchorspend.contract.source import Source
from anchorspend.errors import UserError
from anchorspend.kinds import KINDS, Kind


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
    REGISTER = "register"  # no anchor: who keeps a register of companies, charities, ...


class SidecarTotal(Strict):
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


class PublishedTotals(Strict):
    """Control totals the institution published elsewhere: period label (`2017-04`, `2017-18`) to pounds."""

    published: dict[str, Decimal]


@dataclass(frozen=True)
class Terms:
    """What the contract says of one file: its period and layout, a digest of both, or the reason there is none."""

    period: Period | None
    layout: Layout | None
    digest: str
    problem: str | None


class Feed(Strict):
    """One stream of files of one kind."""

    kind: str
    description: str
    source: Source
    period: str = Field(description="regular expression over the file name with groups year and month, quarter or part")
    calendar: Calendar | None = None
    detail_of: Id | None = Field(
        None,
        description="feed whose lines hold these pounds already, as a ledger holds the card bill: shown, never added",
    )
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
            raise ValueError(f"no kind is called {kind!r}; {did_you_mean(kind, KINDS)}")
        return kind

    @field_validator("period")
    @classmethod
    def _period_names_a_year(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from None
        if unknown := groups - set(GROUPS):
            raise ValueError(f"group {unknown.pop()!r} is not one of {', '.join(GROUPS)}")
        if len({"year", "financial_year"} & groups) != 1 or {"month", "quarter"} <= groups:
            raise ValueError(
                "must name one of the groups year and financial_year, and at most one of month and quarter"
            )
        if "month" not in groups and {"financial_year", "to_month"} & groups:
            raise ValueError("financial_year and to_month go with month")
        return pattern

    @model_validator(mode="after")
    def _layouts_fit_the_kind(self) -> Self:
        kind = self.definition
        for layout in self.layouts:
            for field in layout.columns:
                if field not in kind.fields:
                    raise ValueError(f"{field!r} is not a field of {self.kind}; {did_you_mean(field, kind.fields)}")
            for field in [*layout.optional, *([layout.totals.field] if layout.totals else [])]:
                if field not in layout.columns:
                    raise ValueError(f"{field!r} is named as optional or in `totals`, and `columns` does not map it")
            if layout.totals and kind.amount not in layout.columns:
                raise ValueError(f"`totals` needs the column of {kind.amount or 'an amount'}")
            for field in layout.fallback:
                if field not in layout.columns:
                    raise ValueError(f"`fallback` names {field!r}, which `columns` does not map")
            for field in kind.required:
                if field not in layout.columns or field in layout.optional:
                    raise ValueError(f"a {self.kind} layout must map {field!r} ({kind.fields[field].meaning})")
        starts = [layout.starts or date.min for layout in self.layouts]
        if starts != sorted(set(starts)):
            raise ValueError("layouts must be in the order of their `starts`, each with a date of its own")
        return self

    @model_validator(mode="after")
    def _source_fits(self) -> Self:
        if problem := self.source.problem(self.calendar, isinstance(self.control_total, SidecarTotal)):
            raise ValueError(problem)
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
        return Terms(period, layout, self._digest(layout, financial_year_start), None)

    def _digest(self, layout: Layout, financial_year_start: int) -> str:
        """What reading depends on, as 12 hex digits: a file is read anew when it changes."""
        of_feed = (self.kind, self.period, self.vat, self.quarantine_limit, self.control_total, financial_year_start)
        return hashlib.sha256(f"{layout.model_dump_json()}|{of_feed!r}".encode()).hexdigest()[:12]

    def layout_for(self, period: Period) -> Layout | None:
        """The layout in force when a period begins; None when every layout starts later."""
        return next((one for one in reversed(self.layouts) if (one.starts or date.min) <= period.first), None)

    def period_of(self, file_name: str, financial_year_start: int) -> Period:
        """The period a file reports, from its name.

        The pattern's groups are those of `period.GROUPS`. Raises `UserError` when the name has none.
        """
        found = re.search(self.period, file_name, re.IGNORECASE)
        if not found:
            raise UserError(
                f"{file_name}: its name holds no period; the contract looks for {self.period!r}. "
                "Rename the file or correct `period`."
            )
        parts = found.groupdict()
        try:
            period = period_of_parts(parts, financial_year_start)
        except ValueError as problem:
            raise UserError(f"{file_name}: no such period: {problem}. Rename the file or correct `period`.") from None
        part = parts.get("part")
        return Period(f"{period.label}/{part.lower()}", period.first, period.last) if part else period


class Institution(Strict):
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

    @model_validator(mode="after")
    def _details_are_of_a_feed(self) -> Self:
        for feed_id, feed in self.feeds.items():
            if feed.detail_of is not None and (feed.detail_of not in self.feeds or feed.detail_of == feed_id):
                known = did_you_mean(feed.detail_of, self.feeds)
                raise ValueError(f"feeds.{feed_id}.detail_of: no other feed {feed.detail_of!r}; {known}")
        return self
