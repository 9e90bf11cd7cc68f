"""What each cell of an institution's year must come to, so that several published figures hold at once.

A supplier is in one of eight cells: its payments in scope or not, an SME or not, local or not. A year's targets for
pounds, for SMEs and for local suppliers are margins of that table; here the cells between the margins are filled.
"""

from dataclasses import dataclass
from typing import NamedTuple

from anchorspend.sample.tables import calibration

_OUT_OF_SCOPE_SUPPLIERS, _OUT_OF_SCOPE_SMES, _OUT_OF_SCOPE_LOCAL = 0.12, 0.05, 0.15
_OUT_OF_SCOPE_SME_POUNDS, _OUT_OF_SCOPE_LOCAL_POUNDS = 0.04, 0.20
_LOCAL_SMES, _LOCAL_SME_POUNDS = 0.65, 0.65


class Cell(NamedTuple):
    """The combination every supplier of an institution falls into once."""

    in_scope: bool
    sme: bool
    local: bool


@dataclass(frozen=True)
class Target:
    """What one cell of one year must come to."""

    suppliers: int
    pence: int
    lines: int

    def less(self, pence: int, lines: int) -> "Target":
        """What is left for the others when one supplier's pounds and lines are settled."""
        return Target(self.suppliers, self.pence - pence, max(self.lines - lines, 1))


def targets(institution_id: str, year: int, scale: float) -> dict[Cell, Target]:
    """The eight cells of an institution's year.

    Pounds are the same at every scale; lines are proportional to it, and suppliers too below a scale of 1.
    """
    total = calibration()[institution_id, year]
    shrink = min(scale, 1.0)
    suppliers = _fill(
        round(total.suppliers * shrink),
        round(total.sme_suppliers * shrink),
        round(total.local_suppliers * shrink),
        out=round(total.suppliers * shrink * _OUT_OF_SCOPE_SUPPLIERS),
        shares=(_OUT_OF_SCOPE_SMES, _OUT_OF_SCOPE_LOCAL, _LOCAL_SMES),
    )
    pence = _fill(
        total.pounds * 100,
        total.sme_pounds * 100,
        total.local_pounds * 100,
        out=(total.pounds - total.in_scope_pounds) * 100,
        shares=(_OUT_OF_SCOPE_SME_POUNDS, _OUT_OF_SCOPE_LOCAL_POUNDS, _LOCAL_SME_POUNDS),
    )
    busy = {cell: (max(suppliers[cell], 1) * pence[cell]) ** 0.5 for cell in pence}
    per_busy = total.lines * scale / sum(busy.values())
    return {cell: Target(max(suppliers[cell], 1), pence[cell], round(busy[cell] * per_busy)) for cell in pence}


def _fill(total: int, sme: int, local: int, *, out: int, shares: tuple[float, float, float]) -> dict[Cell, int]:
    """The eight cells from their margins: all, SMEs, local, out of scope.

    `shares` are of what is out of scope: SMEs, local; and of what is local and in scope: SMEs.
    """
    out_sme, out_local, local_sme = shares
    filled: dict[Cell, int] = {}
    for in_scope in (False, True):
        if in_scope:
            smes, locals_, everything = sme - round(out * out_sme), local - round(out * out_local), total - out
            both = round(locals_ * local_sme)
        else:
            smes, locals_, everything = round(out * out_sme), round(out * out_local), out
            both = round(smes * out_local)
        filled |= {
            Cell(in_scope, True, True): both,
            Cell(in_scope, True, False): smes - both,
            Cell(in_scope, False, True): locals_ - both,
            Cell(in_scope, False, False): everything - smes - locals_ + both,
        }
    return filled
