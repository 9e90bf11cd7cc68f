"""What is true of the sample county, written beside it: the oracle every figure of the pipeline is judged by.

| file | one row per |
|---|---|
| `suppliers.csv` | true supplier, with what it is in law (see `entities.Entity`) and its accounts |
| `supplier_records.csv` | institution, feed, supplier number (where shown), name and postcode, with its supplier |
| `lines.csv` | loadable spend line that counts: of the ledger, else the observatory, and of cards no ledger pays |
| `cards.csv` | loadable purchase of a card feed, whether it counts or the ledger holds it already |
| `errors.csv` | cell that is wrong; `loads` says whether its line can be loaded all the same |
| `batches.csv` | file |
| `figures.csv` | institution, financial year and definition of local |
| `individuals.csv` | private person among the payees, by institution that writes the name out |

Amounts are pounds, as published: `net_amount` takes off the VAT a gross feed holds. `scope` is works, supplies or
social_care, or why the line is outside these (grant, precept_levy, public_body, tax_pension, treasury, refund).

A register entry is right for a supplier under its `company_number`, `charity_number`, `society_number` or
`public_body_id`; who has none of them is in no register. In `supplier_records.csv`, `postcode_damage` says what became
of the supplier's `true_postcode` on the record (`vendors.DAMAGES`, `vendors.OTHER_DAMAGES`; empty: nothing).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from anchorspend.sample.entities import Entity, Law, accounts
from anchorspend.sample.geography import BEDFORDSHIRE, LUTON, Geography, compact
from anchorspend.sample.money import pounds
from anchorspend.sample.observatory import REDACTED
from anchorspend.sample.publish import Account, Batch, FileError, Published, write_rows
from anchorspend.sample.tables import YEARS, categories, financial_year
from anchorspend.sample.truth_procurement import Bought, write_procurement_truth
from anchorspend.sample.vendors import REPAIRABLE
from anchorspend.sample.world import Supplier

_DEFINITIONS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "primary": lambda places: places.postcode.str.match(r"LU\d"),
    "secondary": lambda places: places.authority.isin(BEDFORDSHIRE),
    "strategy": lambda places: places.postcode.str.match(r"LU\d") | places.authority.isin(BEDFORDSHIRE),
    "luton_borough": lambda places: places.authority == LUTON,
}
_LABELS = {year: financial_year(year) for year in YEARS}


@dataclass(frozen=True)
class Feed:
    """One published feed: `counts` says whether its lines are the institution's spend or a second opinion."""

    institution_id: str
    feed_id: str
    counts: bool
    account: Account


def write_truth(
    folder: Path,
    geography: Geography,
    suppliers: list[Supplier],
    law: Law,
    feeds: list[Feed],
    bought: list[Bought],
    as_of: date,
) -> None:
    """Write every file of truth about the county's feeds and about how its institutions buy."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_suppliers(folder, suppliers, law, as_of)
    spend = [(feed, feed.account) for feed in feeds if isinstance(feed.account, Published)]
    records = pd.concat([_records(feed, account, suppliers) for feed, account in spend], ignore_index=True)
    records.to_csv(folder / "supplier_records.csv", index=False)
    _write_individuals(folder, suppliers, records)
    made = [(feed, _lines(feed, account, geography)) for feed, account in spend]
    lines = pd.concat([part for feed, part in made if feed.counts], ignore_index=True)
    _write_lines(folder / "lines.csv", suppliers, lines)
    cards = pd.concat([part for feed, part in made if feed.feed_id == "card"], ignore_index=True)
    _write_lines(folder / "cards.csv", suppliers, cards)
    write_procurement_truth(folder, bought)
    _figures(geography, suppliers, lines).to_csv(folder / "figures.csv", index=False)
    place = ["institution_id", "feed_id"]
    write_rows(
        folder / "errors.csv",
        [
            [*place, *FileError._fields],
            *(
                (feed.institution_id, feed.feed_id, *error[:-1], "yes" if error.loads else "no")
                for feed in feeds
                for error in feed.account.errors
            ),
        ],
    )
    batches = [
        (feed.institution_id, feed.feed_id, *batch[:4], pounds(batch.pence), "yes" if batch.superseded else "no")
        for feed in feeds
        for batch in feed.account.batches
    ]
    header = ["pounds" if name == "pence" else name for name in Batch._fields]
    write_rows(folder / "batches.csv", [[*place, *header], *batches])


def _write_suppliers(folder: Path, suppliers: list[Supplier], law: Law, as_of: date) -> None:
    # Company numbers are the law's, which knows the company behind an academy.
    table = _table(Supplier, suppliers).assign(**_table(Entity, law.entities))
    table["trading_names"] = table.trading_names.str.join("|")
    for flag in ("sme", "parent_is_large", "voluntary"):
        table[flag] = np.where(table[flag], "yes", "no")
    for number in ("employees", "company_employees", "turnover", "balance_sheet"):
        table[number] = table[number].astype("Int64")
    filed = [accounts(one, as_of) if one.incorporation_date else ("", None) for one in law.entities]
    table["accounts_category"], table["accounts_made_up_date"] = zip(*filed, strict=True)
    table = table.drop(columns="filing")
    table = table.rename(columns={"authority": "authority_code", "category": "category_code"})
    table.to_csv(folder / "suppliers.csv", index=False)


def _table(of: type[Supplier] | type[Entity], rows: Sequence[Supplier | Entity]) -> pd.DataFrame:
    names = [field.name for field in fields(of)]
    return pd.DataFrame({name: [getattr(one, name) for one in rows] for name in names})


def _records(feed: Feed, account: Published, suppliers: list[Supplier]) -> pd.DataFrame:
    counted = account.records.loc[np.unique(account.lines.record)]
    table = counted.drop_duplicates(["supplier_ref", "name", "postcode", "supplier"])
    return pd.DataFrame(
        {
            "institution_id": feed.institution_id,
            "feed_id": feed.feed_id,
            "supplier_ref": table.supplier_ref,
            "name": table["name"],
            "postcode": table.postcode,
            "supplier_id": [suppliers[position].supplier_id for position in table.supplier],
            "true_postcode": table.get("true_postcode", ""),
            "postcode_damage": table.get("postcode_damage", ""),
        }
    )


def _write_individuals(folder: Path, suppliers: list[Supplier], records: pd.DataFrame) -> None:
    people = pd.DataFrame(
        [(one.supplier_id, one.legal_name, one.postcode) for one in suppliers if one.sector == "individual"],
        columns=["supplier_id", "name", "postcode"],
    )
    named = records.loc[records["name"] != REDACTED, ["supplier_id", "institution_id", "name"]].drop_duplicates()
    named = named.rename(columns={"name": "name_as_written"})
    people.merge(named, on="supplier_id").to_csv(folder / "individuals.csv", index=False)


def _lines(feed: Feed, account: Published, geography: Geography) -> pd.DataFrame:
    """Lines of a feed with its names, their supplier, and postcode and authority of its record as written."""
    records, lines = account.records, account.lines
    places = _places(geography, records.postcode)
    repaired = places
    if "postcode_damage" in records:
        repairable = records.postcode_damage.isin(REPAIRABLE)
        repaired = _places(geography, records.true_postcode.where(repairable, records.postcode))
    return lines[["file", "sheet", "row", "payment_date", "year", "pence", "net_pence", "category"]].assign(
        institution_id=feed.institution_id,
        feed_id=feed.feed_id,
        supplier=records.supplier.to_numpy()[lines.record],
        postcode=places.postcode.to_numpy()[lines.record],
        authority=places.authority.to_numpy()[lines.record],
        repaired_postcode=repaired.postcode.to_numpy()[lines.record],
        repaired_authority=repaired.authority.to_numpy()[lines.record],
    )


def _write_lines(path: Path, suppliers: list[Supplier], lines: pd.DataFrame) -> None:
    numbers = np.array([supplier.supplier_id for supplier in suppliers], dtype=object)
    columns = {
        "institution_id": lines.institution_id,
        "feed_id": lines.feed_id,
        "file": lines.file,
        "sheet": lines.sheet,
        "row": lines.row,
        "payment_date": lines.payment_date.dt.strftime("%Y-%m-%d").fillna(""),
        "financial_year": lines.year.map(_LABELS),
        "supplier_id": numbers[lines.supplier],
        "amount": [pounds(pence) for pence in lines.pence.tolist()],
        "net_amount": [pounds(pence) for pence in lines.net_pence.tolist()],
        "category_code": np.array([one.code for one in categories()], dtype=object)[lines.category],
        "scope": np.array([one.scope for one in categories()], dtype=object)[lines.category],
    }
    values = [column if isinstance(column, list) else column.tolist() for column in columns.values()]
    write_rows(path, [list(columns), *zip(*values, strict=True)])


def _figures(geography: Geography, suppliers: list[Supplier], lines: pd.DataFrame) -> pd.DataFrame:
    """Local, known and total pounds of every institution-year, by definition.

    `local_amount` and `known_amount` go by postcodes as written and sound: known is what was paid to records whose
    letters and digits, capitals or not and whatever stands between them, are a postcode that has an authority in the
    ONS list; local the part of it that a definition calls so. `repaired_local_amount` and `repaired_known_amount` go by
    what they are once every damage from which the whole postcode can be told (`vendors.REPAIRABLE`) is put right.
    `true_local_amount` goes by where the supplier truly is, whatever its record says.
    """
    true = _places(geography, [supplier.postcode for supplier in suppliers])
    known = lines.authority.notna()
    repaired = pd.DataFrame({"postcode": lines.repaired_postcode, "authority": lines.repaired_authority})
    repaired_known = repaired.authority.notna()
    parts = []
    for name, is_local in _DEFINITIONS.items():
        pence = pd.DataFrame(
            {
                "institution_id": lines.institution_id,
                "financial_year": lines.year.map(_LABELS),
                "definition": name,
                "local_amount": lines.pence.where(known & is_local(lines), 0),
                "known_amount": lines.pence.where(known, 0),
                "repaired_local_amount": lines.pence.where(repaired_known & is_local(repaired), 0),
                "repaired_known_amount": lines.pence.where(repaired_known, 0),
                "true_local_amount": lines.pence.where(is_local(true).to_numpy()[lines.supplier], 0),
                "total_amount": lines.pence,
            }
        )
        parts.append(pence.groupby(["institution_id", "financial_year", "definition"], sort=False).sum())
    figures = pd.concat(parts).reset_index()
    for column in figures.columns[3:]:
        figures[column] = figures[column].map(pounds)
    return figures.sort_values(["institution_id", "financial_year"], kind="stable")


def _places(geography: Geography, postcodes: Iterable[str]) -> pd.DataFrame:
    """Postcode, without a space, and authority, missing where there is none."""
    compacted = [compact(postcode) for postcode in postcodes]
    return pd.DataFrame(
        {"postcode": compacted, "authority": [geography.authorities.get(postcode) for postcode in compacted]}
    )
