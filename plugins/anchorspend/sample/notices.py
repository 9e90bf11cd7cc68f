"""Procurement notices: Open Contracting releases of part of a portal's opportunities, as Contracts Finder has them."""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from anchorspend.sample.bidders import Bidders
from anchorspend.sample.periods import periods
from anchorspend.sample.portal import Opportunity
from anchorspend.sample.procurement import cpv_code
from anchorspend.sample.publish import Account, Batch, FileError, set_published
from anchorspend.sample.tables import Body, categories, public_bodies

_NOTICED_OVER = 10_000_00
"""Pence from which quotes are told of: below the £25,000 of the Public Contracts Regulations 2015, regulation 112."""
_NOTICED_TENDERS, _NOTICED_QUOTES = 0.9, 0.8
_NO_VALUE = 0.12
"""Share of releases that keep the value to themselves."""
_SPOILT_EVERY, _FEWEST_TO_SPOIL = 7, 4
_DIGITS = 8
_METHODS = {
    "open": ("open", "Open procedure (above threshold)"),
    "restricted": ("selective", "Restricted procedure (above threshold)"),
    "framework": ("open", "Framework agreement (above threshold)"),
    "call_off": ("limited", "Call-off from a framework agreement"),
    "mini_competition": ("limited", "Mini-competition under a framework agreement"),
    "quick_quote": ("selective", "Request for quotation (below threshold)"),
}


def choose_noticed(rng: np.random.Generator, found: list[Opportunity]) -> None:
    """Mark the opportunities that are told to the world: most tenders, and some of the larger quotes."""
    for one in found:
        share = _NOTICED_TENDERS if one.advertised else _NOTICED_QUOTES if one.pence >= _NOTICED_OVER else 0
        one.noticed = bool(rng.random() < share)


def publish_notices(
    rng: np.random.Generator, folder: Path, institution_id: str, body: Body, bidders: Bidders, found: list[Opportunity]
) -> Account:
    """Write a body's release packages into a folder: a tender release on the first day of what is advertised, and an
    award release some weeks after the award of all that is noticed.
    """
    assert body.notice, "the body publishes notices"
    folder.mkdir(parents=True, exist_ok=True)
    buyer = next(one for one in public_bodies() if one.institution_id == institution_id)
    party = {
        "id": f"GB-CFS-{100 + len(institution_id)}",
        "name": buyer.name,
        "identifier": {"legalName": buyer.name},
        "address": {"postalCode": buyer.postcode, "countryName": "England"},
        "roles": ["buyer"],
    }
    releases: list[tuple[datetime, dict[str, Any]]] = []
    for one in found:
        if one.noticed and one.advertised:
            releases.append(_release(rng, one, one.starts, party, "tender"))
        if one.noticed and one.outcome == "awarded":
            told = one.ends + timedelta(int(rng.integers(2, 40)))
            moment, release = _release(rng, one, told, party, "award")
            _award(release, one, told, bidders)
            releases.append((moment, release))
    releases.sort(key=lambda pair: pair[0])
    account = Account(errors=[], batches=[])
    for number, period in enumerate(periods(body.notice.every, body.year_starts)):
        path = folder / body.notice.file.format(**period._asdict())
        held = [release for moment, release in releases if period.first <= moment.date() <= period.last]
        if not held:
            continue
        spoils = number % _SPOILT_EVERY == 1 and len(held) >= _FEWEST_TO_SPOIL
        bad = _spoil(path.name, held, account.errors) if spoils else 0
        path.write_text(json.dumps({"releases": held}, indent=1), encoding="utf-8")
        set_published(path, period.last + timedelta(3))
        amounts = [one["tender"]["value"]["amount"] for one in held[bad:] if "value" in one["tender"]]
        account.batches.append(Batch(path.name, period.label, len(held), bad, 100 * sum(amounts), superseded=False))
        account.errors.extend(_zeros_lost(path.name, held))
    return account


def _release(
    rng: np.random.Generator, one: Opportunity, day: date, buyer: dict[str, Any], tag: str
) -> tuple[datetime, dict[str, Any]]:
    """A release of an opportunity and its moment, without an award."""
    moment = datetime.combine(day, time(int(rng.integers(8, 18)), int(rng.integers(60))), UTC)
    category = next(category for category in categories() if category.code == one.category)
    method, details = _METHODS[one.route]
    kind = "works" if category.scope == "works" else "services"
    tender: dict[str, Any] = {
        "id": one.ref,
        "title": one.title,
        "description": f"{one.title} ({category.label})",
        "status": "active" if tag == "tender" else "complete",
        "classification": {"scheme": "CPV", "id": cpv_code(category.code), "description": category.purpose},
        "items": [{"id": "1", "deliveryAddresses": [{"region": "East of England", "countryName": "United Kingdom"}]}],
        "procurementMethod": method,
        "procurementMethodDetails": details,
        "tenderPeriod": {"endDate": _written(one.starts + timedelta(max(round(one.days * 0.6), 1)), time(12))},
        "suitability": {"sme": bool(rng.random() < 0.8), "vcse": bool(rng.random() < 0.4)},
        "mainProcurementCategory": kind,
    }
    if one.advertised:
        tender["datePublished"] = _written(one.starts, time(9))
    if rng.random() >= _NO_VALUE:
        tender["value"] = {"amount": one.pence // 100, "currency": "GBP"}
    release = {
        "ocid": one.ocid,
        "id": f"{one.ocid[12:]}-{810_000 + int(rng.integers(90_000))}",
        "language": "en",
        "date": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "tag": [tag],
        "initiationType": "tender",
        "tender": tender,
        "parties": [buyer],
        "buyer": {"id": buyer["id"], "name": buyer["name"]},
    }
    return moment, release


def _award(release: dict[str, Any], one: Opportunity, told: date, bidders: Bidders) -> None:
    """Add the award to a release."""
    supplier = bidders.supplier(one.winner)
    identifier = {"legalName": supplier.legal_name}
    if supplier.company_number:
        # Contracts Finder keeps company numbers as numbers.
        identifier |= {"scheme": "GB-COH", "id": supplier.company_number.lstrip("0")}
    party = {
        "id": f"GB-CFS-{300_000 + one.winner}",
        "name": supplier.legal_name,
        "identifier": identifier,
        "address": {"streetAddress": f"Unit 1, {supplier.postcode}"},
        "details": {"scale": "sme" if supplier.sme else "large", "vcse": supplier.sector in {"charity", "cic"}},
        "roles": ["supplier"],
    }
    starts = told + timedelta(14)
    release["parties"] = [*release["parties"], party]
    release["awards"] = [
        {
            "id": f"{one.ocid}-1",
            "status": "active",
            "date": _written(one.ends, time(0)),
            "datePublished": release["date"],
            "value": {"amount": one.pence // 100, "currency": "GBP"},
            "suppliers": [{"id": party["id"], "name": supplier.legal_name}],
            "contractPeriod": {
                "startDate": _written(starts, time(0)),
                "endDate": _written(starts + timedelta(730), time(23, 59, 59)),
            },
        }
    ]


def _spoil(file: str, held: list[dict[str, Any]], errors: list[FileError]) -> int:
    """Date the first release of a file on a day that does not exist. Returns how many cannot be loaded."""
    held[0]["date"] = f"{held[0]['date'][:4]}-02-31T10:00:00Z"
    errors.append(FileError(file, "", 1, "date", held[0]["date"], "bad_date"))
    return 1


def _zeros_lost(file: str, held: list[dict[str, Any]]) -> list[FileError]:
    """The company numbers of a file that lost their leading zeros."""
    numbers = [one["parties"][1]["identifier"].get("id", "") if len(one["parties"]) > 1 else "" for one in held]
    return [
        FileError(file, "", row, "parties/1/identifier/id", number, "lost_zeros", loads=True)
        for row, number in enumerate(numbers, start=1)
        if 0 < len(number) < _DIGITS
    ]


def _written(day: date, at: time) -> str:
    return f"{datetime.combine(day, at):%Y-%m-%dT%H:%M:%SZ}"
