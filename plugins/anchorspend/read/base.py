"""What the readers of every format share: a table of cells, and the refusal of a whole file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anchorspend.errors import UserError


class Held(UserError):
    """A file that is held whole: nothing of it is counted until the file or the contract is put right.

    The message is one sentence for logs. `note` is a letter for the publisher, where it is the publisher who can act.
    """

    def __init__(self, message: str, note: str | None = None) -> None:
        super().__init__(message)
        self.note = note

    def inside(self, place: str) -> "Held":
        """The same, said of a place within the file."""
        return Held(f"{place}: {self}", self.note and f"In {place}:\n\n{self.note}")


@dataclass
class Sheet:
    """One table of a file: a CSV, a sheet of a workbook, the records of a JSON file.

    `rows` yields the row's number as a spreadsheet shows it, from 1, and its cells. JSON: row 0 is the header, and
    the numbers of the others are those of the records.
    """

    name: str | None
    rows: Iterator[tuple[int, list[str]]]

    @property
    def where(self) -> str:
        """How a message about it begins."""
        return f"sheet {self.name!r}: " if self.name else ""


def note(found: Sequence[str], you_can: Sequence[str], contract: str | None = None) -> str:
    """A letter to a publisher: what was found, what is held back and why, what they can do.

    `contract` is the YAML under `layouts` that would accept the file as it is, for our side of the contract.
    """
    parts = [
        "What we found:\n" + "\n".join(f"- {one}" for one in found),
        "What we hold back: the whole file. None of its lines is counted until this is settled, because a guess could "
        "move published figures without anybody seeing it. What we had from earlier files stays as it is.",
        "What you can do:\n" + "\n".join(f"- {one}" for one in you_can),
    ]
    if contract:
        parts.append(f"What would accept the file as it is, in the layout of the contract:\n\n{contract.rstrip()}")
    return "\n\n".join(parts) + "\n"
