"""An institution's vendor records: its own numbers, spellings and postcodes for the suppliers of the world."""

import re
from collections.abc import Callable, Mapping

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
_DAMAGED, _DAMAGED_NOT_LOST = 0.015, 0.25
"""Shares of records whose postcode is damaged, and of those without one that have a damaged one instead."""
_AREAS_OF_ONE_LETTER = frozenset("BEGLMNSW")
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
    company_number, charity_number and vat_number (as written), paid_<year> (whether it is paid in that year),
    flawless (whether nothing about it may be wrong), true_postcode (the supplier's) and postcode_damage (what became of
    it on the record, a key of `DAMAGES` or `OTHER_DAMAGES`; empty where it reads as it should). In every year the
    records of a cell are as many as its target says; from year to year the oldest go. `card_issuer` is among them in
    every year, where one is given.
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
    written = records.assign(
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
    true = [one.postcode for one in suppliers]
    kinds = zip(written.postcode, true, relocated, strict=True)
    return written.assign(true_postcode=true, postcode_damage=[_retyping(*one) for one in kinds])


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
    records.loc[spoilt, "postcode_damage"] = [_loss(written) for written in records.postcode[spoilt]]


def damage_postcodes(rng: np.random.Generator, records: pd.DataFrame) -> None:
    """Damage postcodes as clerks and systems do, so that most can be told all the same.

    A part of the records without one have a damaged one instead, and so do a few of the others; flawless ones never.
    """
    lost = records.postcode_damage == "missing"
    whole = records.postcode_damage.isin({"", "spacing", "lower_case"}) & ~records.flawless
    chance = rng.random(len(records))
    chosen = (lost & (chance < _DAMAGED_NOT_LOST)) | (whole & (chance < _DAMAGED))
    damaged = []
    for true in records.true_postcode[chosen]:
        kinds = [kind for kind in DAMAGES if DAMAGES[kind](true) != true]
        kind = names.pick(rng, kinds)
        if kind == "prefix" and not _tells_its_area(true):
            kind = "trailing_mark"
        damaged.append((DAMAGES[kind](true), kind))
    if damaged:
        records.loc[chosen, ["postcode", "postcode_damage"]] = damaged


def _tells_its_area(postcode: str) -> bool:
    """Whether letters before a postcode leave one way to read it: `CISNE8 1PB` may be of NE or of E."""
    area = re.split(r"\d", postcode, maxsplit=1)[0].upper()
    return len(area) == 2 and area[1] not in _AREAS_OF_ONE_LETTER


def _letter_for_digit(postcode: str) -> str:
    """The first digit that looks like a letter, as that letter."""
    return re.sub("[01]", lambda digit: "OI"[int(digit[0])], postcode, count=1)


DAMAGES: Mapping[str, Callable[[str], str]] = {
    "letter_for_digit": _letter_for_digit,
    "prefix": lambda postcode: f"CIS-{postcode}",
    "trailing_mark": lambda postcode: f"{postcode}.",
    "spacing": lambda postcode: f"{postcode[:2]} {postcode[2:].replace(' ', '')}",
    "lower_case": str.lower,
    "outward_only": lambda postcode: postcode.split()[0],
}
"""What can become of a postcode, by kind. Its letters and digits stand in all of them but `letter_for_digit`, whose
letter O or I was 0 or 1, and `outward_only`, whose rest is gone."""
REPAIRABLE = frozenset(DAMAGES) - {"outward_only"}
"""Kinds from which the whole postcode can be told."""
OTHER_DAMAGES = ("missing", "no_such_postcode", "placeholder", "relocated")
"""Kinds that leave nothing to tell it from; `relocated` is another, valid, postcode."""


def _retyping(written: str, true: str, relocated: bool) -> str:
    """How a clerk typed a postcode, empty where as it should be."""
    if relocated:
        return "relocated"
    return "" if written == true else "spacing" if written.isupper() else "lower_case"


def _loss(written: str) -> str:
    if not written:
        return "missing"
    if written == "TBC":
        return "placeholder"
    return "no_such_postcode" if written.endswith("KV") else "outward_only"


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
