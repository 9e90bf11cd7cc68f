"""The true suppliers of the county: who they really are, whatever an institution's ledger calls them."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from anchorspend.sample import names
from anchorspend.sample.cells import Cell
from anchorspend.sample.geography import LOCAL_ZONES, NATIONAL_ZONES, Geography, is_local
from anchorspend.sample.procurement import CARD_BILL
from anchorspend.sample.tables import Body, Category, categories, public_bodies

_SHARED = 0.4
"""Share of a body's suppliers that other bodies may buy from too; about a third of a council's then do."""
_SME_SECTORS = ("company", "cic", "sole_trader")
_OTHER_SECTORS = ("company", "charity", "individual", "public_body")


@dataclass(frozen=True, slots=True)
class Supplier:
    """A supplier as it truly is.

    `sme`: a company, community interest company or sole trader with fewer than 250 employees. Register numbers are
    invented: by chance one may be a real company's, so never join them to a live register. `category` is the ProClass
    code of its main business; `institution_id` is set where the supplier is one of the county's institutions.
    """

    supplier_id: str
    legal_name: str
    trading_names: tuple[str, ...]
    sector: str
    postcode: str
    authority: str
    company_number: str
    charity_number: str
    vat_number: str
    employees: int | None
    sme: bool
    category: str
    institution_id: str = ""


class World:
    """Every supplier of the county, invented as the institutions come to need them."""

    def __init__(self, rng: np.random.Generator, geography: Geography) -> None:
        self._rng = rng
        self._geography = geography
        self._names: set[str] = set()
        self._shared: dict[Cell, list[int]] = {}
        self.suppliers: list[Supplier] = []
        self._card_issuer: int | None = None
        for body in public_bodies():
            cell = Cell(in_scope=False, sme=False, local=is_local(body.postcode, geography.authority(body.postcode)))
            self._shared.setdefault(cell, []).append(len(self.suppliers))
            self._add(
                legal_name=body.name,
                trading_names=tuple(body.aliases),
                sector="public_body",
                postcode=body.postcode,
                category=body.category,
                sme=False,
                institution_id=body.institution_id,
            )

    def card_issuer(self) -> int:
        """Position in `suppliers` of the bank behind the county's procurement cards."""
        if self._card_issuer is None:
            (trade,) = next(category.trades for category in categories() if category.code == CARD_BILL)
            self._card_issuer = self._add(
                legal_name=f"{names.root(self._rng)} {trade} plc",
                trading_names=(),
                sector="company",
                postcode=self._geography.draw(self._rng, {"rest": 1}),
                category=CARD_BILL,
                sme=False,
            )
        return self._card_issuer

    def supply(self, institution_id: str, body: Body, cell: Cell, count: int) -> list[int]:
        """Positions in `suppliers` of `count` different suppliers of a cell for a body.

        Some are suppliers of bodies served before; some of the others will be offered to those served after.
        """
        shared = self._shared.setdefault(cell, [])
        weights = np.array([self._appeal(position, institution_id, body) for position in shared], dtype=float)
        taken = min(round(count * _SHARED), int((weights > 0).sum()))
        chosen: list[int] = []
        if taken:
            picked = self._rng.choice(len(shared), taken, replace=False, p=weights / weights.sum())
            chosen = [shared[i] for i in sorted(picked)]
        new = [self._invent(body, cell) for _ in range(count - taken)]
        shared += new[: round(count * _SHARED) - taken]
        return chosen + new

    def _appeal(self, position: int, institution_id: str, body: Body) -> float:
        """How likely a body is to buy from a shared supplier: never from itself, before all from public bodies."""
        supplier = self.suppliers[position]
        if supplier.institution_id == institution_id:
            return 0
        known = position < len(public_bodies())
        return _buying(body.type)[supplier.category] * (100 if known else 1)

    def _invent(self, body: Body, cell: Cell) -> int:
        rng = self._rng
        businesses, bounds = _businesses(body.type, cell.in_scope, cell.sme)
        category, sector = businesses[int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))]
        while (name := names.legal_name(rng, sector, category.trades, large=not cell.sme)) in self._names:
            pass
        if sector != "individual":
            self._names.add(name)
        trading = (f"{names.root(rng)} {names.pick(rng, category.trades)}",) if sector == "company" else ()
        if cell.local:
            # Every fourth sits where the county's suppliers sit, so that bodies buy in each other's streets too.
            zones = LOCAL_ZONES if rng.random() < 0.25 else body.local_zones
        else:
            zones = {"bordering": 1} if sector == "individual" else NATIONAL_ZONES
        return self._add(
            legal_name=name,
            trading_names=trading if rng.random() < 0.15 else (),
            sector=sector,
            postcode=self._geography.draw(rng, zones),
            category=category.code,
            sme=cell.sme,
        )

    def _add(
        self,
        *,
        legal_name: str,
        trading_names: tuple[str, ...],
        sector: str,
        postcode: str,
        category: str,
        sme: bool,
        institution_id: str = "",
    ) -> int:
        rng = self._rng
        registered = sector in {"company", "cic"} or (sector == "charity" and rng.random() < 0.3)
        vat_share = {"company": 0.9, "public_body": 0.6, "individual": 0.0}.get(sector, 0.2)
        self.suppliers.append(
            Supplier(
                supplier_id=f"S{len(self.suppliers) + 1:06}",
                legal_name=legal_name,
                trading_names=trading_names,
                sector=sector,
                postcode=postcode,
                authority=self._geography.authority(postcode),
                company_number=f"{rng.integers(1_000_000, 12_000_000):08}" if registered else "",
                charity_number=str(rng.integers(1_800_000, 2_000_000)) if sector == "charity" else "",
                vat_number=_vat_number(rng) if rng.random() < vat_share else "",
                employees=_employees(rng, sector, sme=sme),
                sme=sme,
                category=category,
                institution_id=institution_id,
            )
        )
        return len(self.suppliers) - 1


@cache
def _buying(body_type: str) -> dict[str, int]:
    """How much a type of body buys under each category code."""
    return {category.code: category.buyers[body_type] for category in categories()}


@cache
def _businesses(body_type: str, in_scope: bool, sme: bool) -> tuple[list[tuple[Category, str]], np.ndarray]:
    """Category and sector of what a type of body buys in a cell, with cumulative weights."""
    found, weights = [], []
    for category in categories():
        for sector, weight in category.sectors.items():
            if category.in_scope == in_scope and sector in (_SME_SECTORS if sme else _OTHER_SECTORS):
                found.append((category, sector))
                weights.append(category.buyers[body_type] * weight / sum(category.sectors.values()))
    return found, np.cumsum(weights)


def _employees(rng: np.random.Generator, sector: str, *, sme: bool) -> int | None:
    if sector == "individual":
        return None
    if sector == "sole_trader":
        return int(rng.integers(1, 5))
    if sme:
        return int(np.clip(rng.lognormal(2.7, 1.2), 1, 249))
    smallest, usual = (3, 3.0) if sector == "charity" else (250, 5.0)
    return smallest + int(min(rng.lognormal(usual, 1.4), 40_000))


def _vat_number(rng: np.random.Generator) -> str:
    """Nine digits of which the last two check the others, as HM Revenue and Customs computes them."""
    digits = str(rng.integers(1_000_000, 9_999_999))
    total = sum(weight * int(digit) for weight, digit in zip(range(8, 1, -1), digits, strict=True))
    return f"GB{digits}{97 - total % 97:02}"
