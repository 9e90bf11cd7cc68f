"""How the files of a feed look."""

import functools
import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from anchorspend.contract.base import Header, Strict, VatBasis, normalise_header


class TotalsRow(Strict):
    """A control total inside the file: the row where the column of `field` reads `label`; its amount is the sum.

    The row is kept out of the lines, and the file is held when they do not add up to it.
    """

    field: str = Field(description="mapped field whose cell marks the row")
    label: str = Field(description="regular expression of the whole cell, case ignored, such as `(grand )?total`")

    @field_validator("label")
    @classmethod
    def _label_is_a_pattern(cls, pattern: str) -> str:
        return _pattern(pattern)


class Layout(Strict):
    """How the files of a feed look from a date on. The layout of a file is the last one that starts by its period."""

    starts: date | None = Field(None, description="first period the layout holds for; absent: from the beginning")
    format: Literal["csv", "workbook", "json"] = Field(
        "csv", description="`workbook` is XLSX, XLSM, XLSB, XLS or ODS; any of the three may lie in a zip"
    )
    members: str = Field(".*", description="zip: regular expression of the names of the files to read in it")
    records: str = Field("", description="json: path to the list of records, such as `releases`; empty: the top level")
    encoding: str = Field("detect", description="Python codec name, or `detect`: UTF-8 where valid, else cp1252")
    delimiter: str = Field(",", min_length=1, max_length=1)
    quotechar: str = Field('"', max_length=1, description="empty: no cell is quoted, and a quote is a character")
    sheets: str = Field(".*", description="workbook: regular expression of the sheets to read")
    header_within: int = Field(30, ge=1, le=500, description="the header row is looked for in this many first rows")
    columns: dict[str, Header | list[Header]] = Field(description="field of the kind: header, or its spellings")
    optional: list[str] = Field(default_factory=list, description="mapped fields whose column a file may lack")
    ignore: list[Header] = Field(
        default_factory=list, description="headers known and not wanted; `*` stands for any characters"
    )
    totals: TotalsRow | None = Field(None, description="a row below the lines that holds their sum, not a line")
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

    @field_validator("sheets", "members")
    @classmethod
    def _names_are_patterns(cls, pattern: str) -> str:
        return _pattern(pattern)

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
    def _cells_can_be_told_apart(self) -> Self:
        if self.delimiter == self.quotechar or {self.delimiter, self.quotechar} & {"\r", "\n"}:
            raise ValueError("`delimiter` and `quotechar` must differ, and neither may end a line")
        return self

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

    def ignores(self, header: str) -> bool:
        """Whether `ignore` lists a header, itself or by a `*`."""
        name = normalise_header(header)
        return any(one.fullmatch(name) for one in _ignored(tuple(self.ignore)))


@functools.cache
def _ignored(headers: tuple[str, ...]) -> list[re.Pattern[str]]:
    """Patterns of headers in which only `*` has a meaning of its own."""
    names = map(normalise_header, headers)
    return [re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL) for name in names]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as problem:
        raise ValueError(f"not a regular expression: {problem}") from None
    return text
