"""What the models of a contract share."""

import difflib
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]
Header = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    """A model that refuses keys nobody knows and does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VatBasis(StrEnum):
    """Whether a feed's amounts include VAT. LGA guide v1.3: net of recoverable VAT; some publish gross."""

    NET = "net"
    GROSS = "gross"
    UNKNOWN = "unknown"


def normalise_header(header: str) -> str:
    """A header as it is compared: case, spacing and a byte-order mark do not count."""
    return " ".join(header.replace("\ufeff", "").split()).casefold()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word nearest to one nobody knows, as the end of a message."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
