"""The e-tendering portal: every opportunity from its first day to its award, and the log of what happened to it."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from anchorspend.sample.bidders import Bidders
from anchorspend.sample.names import pick
from anchorspend.sample.procurement import LOCAL_QUOTE_SINCE, Procurement, Route
from anchorspend.sample.tables import YEARS, Body
from anchorspend.sample.tabular import Pence, Record, Tables, by_period, publish_tables

_LOCAL_BEFORE, _LOCAL_SINCE = 0.55, 0.94
"""Share of quick quotes with a local supplier invited, before the rule and since."""
_NO_POSTCODE = 0.04
_ANSWERS = 0.6
_BASE_YEAR = 2018
"""The strategy's year. What runs over its ends takes the mean exactly, so that the mean is the same whether cases are
counted in the year they begin or the year they are awarded."""


@dataclass
class Opportunity:
    """One opportunity. `suppliers` are those invited or, where it was advertised, those that answered."""

    ref: str
    title: str
    route: str
    label: str
    starts: date
    ends: date
    outcome: str
    pence: int
    category: str
    department: str
    suppliers: list[int]
    winner: int
    shown_postcodes: dict[int, str]
    advertised: bool
    ocid: str = ""
    contract_ref: str = ""
    noticed: bool = False
    events: list[tuple[date, str, int | None]] = field(default_factory=list)

    @property
    def days(self) -> int:
        """From the first day to the end."""
        return (self.ends - self.starts).days


def opportunities(
    rng: np.random.Generator, institution_id: str, body: Body, buying: Procurement, bidders: Bidders
) -> list[Opportunity]:
    """Every opportunity of a body's portal, in the order of first days.

    The awarded ones of a route take in the mean, in each year of award, the days its calibration says.
    """
    last = date(YEARS[-1] + 1, body.year_starts, 1) - timedelta(1)
    found: list[Opportunity] = []
    for name, route in buying.portal.items():
        for index, year in enumerate(YEARS):
            for starts, days in _awarded(rng, body, route, index):
                found.append(_opportunity(rng, body, name, route, starts, starts + timedelta(days), "awarded", bidders))
            for _ in range(route.cancelled):
                starts = date(year, body.year_starts, 1) + timedelta(int(rng.integers(330)))
                ends = min(starts + timedelta(max(route.days[index] // 2, 3)), last)
                found.append(_opportunity(rng, body, name, route, starts, ends, "cancelled", bidders))
        for _ in range(route.open):
            elapsed = int(rng.integers(1, max(route.days[-1] - 2, 2)))
            starts = last - timedelta(elapsed)
            found.append(
                _opportunity(rng, body, name, route, starts, starts + timedelta(route.days[-1]), "open", bidders)
            )
    found.sort(key=lambda one: one.starts)
    prefix = "".join(word[0] for word in institution_id.split("_")).upper()
    for number, one in enumerate(found, start=1):
        one.ref = f"DN{310_000 + number}-{prefix}"
        one.ocid = f"ocds-b5fd17-{_uuid(rng)}"
        one.events = [event for event in _events(rng, one) if event[0] <= last]
    return found


def publish_portal(
    rng: np.random.Generator, folder: Path, body: Body, buying: Procurement, bidders: Bidders, found: list[Opportunity]
) -> Tables:
    """Write a body's portal log into a folder."""
    assert body.portal, "the body has a portal"
    dated = []
    answers = 0
    for one in found:
        for day, event, supplier in one.events:
            record = _record(one, day, event.capitalize() if buying.capitals else event, supplier, bidders)
            if event == "responded":
                # Only answers are broken: no start, end or invitation may be lost, or the truth about them would be.
                answers += 1
                if answers % 97 == 0:
                    record.error, record.wrong = pick(
                        rng, (("bad_date", "event_date"), ("no_date", "event_date"), ("no_ref", "opportunity_ref"))
                    )
            dated.append((day, record))
    return publish_tables(rng, folder, body.portal, body.year_starts, by_period(body.portal, body.year_starts, dated))


def _awarded(rng: np.random.Generator, body: Body, route: Route, index: int) -> list[tuple[date, int]]:
    """First day and days of what is awarded in one year: on working days, with the mean days exactly."""
    number, mean = route.awarded[index], route.days[index]
    opens, closes = (np.datetime64(f"{YEARS[0] + index + i}-{body.year_starts:02}-01") for i in (0, 1))
    running = route.days[YEARS.index(_BASE_YEAR)]
    over = round(number * running / 365) if index else 0
    over = min(over, number - 1)
    spread = max(round(mean * 0.3), 1)
    within = mean + rng.integers(-spread, spread + 1, number - over)
    short = number * mean - over * running - int(within.sum())
    for i in range(abs(short)):
        within[i % len(within)] += 1 if short > 0 else -1
    days = np.arange(opens, closes)
    made = []
    for took, first, last in [
        *((int(took), opens + int(took), closes) for took in within),
        *((running, opens, opens + running) for _ in range(over)),
    ]:
        ends = days[(days >= first) & (days < last) & np.is_busday(days) & np.is_busday(days - took)]
        starts = ends[int(rng.integers(len(ends)))] - took
        made.append((starts.astype(object), took))
    return made


def _opportunity(
    rng: np.random.Generator,
    body: Body,
    name: str,
    route: Route,
    starts: date,
    ends: date,
    outcome: str,
    bidders: Bidders,
) -> Opportunity:
    with_local: bool | None = None
    if name == "quick_quote":
        with_local = bool(rng.random() < (_LOCAL_SINCE if starts >= LOCAL_QUOTE_SINCE else _LOCAL_BEFORE))
    winner = bidders.draw(rng)
    while with_local is False and bidders.is_local(winner):
        winner = bidders.draw(rng)
    fewest, most = route.invited if route.invited[0] else (2, 6)
    asked = bidders.rivals(rng, winner, int(rng.integers(fewest, most + 1)), with_local=with_local)
    category = bidders.category(winner)
    least, largest = route.pounds
    department = pick(rng, body.departments)
    return Opportunity(
        ref="",
        title=f"{pick(rng, category.purchases)} for {department}",
        route=name,
        label=route.label,
        starts=starts,
        ends=ends,
        outcome=outcome,
        pence=round(least * (largest / least) ** float(rng.beta(2, 2.5)) / 50) * 50_00,
        category=category.code,
        department=department,
        suppliers=asked,
        winner=winner,
        shown_postcodes={one: "" if rng.random() < _NO_POSTCODE else bidders.supplier(one).postcode for one in asked},
        advertised=route.advertised,
    )


def _events(rng: np.random.Generator, one: Opportunity) -> list[tuple[date, str, int | None]]:
    """What happened to an opportunity, in order: day, event, supplier."""
    closes = max(1, min(round(one.days * 0.6), one.days - 1))
    day = one.starts
    shortlist = closes // 2 if one.route == "restricted" else 0
    events: list[tuple[date, str, int | None]] = [(day, "published", None)]
    if not one.advertised or one.route == "restricted":
        events += [(day + timedelta(shortlist), "invited", supplier) for supplier in one.suppliers]
    for supplier in one.suppliers:
        if supplier == one.winner or rng.random() < _ANSWERS:
            events.append((day + timedelta(int(rng.integers(shortlist, closes + 1))), "responded", supplier))
    if one.outcome == "cancelled":
        return [*(event for event in events if event[0] <= one.ends), (one.ends, "cancelled", None)]
    events.append((day + timedelta(closes), "closed", None))
    if one.outcome == "awarded":
        events.append((one.ends, "awarded", one.winner))
    return sorted(events, key=lambda event: event[0])


def _record(one: Opportunity, day: date, event: str, supplier: int | None, bidders: Bidders) -> Record:
    awarded = event.casefold() == "awarded"
    return Record(
        {
            "opportunity_ref": one.ref,
            "title": one.title,
            "route": one.label,
            "event": event,
            "event_date": day,
            "supplier_name": "" if supplier is None else bidders.supplier(supplier).legal_name,
            "supplier_postcode": "" if supplier is None else one.shown_postcodes[supplier],
            "company_number": "" if supplier is None else bidders.supplier(supplier).company_number,
            "estimated_value": Pence(one.pence),
            "category_code": one.category,
            "organisational_unit": one.department,
            "contract_ref": one.contract_ref if awarded else "",
        }
    )


def _uuid(rng: np.random.Generator) -> str:
    digits = rng.bytes(16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
