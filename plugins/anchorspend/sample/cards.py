"""Procurement cards: what was bought with them, the bank's monthly bill, and the files that list the purchases."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from anchorspend.sample.names import pick
from anchorspend.sample.periods import periods
from anchorspend.sample.procurement import Cards, merchants, register_words
from anchorspend.sample.publish import Published
from anchorspend.sample.tables import YEARS, Body, categories
from anchorspend.sample.tabular import Pence, Record, Value, by_period, publish_tables
from anchorspend.sample.world import Supplier

_MERCHANTS = 110
_WIDTH = 22
"""Characters a card scheme has for a merchant's name."""
_REFUNDS = 0.03
_LEAST = 1_00
_SECTORS = frozenset({"company", "cic", "charity"})
"""Sectors cards buy from here: a sole trader's name is a person's, and a terminal would show it."""
_BROKEN_EVERY = 241
"""Of so many purchases one is written so that it cannot be loaded."""


def card_merchants(rng: np.random.Generator, suppliers: list[Supplier]) -> pd.DataFrame:
    """Suppliers as a card scheme knows them: supplier (position in the world), supplier_ref, name, postcode.

    A terminal gives neither number nor postcode. Some suppliers have two terminals, each with a spelling of its own.
    """
    known = [i for i, one in enumerate(suppliers) if one.category in merchants() and one.sector in _SECTORS]
    drawn = rng.choice(known, _MERCHANTS)
    named: dict[str, int] = {}
    for position in drawn.tolist():
        named.setdefault(_on_the_terminal(rng, suppliers[position].legal_name), position)
    return pd.DataFrame(
        {"supplier": list(named.values()), "supplier_ref": "", "name": list(named), "postcode": ""},
    )


def card_lines(
    rng: np.random.Generator,
    body: Body,
    cards: Cards,
    suppliers: list[Supplier],
    records: pd.DataFrame,
    scale: float,
) -> pd.DataFrame:
    """One row per purchase, in the order of days; `records` are of `card_merchants`.

    Columns: record, year, payment_date, pence, net_pence, category and purchase (positions), transaction. A year's
    pounds are the same at every scale.
    """
    position = {category.code: i for i, category in enumerate(categories())}
    sold = np.array([position[suppliers[supplier].category] for supplier in records.supplier])
    typical = np.array([merchants()[suppliers[supplier].category].typical for supplier in records.supplier])
    taxed = np.array([suppliers[supplier].vat_number != "" for supplier in records.supplier])
    parts = []
    for year, pounds in zip(YEARS, cards.pounds, strict=True):
        number = max(round(cards.lines * scale), 48)
        record = rng.integers(len(records), size=number)
        worth = typical[record] * rng.lognormal(0, 0.6, number)
        sign = np.where(rng.random(number) < _REFUNDS, -1, 1)
        rate = (pounds * 100 - _LEAST * sign.sum()) / (sign * worth).sum()
        pence = sign * (_LEAST + np.rint(rate * worth).astype(np.int64))
        pence[pence.argmax()] += pounds * 100 - pence.sum()
        first = np.datetime64(f"{year}-{body.year_starts:02}", "M")
        # Each month has its purchases, so that none is without a file.
        month = first + np.arange(number) % 12
        days = month.astype("M8[D]") + rng.integers(0, 28, number)
        parts.append(pd.DataFrame({"record": record, "year": year, "payment_date": days, "pence": pence}))
    lines = pd.concat(parts, ignore_index=True).sort_values("payment_date", kind="stable", ignore_index=True)
    lines["category"] = sold[lines.record]
    choices = np.array([len(one.purchases) for one in categories()])
    lines["purchase"] = rng.integers(choices[lines.category])
    lines["transaction"] = 700_001 + np.arange(len(lines))
    net = np.rint(lines.pence / 1.2).astype(np.int64)
    lines["net_pence"] = np.where(taxed[lines.record] & (cards.vat == "gross"), net, lines.pence)
    return lines


def card_bills(body: Body, lines: pd.DataFrame) -> pd.DataFrame:
    """The bank's bill for each month's purchases, collected on its last working day: year, payment_date, pence."""
    bought = lines.groupby(lines.payment_date.to_numpy().astype("M8[M]")).pence.sum()
    rows = [
        (one.year, _last_working_day(one.last), int(bought[pd.Timestamp(one.first)]))
        for one in periods("month", body.year_starts)
    ]
    return pd.DataFrame(rows, columns=["year", "payment_date", "pence"])


def publish_cards(
    rng: np.random.Generator,
    folder: Path,
    body: Body,
    suppliers: list[Supplier],
    records: pd.DataFrame,
    lines: pd.DataFrame,
) -> Published:
    """Write a body's card files into a folder. `records` and `lines` are of this module."""
    assert body.card, "the body publishes its card purchases"
    names, traded_as = records["name"].tolist(), [suppliers[one].category for one in records.supplier]
    dated = []
    columns = (lines[name].tolist() for name in ("record", "category", "purchase", "transaction", "pence"))
    days = [moment.date() for moment in lines.payment_date.tolist()]
    for key, (day, seller, bought, purchase, transaction, pence) in enumerate(zip(days, *columns, strict=True)):
        merchant, category = merchants()[traded_as[seller]], categories()[bought]
        values: dict[str, Value] = {
            "payment_date": day,
            "supplier_name": names[seller],
            "amount": Pence(pence),
            "irrecoverable_vat": Pence(0),
            "transaction_ref": f"{body.supplier_prefix}C{transaction}",
            "description": category.purchases[purchase],
            "department": body.departments[transaction % len(body.departments)],
            "category_code": category.code,
            "category_label": merchant.label,
            "merchant_category_code": merchant.code,
            "card_type": "GPC",
        }
        record = Record(values, key=key)
        if key % _BROKEN_EVERY == _BROKEN_EVERY - 1:
            record.error, record.wrong = pick(rng, (("bad_date", "payment_date"), ("no_amount", "amount")))
        dated.append((day, record))
    account = publish_tables(
        rng, folder, body.card, body.year_starts, by_period(body.card, body.year_starts, dated), "amount"
    )
    places = pd.DataFrame(
        [(place.record.key, place.file, place.sheet, place.row) for place in account.places],
        columns=["line", "file", "sheet", "row"],
    ).set_index("line")
    return Published(
        errors=account.errors, batches=account.batches, records=records, lines=lines.join(places, how="inner")
    )


def _on_the_terminal(rng: np.random.Generator, legal_name: str) -> str:
    bare = legal_name.upper().removesuffix(" LTD").removesuffix(" LIMITED").removesuffix(" CIC")
    return f"{pick(rng, register_words().merchant_prefixes)}{bare}"[:_WIDTH].rstrip()


def _last_working_day(last: date) -> np.datetime64:
    return np.busday_offset(np.datetime64(last), 0, roll="backward")
