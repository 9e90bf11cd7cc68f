"""The yearly files of an analytics vendor: spend per cleansed supplier, with flags that are mostly right."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from anchorspend.sample.geography import is_local
from anchorspend.sample.money import pounds
from anchorspend.sample.publish import Batch, Published, set_published, write_rows
from anchorspend.sample.tables import YEARS, Body, categories, financial_year
from anchorspend.sample.world import Supplier

REDACTED = "REDACTED PERSONAL DATA"
_LEAST_SPEND = 1_000_00
"""Pence a year below which the vendor drops a supplier: why its totals never equal the ledger's."""
_WRONG_FLAGS = {"SME": 0.05, "Local": 0.03, "Charity": 0.04}
_RETURNED_AFTER = timedelta(120)


def publish_observatory(
    rng: np.random.Generator,
    folder: Path,
    body: Body,
    suppliers: list[Supplier],
    records: pd.DataFrame,
    lines: pd.DataFrame,
) -> Published:
    """Write a body's observatory files into a folder, one a financial year.

    The lines of the result are rows of these files: they have no payment date, and `category` is the supplier's main
    business. Its records are the vendor's: one per supplier, cleansed, private persons redacted.
    """
    assert body.observatory, "the body has an observatory feed"
    folder.mkdir(parents=True, exist_ok=True)
    position = {category.code: i for i, category in enumerate(categories())}
    years = lines.assign(supplier=records.supplier.to_numpy()[lines.record]).groupby(["year", "supplier"])
    yearly = years.agg(pence=("net_pence", "sum"), transactions=("pence", "size"), record=("record", "first"))
    yearly = yearly[yearly.pence >= _LEAST_SPEND].reset_index()
    bought_from = [suppliers[supplier] for supplier in yearly.supplier]
    person = np.array([supplier.sector == "individual" for supplier in bought_from])
    vendor = pd.DataFrame(
        {
            "supplier": yearly.supplier,
            "supplier_ref": [f"C{100_000 + 7 * supplier}" for supplier in yearly.supplier],
            "name": np.where(person, REDACTED, [supplier.legal_name.upper() for supplier in bought_from]),
            "postcode": np.where(person, "", [_tidy(written) for written in records.postcode[yearly.record]]),
            "true_postcode": np.where(person, "", records.true_postcode[yearly.record]),
            "postcode_damage": np.where(person, "", records.postcode_damage[yearly.record]),
        }
    )
    vendor.loc[vendor.postcode == vendor.true_postcode, "postcode_damage"] = ""  # the vendor has put it right
    truly = {
        "SME": [supplier.sme for supplier in bought_from],
        "Local": [is_local(supplier.postcode, supplier.authority) for supplier in bought_from],
        "Charity": [supplier.sector == "charity" for supplier in bought_from],
    }
    columns = {
        "Financial Year": [financial_year(year) for year in yearly.year],
        "Supplier Cluster": vendor.supplier_ref,
        "Supplier": vendor["name"],
        "Postcode": vendor.postcode,
        "Company Reg No": [supplier.company_number for supplier in bought_from],
        "Charity Reg No": [supplier.charity_number for supplier in bought_from],
        "Employees": ["" if supplier.employees is None else supplier.employees for supplier in bought_from],
        "Spend (ex VAT)": [pounds(pence) for pence in yearly.pence],
        "Transactions": yearly.transactions,
        **{
            flag: np.where(np.array(truth) ^ (rng.random(len(truth)) < _WRONG_FLAGS[flag]), "Y", "N")
            for flag, truth in truly.items()
        },
        "Category Code": [supplier.category for supplier in bought_from],
        "Main Business": [categories()[position[supplier.category]].label for supplier in bought_from],
    }
    grid = pd.DataFrame(columns)
    placed, batches = [], []
    for year in YEARS:
        path = folder / body.observatory.file.format(year_label=financial_year(year))
        rows = yearly[yearly.year == year]
        write_rows(path, [list(grid), *grid.loc[rows.index].itertuples(index=False)])
        set_published(path, date(year + 1, body.year_starts, 1) + _RETURNED_AFTER)
        placed.append(rows.assign(file=path.name, sheet="", row=np.arange(2, len(rows) + 2)))
        batches.append(Batch(path.name, financial_year(year), len(rows), 0, int(rows.pence.sum()), superseded=False))
    account = pd.concat(placed).assign(
        record=yearly.index,
        net_pence=yearly.pence,
        payment_date=pd.Series(pd.NaT, yearly.index),
        category=[position[supplier.category] for supplier in bought_from],
    )
    return Published(errors=[], batches=batches, records=vendor, lines=account)


def _tidy(postcode: str) -> str:
    return " ".join(postcode.upper().split())
