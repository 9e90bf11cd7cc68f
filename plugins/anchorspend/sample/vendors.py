"""An institution's vendor records: its own numbers, spellings and postcodes for the suppliers of the world."""

import numpy as np
import pandas as pd

from anchorspend.sample import names
from anchorspend.sample.cells import Cell, Target
from anchorspend.sample.geography import NATIONAL_ZONES, Geography, nowhere
from anchorspend.sample.tables import YEARS, Body
from anchorspend.sample.world import World

_NEW_EACH_YEAR = 0.25
_SECOND_RECORDS = 0.02
"""Share of records that are the second record of a supplier already on the books."""

CARD_CELL = Cell(in_scope=True, sme=False, local=False)
"""Where the bank behind the procurement cards belongs."""
_NUMBERS_KNOWN = 0.6
"""Share of register numbers an institution holds; spreadsheets have taken the leading zeros of company numbers."""


def vendor_records(
    rng: np.random.Generator,
    world: World,
    geography: Geography,
    institution_id: str,
    body: Body,
    years: dict[int, dict[Cell, Target]],
    *,
    card_issuer: int | None,
) -> pd.DataFrame:
    """One row per vendor record of an institution.

    Columns: supplier (position in the world), cell, size (how much is bought, relative), supplier_ref, name, postcode,
    company_number, charity_number and vat_number (as written), paid_<year> (whether it is paid in that year) and
    flawless (whether nothing about it may be wrong). In every year the records of a cell are as many as its target
    says; from year to year the oldest go. `card_issuer` is among them in every year, where one is given.
    """
    parts = []
    for cell in years[YEARS[0]]:
        wanted = [years[year][cell].suppliers for year in YEARS]
        leaving = round(wanted[0] * _NEW_EACH_YEAR)
        count = max(leaving * i + number for i, number in enumerate(wanted))
        second = round(count * _SECOND_RECORDS)
        issuer = [card_issuer] if card_issuer is not None and cell == CARD_CELL else []
        found = world.supply(institution_id, body, cell, count - second - len(issuer))
        positions = np.array(found, dtype=np.int64)
        positions = np.concatenate([positions, rng.choice(positions, second), np.array(issuer, dtype=np.int64)])
        place = rng.permutation(count)
        if issuer:
            always = int(np.flatnonzero(place == leaving * (len(YEARS) - 1))[0])
            place[[always, -1]] = place[[-1, always]]
        paid = {
            f"paid_{year}": (place >= leaving * i) & (place < leaving * i + number)
            for i, (year, number) in enumerate(zip(YEARS, wanted, strict=True))
        }
        parts.append(pd.DataFrame({"supplier": positions, "cell": [cell] * count, **paid}))
    records = pd.concat(parts, ignore_index=True)
    suppliers = [world.suppliers[position] for position in records.supplier]
    numbers = 10_000 + rng.permutation(len(records))
    flawless = records[f"paid_{body.flawless_year}"] if body.flawless_year else pd.Series(False, records.index)
    relocated = ~flawless & (rng.random(len(records)) < body.relocated_records)
    return records.assign(
        size=rng.lognormal(0, 1.1, len(records)),
        supplier_ref=[f"{body.supplier_prefix}{number}" for number in numbers],
        name=[names.as_written(rng, one.legal_name, one.trading_names, body.house_style) for one in suppliers],
        postcode=[
            _retyped(rng, geography.draw(rng, NATIONAL_ZONES) if moved else one.postcode)
            for one, moved in zip(suppliers, relocated, strict=True)
        ],
        company_number=[_as_keyed(rng, one.company_number).lstrip("0") for one in suppliers],
        charity_number=[_as_keyed(rng, one.charity_number) for one in suppliers],
        vat_number=[_as_keyed(rng, one.vat_number).removeprefix("GB") for one in suppliers],
        flawless=flawless,
    )


def lose_postcodes(rng: np.random.Generator, body: Body, records: pd.DataFrame, lines: pd.DataFrame) -> None:
    """Spoil the postcodes of records, so that the body's share of each year's pounds can no longer be placed.

    Most are left empty, some hold a postcode that does not exist, some no postcode at all.
    """
    spoilt: list[int] = []
    for year in reversed(YEARS):
        paid = lines[lines.year == year].groupby("record").pence.sum().reindex(records.index, fill_value=0)
        left = paid.sum() * body.unplaced_pounds - paid[spoilt].sum()
        later = [f"paid_{other}" for other in YEARS if other > year]
        free = ~records.flawless & (paid > 0) & ~records[later].any(axis=1)
        for record in rng.permutation(records.index[free].tolist()):
            if paid[record] <= left:
                left -= paid[record]
                spoilt.append(record)
    records.loc[spoilt, "postcode"] = [_useless(rng, written) for written in records.postcode[spoilt]]


def _as_keyed(rng: np.random.Generator, number: str) -> str:
    """A register number where the institution has asked for it."""
    return number if rng.random() < _NUMBERS_KNOWN else ""


def _retyped(rng: np.random.Generator, postcode: str) -> str:
    """A postcode as a clerk types it: mostly well, else without its space, in small letters or with spaces too many."""
    chance = rng.random()
    if chance < 0.03:
        return postcode.replace(" ", "")
    if chance < 0.05:
        return postcode.lower()
    return postcode.replace(" ", "  ") if chance < 0.06 else postcode


def _useless(rng: np.random.Generator, postcode: str) -> str:
    chance = rng.random()
    if chance < 0.75:
        return ""
    if chance < 0.9:
        return nowhere(postcode.upper())
    return postcode.split()[0].upper() if chance < 0.95 and " " in postcode else "TBC"
