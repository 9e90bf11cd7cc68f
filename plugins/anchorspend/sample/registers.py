"""The small registers: exemptions, savings, engagement events and social value, each with the role that approved it."""

from datetime import date, timedelta

import numpy as np

from anchorspend.sample.bidders import Bidders
from anchorspend.sample.contracts import Contract
from anchorspend.sample.names import pick
from anchorspend.sample.periods import year_of
from anchorspend.sample.procurement import Events, Exemptions, Savings, SocialValue, register_words
from anchorspend.sample.tables import YEARS, Body
from anchorspend.sample.tabular import Pence, Record, Value

_SAVINGS_A_YEAR = 14
_SPOILT = 5
"""Place of the request of a year that cannot be read."""
Dated = list[tuple[date, Record]]


def exemptions(rng: np.random.Generator, body: Body, plan: Exemptions, bidders: Bidders) -> Dated:
    """Requests for exemption, in the order they were received. One more a year is entered so that it cannot be read."""
    made: Dated = []
    for index, year in enumerate(YEARS):
        approved, rejected = plan.approved[index], plan.rejected[index]
        decided = ["approved"] * approved + ["rejected"] * rejected
        # What is open came last.
        decisions = [*rng.permutation(decided).tolist(), *[""] * (plan.received[index] - approved - rejected)]
        decisions.insert(_SPOILT, "approved")
        for place, (day, decision) in enumerate(zip(_days(rng, body, year, len(decisions)), decisions, strict=True)):
            supplier = bidders.draw(rng)
            category = bidders.category(supplier)
            values: dict[str, Value] = {
                "exemption_ref": f"EX/{year % 100}/{place + 1:03}",
                "requested_date": day,
                "decided_date": day + timedelta(int(rng.integers(2, 26))) if decision else None,
                "decision": decision,
                "approved_by": pick(rng, register_words().roles) if decision else "",
                "reason": pick(rng, register_words().exemption_reasons),
                "description": pick(rng, category.purchases),
                "supplier_name": bidders.supplier(supplier).legal_name,
                "supplier_postcode": bidders.supplier(supplier).postcode,
                "exemption_value": Pence(round(float(rng.lognormal(9.6, 0.9)) / 50) * 50_00 + 1_000_00),
                "department": pick(rng, body.departments),
                "category_code": category.code,
            }
            made.append((day, _record(values, place == _SPOILT, ("bad_date", "requested_date"), supplier)))
    return made


def savings(rng: np.random.Generator, body: Body, plan: Savings, made: list[Contract]) -> Dated:
    """Savings, in the order they count from: what was achieved or signed off comes to the plan's pounds, and so does
    what stayed planned. One more a year is entered without a readable amount."""
    rows: Dated = []
    for index, year in enumerate(YEARS):
        achieved = _parts(rng, plan.achieved[index] * 100, _SAVINGS_A_YEAR)
        planned = _parts(rng, plan.planned[index] * 100, 2)
        amounts = [
            *((pence, "") for pence in achieved),
            *((pence, "planned") for pence in planned),
            (1_000_00, "spoilt"),
        ]
        for place, day in enumerate(_days(rng, body, year, len(amounts))):
            pence, status = amounts.pop(int(rng.integers(len(amounts))))
            contract = made[int(rng.integers(len(made)))]
            values: dict[str, Value] = {
                "saving_ref": f"SAV-{year}-{place + 1:02}",
                "saving_date": day,
                "saving_amount": Pence(pence),
                "saving_type": pick(rng, ("Cashable", "Cashable", "Cost avoidance")),
                "status": "planned" if status == "planned" else pick(rng, ("achieved", "signed off")),
                "approved_by": "" if status == "planned" else pick(rng, register_words().roles),
                "description": pick(rng, register_words().savings_made),
                "department": contract.department,
                "contract_ref": contract.ref,
            }
            rows.append((day, _record(values, status == "spoilt", ("bad_amount", "saving_amount"))))
    return rows


def events(rng: np.random.Generator, body: Body, plan: Events) -> Dated:
    """Engagement events, in the order of days. One more in the first year has no date that can be read."""
    made: Dated = []
    for index, year in enumerate(YEARS):
        statuses = ["held"] * plan.held[index] + ["cancelled"] * plan.cancelled[index]
        statuses += ["spoilt"] if index == 0 else []
        for place, (day, status) in enumerate(zip(_days(rng, body, year, len(statuses)), statuses, strict=True)):
            came = int(rng.integers(18, 70)) if status != "cancelled" else 0
            kind = pick(rng, register_words().event_types)
            values: dict[str, Value] = {
                "event_ref": f"EV{year % 100}{place + 1:02}",
                "event_date": day,
                "event_type": kind,
                "status": "held" if status == "spoilt" else status,
                "approved_by": pick(rng, register_words().roles),
                "title": f"{kind}, {day:%B %Y}",
                "venue": pick(rng, register_words().venues),
                "suppliers_attending": came,
                "local_suppliers_attending": round(came * float(rng.uniform(0.3, 0.8))),
            }
            made.append((day, _record(values, status == "spoilt", ("bad_date", "event_date"))))
    return made


def social_value(
    rng: np.random.Generator, body: Body, plan: SocialValue, bidders: Bidders, made: list[Contract]
) -> Dated:
    """Social value under contracts of the last year, when the framework began: promised, and until then delivered."""
    year = YEARS[-1]
    opens = date(year, body.year_starts, 1)
    running = [one for one in made if one.ends >= opens and year_of(one.starts, body.year_starts) <= year]
    promised = [*_parts(rng, plan.promised * 100, plan.commitments), 1_000_00]
    delivered = [*_parts(rng, plan.delivered * 100, plan.commitments), 0]
    rows: Dated = []
    for place, day in enumerate(_days(rng, body, year, plan.commitments + 1)):
        contract = running[int(rng.integers(len(running)))]
        measure, unit = pick(rng, list(register_words().measures.items()))
        quantity = int(rng.integers(2, 60))
        values: dict[str, Value] = {
            "commitment_ref": f"SV{place + 1:03}",
            "contract_ref": contract.ref,
            "supplier_name": bidders.supplier(contract.supplier).legal_name,
            "supplier_postcode": bidders.supplier(contract.supplier).postcode,
            "recorded_date": day,
            "measure": measure,
            "unit": unit,
            "promised_quantity": quantity,
            "delivered_quantity": round(quantity * plan.delivered / plan.promised),
            "promised_amount": Pence(promised[place]),
            "delivered_amount": Pence(delivered[place]),
            "approved_by": pick(rng, register_words().roles),
        }
        is_spoilt = place == plan.commitments
        rows.append((day, _record(values, is_spoilt, ("bad_amount", "promised_amount"), contract.supplier)))
    return rows


def _record(values: dict[str, Value], is_spoilt: bool, mistake: tuple[str, str], supplier: int = -1) -> Record:
    error, wrong = mistake if is_spoilt else ("", "")
    return Record(values, error, wrong, key=supplier)


def _days(rng: np.random.Generator, body: Body, year: int, count: int) -> list[date]:
    """Working days of a financial year, in order."""
    first = np.datetime64(f"{year}-{body.year_starts:02}", "M")
    days = np.arange(first.astype("M8[D]"), (first + 12).astype("M8[D]"))
    drawn = np.sort(rng.choice(days[np.is_busday(days)], count))
    return [day.astype(object) for day in drawn]


def _parts(rng: np.random.Generator, pence: int, count: int) -> list[int]:
    """An amount in so many parts of whole pounds, the last of which takes what is left."""
    shares = rng.dirichlet(np.full(count, 2.0))
    parts = [int(share * pence / 100) * 100 for share in shares]
    return [*parts[:-1], pence - sum(parts[:-1])]
