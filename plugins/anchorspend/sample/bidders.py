"""Those who could win an institution's contracts: its own suppliers, as it has them on its books."""

import numpy as np
import pandas as pd

from anchorspend.sample.geography import is_local
from anchorspend.sample.tables import Category, categories
from anchorspend.sample.world import Supplier

_SECTORS = frozenset({"company", "cic", "charity"})
"""Sectors that tender here: a sole trader's or foster carer's name is a person's."""


class Bidders:
    """The suppliers of an institution that tender, by position in the world, with their vendor records."""

    def __init__(self, suppliers: list[Supplier], records: pd.DataFrame) -> None:
        self._suppliers = suppliers
        self._category = {category.code: category for category in categories()}
        self._records: dict[int, int] = {}
        for record, position in enumerate(records.supplier.tolist()):
            supplier = suppliers[position]
            category = self._category[supplier.category]
            if supplier.sector in _SECTORS and category.in_scope and any(category.buyers.values()):
                self._records.setdefault(position, record)
        positions = list(self._records)
        local = [is_local(suppliers[one].postcode, suppliers[one].authority) for one in positions]
        self._by_place = {
            here: [p for p, is_here in zip(positions, local, strict=True) if is_here == here] for here in (True, False)
        }
        self._by_trade: dict[str, list[int]] = {}
        for position in positions:
            self._by_trade.setdefault(suppliers[position].category, []).append(position)
        self._positions = positions

    def supplier(self, position: int) -> Supplier:
        """The supplier as it truly is."""
        return self._suppliers[position]

    def category(self, position: int) -> Category:
        """What a supplier mainly sells."""
        return self._category[self._suppliers[position].category]

    def record(self, position: int) -> int | None:
        """The first vendor record of a supplier; None when the institution has none."""
        return self._records.get(position)

    def is_local(self, position: int) -> bool:
        """Whether a supplier truly is local, by the strategy's definition."""
        supplier = self._suppliers[position]
        return is_local(supplier.postcode, supplier.authority)

    def draw(self, rng: np.random.Generator, category: str = "") -> int:
        """A supplier; of a category, where the institution has one of it."""
        among = self._by_trade.get(category) or self._positions
        return among[int(rng.integers(len(among)))]

    def rivals(self, rng: np.random.Generator, winner: int, count: int, *, with_local: bool | None) -> list[int]:
        """`count` different suppliers with the winner among them: those of its trade first, then others.

        `with_local`: whether one of them must be local, or none but the winner may be; None: as it comes.
        """
        trade = self._by_trade[self._suppliers[winner].category]
        found = dict.fromkeys([winner])
        if with_local and not self.is_local(winner):
            found[self._from(rng, self._by_place[True])] = None
        for _ in range(20 * count):
            if len(found) >= count:
                break
            other = self._from(rng, trade if rng.random() < 0.7 else self._positions)
            if with_local is not False or not self.is_local(other):
                found[other] = None
        return list(found)

    @staticmethod
    def _from(rng: np.random.Generator, among: list[int]) -> int:
        return among[int(rng.integers(len(among)))]
