"""Control totals: what a file is held to after it was read, by a load and by its rehearsal alike.

The quarantine may hold no more than the feed's share of the lines, and every control total there is must agree: the
totals row inside the file, the sidecar beside it, the total published elsewhere. Pounds agree to the penny.
"""

import csv
import io
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import BinaryIO

from anchorspend.contract import Feed, PublishedTotals, SidecarTotal, Terms
from anchorspend.read import Held, Reading

_PENNY = Decimal("0.01")


@dataclass(frozen=True)
class Stated:
    """A control total: where it stands, its pounds, and its number of lines where it says one."""

    source: str
    amount: Decimal
    lines: int | None = None

    def differs(self, lines: int, amount: Decimal) -> str | None:
        """The reason to refuse a file that holds these lines and pounds, None where they agree."""
        held = amount.quantize(_PENNY)
        if held != self.amount.quantize(_PENNY):
            return (
                f"the file holds £{held:,} and its control total, {self.source}, says £{self.amount:,}: "
                f"£{held - self.amount:,} apart; ask the publisher which is right"
            )
        if self.lines is not None and lines != self.lines:
            return (
                f"the file holds {lines:,} lines and its control total, {self.source}, says {self.lines:,}; "
                "ask the publisher which is right"
            )
        return None


def over_limit(feed: Feed, lines: int, quarantined: int) -> str | None:
    """The reason to refuse a file with so many of its lines in quarantine, None where the feed allows it."""
    if quarantined <= feed.quarantine_limit * lines:
        return None
    return (
        f"{quarantined:,} of {lines:,} lines could not be read, over the limit of {feed.quarantine_limit:.1%}; "
        "correct the layout or the file"
    )


def stated(feed: Feed, terms: Terms, reading: Reading, sidecar: BinaryIO | None) -> list[Stated]:
    """Every control total of a file that was read. Raises `Held` where one that was agreed is missing or unreadable."""
    found = []
    if terms.layout and terms.layout.totals:
        totals = terms.layout.totals
        if reading.totals is None:
            raise Held(
                f"the file has no totals row: no cell of {totals.field} reads {totals.label!r}; ask the publisher "
                "whether the file is whole, or take `totals` out of the layout"
            )
        found.append(Stated("the totals row of the file", reading.totals))
    match feed.control_total:
        case SidecarTotal() as contract if sidecar is not None:
            found.append(_sidecar(sidecar, contract))
        case PublishedTotals(published=published) if terms.period and terms.period.label in published:
            found.append(Stated("the published total", published[terms.period.label]))
    return found


def _sidecar(file: BinaryIO, contract: SidecarTotal) -> Stated:
    text = file.read().decode("utf-8-sig", errors="replace")
    rows = [row for row in csv.DictReader(io.StringIO(text), delimiter=contract.delimiter) if any(row.values())]
    try:
        (row,) = rows
        amount = Decimal(row[contract.amount].replace(",", "").replace("£", "").strip())
        return Stated(
            "the file beside it", amount, int(row[contract.lines].replace(",", "")) if contract.lines else None
        )
    except (ValueError, KeyError, AttributeError, InvalidOperation):
        raise Held(
            f"the control-total file cannot be read: it must hold one row with {contract.amount!r}"
            f"{f' and {contract.lines!r}' if contract.lines else ''}"
        ) from None
