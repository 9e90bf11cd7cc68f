"""What every origin of files shares: how a file is found, and how it comes to a scratch folder."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


class FetchFailed(Exception):
    """The outside world did not answer as it should, and may do so later: trying again can help.

    The message names the place, without credentials, and what happened.
    """


@dataclass(frozen=True)
class Found:
    """A file at its source, with the control-total file beside it where the contract names one.

    Where only fetching can tell what has changed, size and time are None. What stands `settled_at` a time and was
    fetched since is not fetched again.
    """

    name: str
    url: str
    size: int | None = None
    modified_at: datetime | None = None
    control_url: str | None = None
    control_modified_at: datetime | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True)
class Seen:
    """What an address gave when it was landed last: the file's name, and the marks by which its server knows it."""

    name: str
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Fetched:
    """A file in the scratch folder, and its control-total file. `seen` is for asking the address the next time."""

    name: str
    path: Path
    modified_at: datetime
    control: Path | None = None
    seen: Seen | None = None


@dataclass(frozen=True)
class Limits:
    """How long the outside world is waited for. Seconds, but for `attempts`.

    `total` bounds one file, retries and waits included; `longest_wait` one wait between two attempts.
    """

    connect: float = 10
    read: float = 60
    total: float = 1800
    attempts: int = 5
    first_wait: float = 1
    longest_wait: float = 120


class Origin(Protocol):
    """Where the files of one feed come from. `UserError`s are to be put right, `FetchFailed`s may heal."""

    def discover(self) -> list[Found]:
        """The files at the source, in the order to land them."""

    def fetch(self, found: Found, seen: Seen | None, scratch: Path) -> Fetched | None:
        """Bring one file into an empty folder; None when there is none yet, or none but the one seen."""

    def close(self) -> None:
        """Let go of connections."""
