"""Contract registers: what each body has under contract, alone and with others, and its quarterly snapshots."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from anchorspend.sample.bidders import Bidders
from anchorspend.sample.names import pick
from anchorspend.sample.periods import periods
from anchorspend.sample.portal import Opportunity
from anchorspend.sample.procurement import REGISTERED_OVER, Contracts, cpv_code, together
from anchorspend.sample.tables import YEARS, Body, categories, public_bodies
from anchorspend.sample.tabular import Pence, Record, Tables, Value, publish_tables

_ENDS_APART = 21
"""Days by which contracts that could be one end apart from each other."""
_PAID_UNDER = 0.85
"""Share of contracts whose reference the ledger holds."""
_EXTENDED, _WRONG_FLAGS = 0.4, 0.04
_THRESHOLD = 181_302_00
"""Pence above which the regulations asked for a tender in 2018 and 2019."""
_QUOTED = frozenset({"quick_quote", "mini_competition", "call_off"})
_TYPES = {"framework": "Framework agreement"}


@dataclass(frozen=True)
class Contract:
    """One contract of one body. `together`: number of the plan it belongs to, from 1; 0 without one. `record` is the
    body's vendor record of the supplier, None where it has none."""

    ref: str
    title: str
    category: str
    department: str
    supplier: int
    record: int | None
    starts: date
    ends: date
    extends_to: date
    pence: int
    route: str
    lead: str = ""
    partners: tuple[str, ...] = ()
    together: int = 0
    opportunity_ref: str = ""
    ocid: str = ""


def contracts(
    rng: np.random.Generator,
    institution_id: str,
    body: Body,
    plan: Contracts,
    bidders: Bidders,
    paid: pd.Series,
    found: list[Opportunity],
    joint: dict[str, int],
) -> list[Contract]:
    """Every contract of a body that ran in the county's years, in the order of references.

    `paid` is pence by supplier; `found` are its opportunities, which are told the contract they led to; `joint` holds
    the supplier of each contract of several bodies, and is added to by the first that comes.
    """
    made = [
        *_with_others(rng, institution_id, body, bidders, joint),
        *_alone(rng, body, plan, bidders, paid),
        *_tendered(rng, bidders, found),
    ]
    made = [replace(one, ref=f"{plan.prefix}{1_001 + 3 * number:05}") for number, one in enumerate(made)]
    references = {one.opportunity_ref: one.ref for one in made}
    for opportunity in found:
        opportunity.contract_ref = references.get(opportunity.ref, "")
    return made


def _with_others(
    rng: np.random.Generator, institution_id: str, body: Body, bidders: Bidders, joint: dict[str, int]
) -> Iterator[Contract]:
    """What is planned together with other bodies: one contract of all, or one of each that ends about the same time."""
    for number, one in enumerate(together(), start=1):
        if institution_id not in one.bodies:
            continue
        supplier = joint.get(one.title, -1)
        if supplier < 0:
            supplier = bidders.draw(rng, one.category)
        if one.is_one:
            joint[one.title] = supplier
        names = [next(body.name for body in public_bodies() if body.institution_id == name) for name in one.bodies]
        apart = timedelta(0 if one.is_one else int(rng.integers(-_ENDS_APART, _ENDS_APART + 1)))
        share = 1.0 if one.is_one else float(rng.uniform(0.5, 1.5))
        ends = one.ends + apart
        yield Contract(
            ref="",
            title=one.title,
            category=one.category,
            department=pick(rng, body.departments),
            supplier=supplier,
            record=bidders.record(supplier),
            starts=one.starts + apart,
            ends=ends,
            extends_to=ends,
            pence=round(one.pounds * share / 1_000) * 1_000_00,
            route="open",
            lead=names[0] if one.is_one else "",
            partners=tuple(names[1:]) if one.is_one else (),
            together=number,
        )


def _alone(
    rng: np.random.Generator, body: Body, plan: Contracts, bidders: Bidders, paid: pd.Series
) -> Iterator[Contract]:
    """What no portal knows of, worth about what the ledger pays."""
    for starts, supplier in _begun(rng, body, plan, paid):
        years = int(rng.integers(2, 6))
        ends = max(_years_on(starts, years), date(YEARS[0], body.year_starts, 30))
        worth = paid[supplier] / len(YEARS) * years * rng.uniform(0.8, 1.3)
        pence = max(round(worth / 1_000_00) * 1_000_00, (REGISTERED_OVER + 1_000) * 100)
        category = bidders.category(supplier)
        yield Contract(
            ref="",
            title=f"{pick(rng, category.purchases)}: {category.purpose}",
            category=category.code,
            department=pick(rng, body.departments),
            supplier=supplier,
            record=bidders.record(supplier),
            starts=starts,
            ends=ends,
            extends_to=_extended(rng, starts, ends),
            pence=pence,
            route=pick(rng, ("open", "restricted") if pence > _THRESHOLD else ("quick_quote", "call_off")),
        )


def _tendered(rng: np.random.Generator, bidders: Bidders, found: list[Opportunity]) -> Iterator[Contract]:
    """What was awarded on the portal and is large enough for the register."""
    for one in found:
        if one.outcome == "awarded" and one.pence >= REGISTERED_OVER * 100:
            starts = one.ends + timedelta(int(rng.integers(10, 45)))
            ends = _years_on(starts, int(rng.integers(1, 5)))
            yield Contract(
                ref="",
                title=one.title,
                category=one.category,
                department=one.department,
                supplier=one.winner,
                record=bidders.record(one.winner),
                starts=starts,
                ends=ends,
                extends_to=_extended(rng, starts, ends),
                pence=one.pence,
                route=one.route,
                opportunity_ref=one.ref,
                ocid=one.ocid if one.noticed else "",
            )


def _extended(rng: np.random.Generator, starts: date, ends: date) -> date:
    """The last day a contract can be extended to: half as long again, where it can be extended."""
    return ends + (ends - starts) / 2 if rng.random() < _EXTENDED else ends


def paid_under(rng: np.random.Generator, lines: pd.DataFrame, made: list[Contract]) -> np.ndarray:
    """The contract reference of each ledger line, empty where the ledger knows of none."""
    references = np.full(len(lines), "", dtype=object)
    by_record = lines.groupby("record").indices
    days = lines.payment_date.to_numpy()
    for contract in made:
        if contract.record in by_record and rng.random() < _PAID_UNDER:
            rows = by_record[contract.record]
            running = (days[rows] >= np.datetime64(contract.starts)) & (days[rows] <= np.datetime64(contract.ends))
            references[rows[running]] = contract.ref
    return references


def publish_contracts(
    rng: np.random.Generator,
    folder: Path,
    institution_id: str,
    body: Body,
    bidders: Bidders,
    records: pd.DataFrame,
    made: list[Contract],
) -> Tables:
    """Write a body's snapshots into a folder, each of them the whole register as it stood on the last day of a quarter.

    What has ended leaves the register with the next snapshot.
    """
    assert body.contract, "the body has a contract register"
    values = [_values(rng, one, bidders, records) for one in made]
    snapshots = {
        period.label: [
            Record(row, key=i)
            for i, (one, row) in enumerate(zip(made, values, strict=True))
            if one.starts <= period.last and one.ends >= period.first
        ]
        for period in periods(body.contract.every, body.year_starts)
    }
    for number, rows in enumerate(snapshots.values()):
        for row, error, field in _mistakes(institution_id, number, rows):
            row.error, row.wrong = error, field
    return publish_tables(rng, folder, body.contract, body.year_starts, snapshots, "contract_value")


def _mistakes(institution_id: str, number: int, rows: list[Record]) -> list[tuple[Record, str, str]]:
    """What is wrong with the rows of a snapshot, the how manieth it is. All is right again in the last one."""
    dated = [row for row in rows if row.values["end_date"]]
    if institution_id == "luton_council":
        # The same contract never has an end date: what is on a rolling month has none.
        wrong = [(dated[0], "no_end_date", "end_date")]
        return wrong + ([(rows[7], "bad_amount", "contract_value")] if number in {2, 6} else [])
    if institution_id == "bedford_borough_council":
        if number == 5:  # saved through a spreadsheet once
            return [
                (row, "lost_zeros", "company_number") for row in rows if str(row.values["company_number"])[:1] == "0"
            ]
        if number == 3:
            early = next(row for row in dated if _reads_both_ways(row.values["end_date"]))
            return [(early, "month_first", "end_date"), (rows[-1], "no_ref", "contract_ref")]
        return []
    return [(rows[4], "bad_amount", "contract_value"), (rows[9], "bad_date", "start_date")] if number == 4 else []


def _reads_both_ways(day: object) -> bool:
    return isinstance(day, date) and day.day <= 12 and day.day != day.month


def _values(rng: np.random.Generator, one: Contract, bidders: Bidders, records: pd.DataFrame) -> dict[str, Value]:
    supplier = bidders.supplier(one.supplier)
    category = next(category for category in categories() if category.code == one.category)
    known = records.loc[one.record] if one.record is not None else None
    return {
        "contract_ref": one.ref,
        "ocid": one.ocid,
        "title": one.title,
        "description": f"{one.title} ({category.label})",
        "contract_type": _TYPES.get(one.route, "Single award contract"),
        "organisational_unit": one.department,
        "supplier_name": supplier.legal_name if known is None else str(known["name"]),
        "supplier_ref": "" if known is None else str(known.supplier_ref),
        "supplier_postcode": supplier.postcode if known is None else str(known.postcode),
        "company_number": supplier.company_number,
        "charity_number": supplier.charity_number,
        "start_date": one.starts,
        "end_date": one.ends,
        "review_date": one.ends - timedelta(120),
        "last_extension_date": one.extends_to,
        "contract_value": Pence(one.pence),
        "irrecoverable_vat": Pence(0),
        "category_code": category.code,
        "category_label": category.label,
        "cpv_code": cpv_code(category.code),
        "process_type": "Invitation to quote" if one.route in _QUOTED else "Published invitation to tender",
        "route": one.route.replace("_", " ").capitalize(),
        "lead_body": one.lead,
        "partner_bodies": "; ".join(one.partners),
        "claimed_sme": supplier.sme ^ bool(rng.random() < _WRONG_FLAGS),
        "claimed_vcse": (supplier.sector in {"charity", "cic"}) ^ bool(rng.random() < _WRONG_FLAGS),
    }


def _begun(rng: np.random.Generator, body: Body, plan: Contracts, paid: pd.Series) -> list[tuple[date, int]]:
    """First day and supplier of the contracts no portal knows of: those paid most are likeliest to have one."""
    opens = date(YEARS[0], body.year_starts, 1)
    number = plan.stock + plan.new * len(YEARS)
    weights = np.sqrt(paid.to_numpy().clip(1))
    suppliers = rng.choice(paid.index.to_numpy(), number, replace=number > len(paid), p=weights / weights.sum())
    early = [opens - timedelta(int(rng.integers(30, 1400))) for _ in range(plan.stock)]
    late = [opens + timedelta(int(rng.integers(0, 365 * len(YEARS)))) for _ in range(number - plan.stock)]
    return [(day.replace(day=1), int(one)) for day, one in zip(sorted(early + late), suppliers, strict=True)]


def _years_on(day: date, years: int) -> date:
    """The day before the anniversary."""
    later = date(day.year + years, day.month, min(day.day, 28))
    return later - timedelta(1)
