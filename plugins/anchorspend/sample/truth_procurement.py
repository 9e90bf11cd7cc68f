"""What is true of how the sample county's institutions buy: files of the truth beside those of `sample.truth`.

| file | one row per |
|---|---|
| `opportunities.csv` | opportunity of a portal: its days from first to last, whether a local supplier was invited |
| `contracts.csv` | contract of a register, with its supplier; `together` joins what bodies share or could share |
| `exemptions.csv`, `savings.csv`, `events.csv`, `social_value.csv` | entry of these registers that can be loaded |

`local_invited` goes by where suppliers truly are, `local_invited_as_written` by the postcodes in the log: yes, no, or
unknown where one that is missing could be local. Both are empty for what was advertised. `financial_year` is of the
award, or of the day of a register's entry.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from anchorspend.sample.bidders import Bidders
from anchorspend.sample.contracts import Contract
from anchorspend.sample.geography import is_local
from anchorspend.sample.money import pounds
from anchorspend.sample.periods import year_of
from anchorspend.sample.portal import Opportunity
from anchorspend.sample.publish import write_rows
from anchorspend.sample.tables import bodies, financial_year
from anchorspend.sample.tabular import Pence, Tables, Value

_FILES = {"exemption": "exemptions", "saving": "savings", "event": "events", "social_value": "social_value"}
_DATED = {
    "exemption": "requested_date",
    "saving": "saving_date",
    "event": "event_date",
    "social_value": "recorded_date",
}


@dataclass(frozen=True)
class Bought:
    """How one institution bought: its opportunities, its contracts, and its small registers by feed."""

    institution_id: str
    bidders: Bidders
    opportunities: list[Opportunity]
    contracts: list[Contract]
    registers: dict[str, Tables] = field(default_factory=dict)


def write_procurement_truth(folder: Path, bought: list[Bought]) -> None:
    """Write every file of truth about how institutions buy."""
    _write(folder / "opportunities.csv", (_opportunity(one, each) for one in bought for each in one.opportunities))
    _write(folder / "contracts.csv", (_contract(one, each) for one in bought for each in one.contracts))
    for feed_id, name in _FILES.items():
        _write(folder / f"{name}.csv", (row for one in bought for row in _entries(one, feed_id)))


def _opportunity(bought: Bought, one: Opportunity) -> dict[str, Value]:
    awarded = one.outcome == "awarded"
    suppliers = [bought.bidders.supplier(supplier) for supplier in one.suppliers]
    truly = any(is_local(supplier.postcode, supplier.authority) for supplier in suppliers)
    shown = [
        is_local(supplier.postcode, supplier.authority) if one.shown_postcodes[position] else None
        for position, supplier in zip(one.suppliers, suppliers, strict=True)
    ]
    written = "yes" if any(shown) else "unknown" if None in shown else "no"
    return {
        "institution_id": bought.institution_id,
        "opportunity_ref": one.ref,
        "route": one.route,
        "outcome": one.outcome,
        "start_date": one.starts,
        "end_date": None if one.outcome == "open" else one.ends,
        "days": one.days if awarded else None,
        "financial_year": _financial_year(bought, one.ends) if awarded else "",
        "suppliers": len(one.suppliers),
        "local_invited": "" if one.advertised else truly,
        "local_invited_as_written": "" if one.advertised else written,
        "supplier_id": bought.bidders.supplier(one.winner).supplier_id if awarded else "",
        "estimated_value": Pence(one.pence),
        "category_code": one.category,
        "contract_ref": one.contract_ref,
        "ocid": one.ocid if one.noticed else "",
    }


def _contract(bought: Bought, one: Contract) -> dict[str, Value]:
    return {
        "institution_id": bought.institution_id,
        "contract_ref": one.ref,
        "title": one.title,
        "supplier_id": bought.bidders.supplier(one.supplier).supplier_id,
        "category_code": one.category,
        "route": one.route,
        "start_date": one.starts,
        "end_date": one.ends,
        "contract_value": Pence(one.pence),
        "is_joint": bool(one.lead),
        "lead_body": one.lead,
        "together": one.together or None,
        "opportunity_ref": one.opportunity_ref,
        "ocid": one.ocid,
    }


def _entries(bought: Bought, feed_id: str) -> Iterable[dict[str, Value]]:
    if feed_id not in bought.registers:
        return
    for place in bought.registers[feed_id].places:
        values, supplier = dict(place.record.values), place.record.key
        day = values[_DATED[feed_id]]
        assert isinstance(day, date)
        values.pop("supplier_name", None)
        known = {"supplier_id": bought.bidders.supplier(supplier).supplier_id} if supplier >= 0 else {}
        yield {
            "institution_id": bought.institution_id,
            "file": place.file,
            "row": place.row,
            "financial_year": _financial_year(bought, day),
            **known,
            **values,
        }


def _financial_year(bought: Bought, day: date) -> str:
    return financial_year(year_of(day, bodies()[bought.institution_id].year_starts))


def _write(path: Path, rows: Iterable[dict[str, Value]]) -> None:
    table = list(rows)
    write_rows(path, [list(table[0]), *([_text(value) for value in row.values()] for row in table)])


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Pence():
            return pounds(value)
    return str(value)
