"""An institution's ledger: who was paid, when and how much, so that every cell of a year comes to its target."""

import numpy as np
import pandas as pd

from anchorspend.sample.cells import Cell, Target
from anchorspend.sample.procurement import CARD_BILL
from anchorspend.sample.tables import Body, categories
from anchorspend.sample.vendors import CARD_CELL
from anchorspend.sample.world import Supplier

_OTHER_PURCHASES = 0.12
"""Share of in-scope lines that buy something else than the supplier's main business."""
_ABOVE_THRESHOLD = 5_00
"""Pence by which the smallest line exceeds what the body publishes over."""
_YEAR_END_RUSH = 1.3
"""Lines of the last month of a financial year, relative to the others."""


def ledger_lines(
    rng: np.random.Generator,
    body: Body,
    suppliers: list[Supplier],
    records: pd.DataFrame,
    years: dict[int, dict[Cell, Target]],
    card_bills: pd.DataFrame,
) -> pd.DataFrame:
    """One row per payment line of an institution, in the order of payment.

    `card_bills` are lines of the record of the bank behind the cards, with year, payment_date and pence, which count
    towards its cell; empty where the ledger does not pay them.

    Columns: record (position in the vendor records), year (in which the financial year begins), payment_date,
    invoice_date, received_date and filed_date (a day of the period whose file holds the line), pence, net_pence,
    category (position among the categories), purchase (position among the category's), invoice and transaction
    (numbers; the lines of a payment share the transaction), times (how often the ledger holds the line, alike in every
    field).
    """
    position = {category.code: i for i, category in enumerate(categories())}
    paid_to = [suppliers[supplier] for supplier in records.supplier.tolist()]
    business = np.array([position[supplier.category] for supplier in paid_to])
    person = np.array([supplier.sector == "individual" for supplier in paid_to])
    parts = []
    issues_cards = business == position[CARD_BILL]
    for year, cells in years.items():
        bills = card_bills[card_bills.year == year]
        for cell, target in cells.items():
            paid = records.index[records[f"paid_{year}"] & (records["cell"] == cell) & ~issues_cards].to_numpy()
            if cell == CARD_CELL:
                target = target.less(int(bills.pence.sum()), len(bills))
            lines = _amounts(rng, body, records["size"].to_numpy(), business, paid, target)
            record = lines.record.to_numpy()
            lines["category"] = _bought(rng, body, business[record], cell.in_scope & ~person[record])
            parts.append(_dated(rng, body, lines, year))
    if len(card_bills):
        parts.append(_paid_at_once(card_bills, int(np.flatnonzero(issues_cards)[0]), position[CARD_BILL]))
    lines = pd.concat(parts, ignore_index=True)
    taxed = np.array([supplier.vat_number != "" for supplier in paid_to])[lines.record]
    lines["net_pence"] = lines.pence
    if body.vat == "gross":
        lines["net_pence"] = np.where(taxed, np.rint(lines.pence / 1.2), lines.pence).astype(np.int64)
    choices = np.array([len(one.purchases) for one in categories()])
    lines["purchase"] = rng.integers(choices[lines.category])
    lines["invoice"] = rng.permutation(len(lines)) + 100_000
    lines = lines.sort_values(["payment_date", "invoice"], kind="stable")
    lines["transaction"] = lines.groupby(["payment_date", "record"], sort=False).ngroup() + 1_000_001
    return lines.loc[lines.index.repeat(lines.times)].reset_index(drop=True)


def _paid_at_once(bills: pd.DataFrame, record: int, category: int) -> pd.DataFrame:
    """Card bills as lines of a ledger: the bank collects them on the day of its statement."""
    day = bills.payment_date.to_numpy().astype("M8[D]")
    return pd.DataFrame(
        {
            "record": record,
            "pence": bills.pence.to_numpy(),
            "times": 1,
            "category": category,
            "year": bills.year.to_numpy(),
            "payment_date": day,
            "invoice_date": day,
            "received_date": day,
            "filed_date": day,
        }
    )


def _amounts(
    rng: np.random.Generator,
    body: Body,
    size: np.ndarray,
    business: np.ndarray,
    paid: np.ndarray,
    target: Target,
) -> pd.DataFrame:
    """Lines of one cell of one year: record, pence, times, nth (line of its record) and steady.

    Every record has a line, every line is above the body's threshold, and all of them come to the cell's pence.
    """
    least = body.over * 100 + _ABOVE_THRESHOLD
    number = min(target.lines, int(target.pence / (1.5 * least)))
    repeats = round(number * body.repeated_lines)
    popularity = size[paid] ** 0.5 * rng.exponential(size=len(paid))
    extra = rng.multinomial(max(number - repeats - len(paid), 0), popularity / popularity.sum())
    record = np.repeat(paid, extra + 1)
    nth = np.concatenate([np.arange(lines) for lines in extra + 1])
    steady = np.array([category.steady for category in categories()])[business[record]]
    typical = np.array([category.typical for category in categories()])[business[record]]
    worth = typical * size[record] * np.where(steady, 1, rng.lognormal(0, 0.7, len(record)))
    credit = ~steady & (nth > 0) & (rng.random(len(record)) < body.credit_notes)
    worth = np.where(credit, worth * 0.3, worth)
    sign = np.where(credit, -1, 1)
    times = np.ones(len(record), dtype=np.int64)
    times[rng.choice(np.flatnonzero(~credit), min(repeats, len(record) // 3), replace=False)] = 2
    rate = (target.pence - least * (sign * times).sum()) / (sign * worth * times).sum()
    assert rate > 0, "the cell's pounds do not reach its lines' threshold"
    pence = sign * (least + np.rint(rate * worth).astype(np.int64))
    # The pennies lost in rounding go where they show least: to the largest line that is not repeated.
    pence[np.where(times == 1, pence, 0).argmax()] += target.pence - (pence * times).sum()
    return pd.DataFrame({"record": record, "pence": pence, "times": times, "nth": nth, "steady": steady})


def _bought(rng: np.random.Generator, body: Body, business: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The category of each line: the supplier's main business, or on some lines that are free to, other supplies."""
    weights = np.array([one.buyers[body.type] * (one.scope == "supplies") for one in categories()], dtype=float)
    steady = np.array([one.steady for one in categories()])[business]
    other = free & ~steady & (rng.random(len(business)) < _OTHER_PURCHASES)
    return np.where(other, rng.choice(len(weights), len(business), p=weights / weights.sum()), business)


def _dated(rng: np.random.Generator, body: Body, lines: pd.DataFrame, year: int) -> pd.DataFrame:
    """Lines with their dates: on working days, steady ones once a month, invoices some weeks before."""
    first = np.datetime64(f"{year}-{body.year_starts:02}", "M")
    days = np.arange(first.astype("M8[D]"), (first + 12).astype("M8[D]"))
    days = days[np.is_busday(days)]
    months = days.astype("M8[M]")
    rush = np.where(months == first + 11, _YEAR_END_RUSH, 1.0)
    drawn = rng.choice(days, len(lines), p=rush / rush.sum())
    opening = days[np.searchsorted(months, first + lines.nth.to_numpy() % 12) + lines.record.to_numpy() % 15]
    paid = np.where(lines.steady, opening, drawn)
    next_month = (paid.astype("M8[M]") + 1).astype("M8[D]")
    late = (rng.random(len(lines)) < body.late_lines) & (next_month <= days[-1])
    invoiced = paid - rng.integers(4, 60, len(lines))
    return lines.drop(columns=["nth", "steady"]).assign(
        year=year,
        payment_date=paid,
        invoice_date=invoiced,
        received_date=np.minimum(invoiced + rng.integers(0, 9, len(lines)), paid),
        filed_date=np.where(late, next_month, paid),
    )
