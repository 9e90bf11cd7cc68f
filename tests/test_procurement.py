"""How institutions buy: every published figure of the sample county against its truth, reckoned here another way."""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from statistics import mean, median
from typing import Any

import psycopg
import pytest
from anchorspend import contract, ingest, model, reference, release, resolve, settings, warehouse
from anchorspend.sample import write_county

DOCS = settings.home() / "docs" / "explanation" / "procurement.md"
KINDS = ("ledger", "card", "contract", "portal", "notice", "exemption", "saving", "event", "social_value")
MARTS = (
    "+fct_procurement +procurement_local +fct_exemption +fct_saving +fct_event +fct_social_value +procurement_cycle"
    " +spend_by_band +prompt_payment +int_kpi__procurement +dim_definition +kpi_definition"
)
REGISTERS = {"exemptions": "fct_exemption", "savings": "fct_saving", "events": "fct_event"} | {
    "social_value": "fct_social_value"
}
STARTS = {"university_of_bedfordshire": 8}
# The strategy, lines 1025 to 1033.
BASELINE = {"quick_quote": 14, "call_off": 45, "restricted": 120, "open": 60, "framework": 120}
OWN_BANDS = {"luton_council_from_1000": (0, 1_000, 100_000), "luton_council_from_5000": (0, 5_000, 100_000)}

Rows = list[dict[str, str]]
Figures = dict[tuple[Any, ...], Any]


@dataclass(frozen=True)
class County:
    """The sample county, modelled, and the folder that holds what is true of it."""

    connection: psycopg.Connection
    truth: Path
    inbox: Path

    def true(self, name: str) -> Rows:
        with (self.truth / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode()).fetchall()

    def kpi(self, kpi_id: str, column: str = "value", definition: str = "all") -> Figures:
        """One column of a KPI by institution, year and quarter (None: the whole year)."""
        found = self.connection.execute(
            f"select institution_id, financial_year, quarter, {column} from intermediate.int_kpi__procurement"
            " where (kpi_id, definition_id) = (%s, %s)".encode(),
            [kpi_id, definition],
        ).fetchall()
        assert found
        return {tuple(key): value for *key, value in found}


@pytest.fixture(scope="module")
def county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    folder = tmp_path_factory.mktemp("bought")
    write_county(folder / "inbox", folder / "truth", scale=0.05)
    with modelled(server(), folder) as county:
        yield county


@contextmanager
def modelled(url: str, folder: Path) -> Iterator[County]:
    """The county in a folder, loaded and modelled as far as procurement goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", url)
        patch.setenv("ANCHORSPEND_INBOX", str(folder / "inbox"))
        patch.setenv("ANCHORSPEND_LANDING", str(folder / "landing"))
        warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
        reference.load_postcodes(lambda _: None)
        for institution in contract.load_institutions().values():
            for feed_id in institution.feeds.keys() & set(KINDS):
                list(ingest.land_feed(institution, feed_id))
                list(ingest.load_feed(institution, feed_id))
        release.register()
        resolve.resolve()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create schema candidate")
            build(MARTS)
            yield County(connection, folder / "truth", folder / "inbox")


def build(select: str) -> None:
    """Models and seeds, and only the data tests of which all models are built."""
    model._dbt(
        "build",
        model.environment(),
        *("--select", select, "--indirect-selection", "cautious", "--exclude", *model.NOT_IN_A_RELEASE),
    )


def quarter(day: str, institution: str) -> int:
    return (date.fromisoformat(day).month - STARTS.get(institution, 4)) % 12 // 3 + 1


def year(day: date | str, starts: int = 4) -> str:
    day = date.fromisoformat(day) if isinstance(day, str) else day
    first = day.year - (day.month < starts)
    return f"{first}-{(first + 1) % 100:02}"


def spread(cases: list[tuple[str, str, int, Any]]) -> dict[tuple[str, str, int | None], list[Any]]:
    """Cases by everything they count in: the quarter and the year of their institution and of the partnership."""
    found: dict[tuple[str, str, int | None], list[Any]] = defaultdict(list)
    for institution, financial_year, its_quarter, case in cases:
        for whose in (institution, "partnership"):
            for part in (its_quarter, None):
                found[whose, financial_year, part].append(case)
    return found


def entries(county: County, register: str, dated: str) -> dict[tuple[str, str, int | None], list[dict[str, str]]]:
    return spread(
        [
            (row["institution_id"], row["financial_year"], quarter(row[dated], row["institution_id"]), row)
            for row in county.true(register)
        ]
    )


def awarded(county: County, route: str) -> dict[tuple[str, str, int | None], list[int]]:
    return spread(
        [
            (row["institution_id"], row["financial_year"], quarter(row["end_date"], row["institution_id"]), days)
            for row in county.true("opportunities")
            if row["route"] == route and row["outcome"] == "awarded"
            for days in [int(row["days"])]
        ]
    )


def test_every_opportunity_is_the_truths_to_the_day(county: County) -> None:
    ours = {
        tuple(key): rest
        for *key, rest in county.rows(
            "select institution_id, opportunity_id, array[route_id, outcome, start_date::text,"
            " coalesce(end_date::text, ''), coalesce(days::text, ''), coalesce(ocid, ''), provenance,"
            " estimated_value::text] from candidate.fct_procurement"
        )
    }
    noticed = {(one["institution_id"], one["ocid"]) for one in county.true("opportunities") if one["ocid"]}
    told = {(one, ocid) for one, ocid in county.rows("select institution_id, ocid from candidate.fct_procurement")}
    assert len(noticed & told) > 100
    for row in county.true("opportunities"):
        found = ours.pop((row["institution_id"], row["opportunity_ref"]))
        # A notice whose only release could not be read is not known.
        ocid = row["ocid"] if (row["institution_id"], row["ocid"]) in told else ""
        assert found == [
            *(row[name] for name in ("route", "outcome", "start_date", "end_date", "days")),
            *(ocid, "portal", row["estimated_value"]),
        ]
    assert ours == {}


@pytest.mark.parametrize("route", [*BASELINE, "mini_competition"])
def test_cycle_times_are_the_truths_to_the_day(county: County, route: str) -> None:
    true = awarded(county, route)
    assert len(true) > 20
    value = county.kpi("cycle_time_days", definition=route)
    assert value.keys() == true.keys()
    for key, days in true.items():
        assert value[key] == pytest.approx(Decimal(sum(days)) / len(days), abs=Decimal("0.00000001"))
    for column in ("value_low", "value_high"):
        assert county.kpi("cycle_time_days", column, route) == value
    assert county.kpi("cycle_time_days", "denominator", route) == {key: len(days) for key, days in true.items()}
    assert set(county.kpi("cycle_time_days", "coverage", route).values()) == {1}


@pytest.mark.parametrize("route", BASELINE)
def test_luton_councils_baseline_is_the_strategys(county: County, route: str) -> None:
    assert county.kpi("cycle_time_days", definition=route)["luton_council", "2018-19", None] == BASELINE[route]


def test_statistics_of_a_year_are_those_of_its_cases(county: County) -> None:
    ours = {
        tuple(key): values
        for *key, values in county.rows(
            "select institution_id, financial_year, route_id, array[awarded_count, case_count, days_mean, days_median,"
            " days_p90, days_least, days_most] from candidate.procurement_cycle where awarded_count > 0"
        )
    }
    checked = 0
    for route in (*BASELINE, "mini_competition"):
        for (institution, financial_year, its_quarter), days in awarded(county, route).items():
            if its_quarter:
                continue
            ordered = sorted(days)
            at = Decimal(len(days) - 1) * 9 / 10
            below, above = ordered[int(at)], ordered[min(int(at) + 1, len(days) - 1)]
            p90 = below + (at - int(at)) * (above - below)
            found = ours.pop((institution, financial_year, route))
            assert found[:2] == [len(days)] * 2
            assert [float(one) for one in found[2:]] == pytest.approx(
                [mean(days), median(days), float(p90), ordered[0], ordered[-1]]
            )
            checked += 1
    assert checked > 30
    assert ours == {}


def test_open_cases_are_counted_and_censored_at_the_last_day_of_the_log(county: County) -> None:
    """The Kaplan-Meier median, by the product over cases in order of their days."""
    last = date(2020, 3, 31)
    begun: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for row in county.true("opportunities"):
        starts = date.fromisoformat(row["start_date"])
        days = ((date.fromisoformat(row["end_date"]) if row["end_date"] else last) - starts).days
        for whose in (row["institution_id"], "partnership"):
            begun[whose, year(starts), row["route"]].append((days, row["outcome"]))
    ours = {
        tuple(key): values
        for *key, values in county.rows(
            "select institution_id, financial_year, route_id, array[begun_count, begun_awarded_count,"
            " begun_cancelled_count, open_count, open_days_most, begun_days_median] from candidate.procurement_cycle"
            " where begun_count > 0"
        )
    }
    assert ours.keys() == begun.keys()
    assert sum(values[3] for key, values in ours.items() if key[0] != "partnership") == 29
    for key, cases in begun.items():
        left, half = Decimal(1), None
        for days, alike in groupby(sorted(cases), key=lambda case: case[0]):
            followed = sum(case[0] >= days for case in cases)
            left *= 1 - Decimal(sum(outcome == "awarded" for _, outcome in alike)) / followed
            if half is None and left <= Decimal("0.5000000001"):
                half = days
        outcomes = [outcome for _, outcome in cases]
        open_days = [days for days, outcome in cases if outcome == "open"]
        assert ours[key] == [
            len(cases),
            *(outcomes.count(one) for one in ("awarded", "cancelled", "open")),
            max(open_days, default=None),
            half,
        ]


def test_exemptions_are_the_registers(county: County) -> None:
    true = entries(county, "exemptions", "requested_date")

    def count(decision: str) -> Figures:
        return {key: sum(row["decision"] == decision for row in rows) for key, rows in true.items()}

    received = {key: len(rows) for key, rows in true.items()}
    approved, rejected, undecided = count("approved"), count("rejected"), count("")
    assert received["luton_council", "2018-19", None] == 160
    assert (approved["luton_council", "2018-19", None], rejected["luton_council", "2018-19", None]) == (115, 45)
    assert sum(undecided.values()) > 0
    assert county.kpi("exemptions_received") == received
    assert county.kpi("exemptions_rejected") == county.kpi("exemptions_rejected", "value_low") == rejected
    assert county.kpi("exemptions_rejected", "value_high") == {key: rejected[key] + undecided[key] for key in true}
    assert county.kpi("exemptions_open") == undecided
    assert set(county.kpi("exemptions_withdrawn").values()) == {0}
    share = county.kpi("exemptions_approved_pct")
    low, high = (county.kpi("exemptions_approved_pct", column) for column in ("value_low", "value_high"))
    for key in true:
        decided = approved[key] + rejected[key]
        assert share[key] == pytest.approx(Decimal(approved[key]) / decided)
        assert low[key] == pytest.approx(Decimal(approved[key]) / received[key])
        assert high[key] == pytest.approx(Decimal(approved[key] + undecided[key]) / received[key])


def test_savings_are_the_registers_to_the_penny(county: County) -> None:
    true = entries(county, "savings", "saving_date")

    def pounds(*statuses: str) -> Figures:
        return {
            key: sum((Decimal(row["saving_amount"]) for row in rows if row["status"] in statuses), Decimal())
            for key, rows in true.items()
        }

    made = pounds("achieved", "signed off")
    assert county.kpi("savings_gbp") == county.kpi("savings_gbp", "value_high") == made
    assert county.kpi("savings_planned_gbp") == pounds("planned")
    assert sum(made["luton_council", one, None] for one in ("2017-18", "2018-19", "2019-20")) == 4_910_000


def test_events_are_the_registers_and_a_quarter_without_one_says_none(county: County) -> None:
    true = entries(county, "events", "event_date")
    ours = county.kpi("engagement_events")
    held = {key: sum(row["status"] == "held" for row in rows) for key, rows in true.items()}
    assert ours == {key: held.get(key, 0) for key in ours}
    assert held.keys() <= ours.keys()
    assert len([key for key in ours if key[0] == "luton_council"]) == 15
    assert 0 in ours.values()


def test_social_value_is_the_registers_to_the_penny(county: County) -> None:
    true = entries(county, "social_value", "recorded_date")
    for kpi, field in (("social_value_gbp", "delivered_amount"), ("social_value_promised_gbp", "promised_amount")):
        ours = county.kpi(kpi)
        sums = {key: sum(Decimal(row[field]) for row in rows) for key, rows in true.items()}
        assert ours == {key: sums.get(key, 0) for key in ours}
        assert sums.keys() <= ours.keys()
        assert ours["luton_council", "2019-20", None] == (962_500 if kpi == "social_value_gbp" else 1_840_000)


def test_quotes_with_a_local_supplier_are_the_truths(county: County) -> None:
    """Where suppliers truly are lies within the bounds, and is the figure where all is known."""
    quotes = [row for row in county.true("opportunities") if row["route"] == "quick_quote"]
    true = spread(
        [
            (one["institution_id"], year(one["start_date"]), quarter(one["start_date"], one["institution_id"]), one)
            for one in quotes
        ]
    )
    figures = {
        column: county.kpi("quotes_with_local_pct", column, "strategy")
        for column in ("value", "value_low", "value_high", "coverage")
    }
    assert figures["value"].keys() == true.keys()
    for key, rows in true.items():
        truly = Decimal(sum(row["local_invited"] == "yes" for row in rows)) / len(rows)
        assert float(figures["value_low"][key]) - 1e-8 <= truly <= float(figures["value_high"][key]) + 1e-8
        if figures["coverage"][key] == 1:
            assert figures["value"][key] == pytest.approx(truly)
    ours = {
        (institution, opportunity): is_local
        for institution, opportunity, is_local in county.rows(
            "select institution_id, opportunity_id, is_local_invited from candidate.procurement_local"
            " where definition_id = 'strategy'"
        )
    }
    for row in quotes:
        found = ours[row["institution_id"], row["opportunity_ref"]]
        if row["local_invited_as_written"] == "unknown":
            assert found in {None, row["local_invited"] == "yes"}
        else:
            assert found == (row["local_invited_as_written"] == "yes")
    definitions = {one for (one,) in county.rows("select definition_id from candidate.dim_local_definition")}
    assert len(definitions) >= 6
    for definition in definitions:
        assert county.kpi("quotes_with_local_pct", "value", definition).keys() == true.keys()


def test_opportunities_on_the_portal_are_the_truths(county: County) -> None:
    """Of contracts begun since the log and notices of none of them, those whose opportunity the portal holds."""
    contracts, noticed = county.true("contracts"), county.true("opportunities")
    told = set(county.rows("select institution_id, ocid from candidate.fct_procurement where ocid is not null"))
    portals = {row["institution_id"] for row in noticed}
    cases: dict[tuple[str, str], list[bool | None]] = defaultdict(list)
    # The newest snapshot of a register holds what has begun.
    contracts = [row for row in contracts if row["start_date"] <= "2020-03-31"]
    registered = {(row["institution_id"], row["contract_ref"]) for row in contracts}
    for row in contracts:
        if row["start_date"] >= "2017-04-01":
            known = bool(row["opportunity_ref"]) or (None if row["is_joint"] == "yes" else False)
            key = row["institution_id"], year(row["start_date"])
            cases[key].append(known if row["institution_id"] in portals else None)
    releases = {
        (one, ocid): day
        for one, ocid, day in county.rows(
            "select institution_id, ocid, min(least(release_date, published_date, award_date))"
            " from staging.stg_raw__notice inner join ops.batch using (batch_id) group by 1, 2"
        )
    }
    for row in noticed:
        key = row["institution_id"], row["ocid"]
        if key in told and (row["institution_id"], row["contract_ref"]) not in registered:
            cases[row["institution_id"], year(releases[key])].append(True)
    ours = county.rows(
        "select institution_id, financial_year, numerator, denominator, coverage"
        " from intermediate.int_kpi__procurement"
        " where kpi_id = 'opportunities_on_portal_pct' and quarter is null and institution_id <> 'partnership'"
    )
    assert {(one, label): (counted, known) for one, label, counted, known, _ in ours} == {
        key: (sum(case is True for case in found), sum(case is not None for case in found))
        for key, found in cases.items()
    }


def test_every_row_leads_back_to_its_line(county: County) -> None:
    for name, mart in REGISTERS.items():
        true = {(row["file"], row["row"]) for row in county.true(name) if row["file"].endswith(".csv")}
        ours = county.rows(
            "select reverse(split_part(reverse(file_name), '/', 1)), source_row::text"
            f" from candidate.{mart} inner join candidate.dim_batch using (batch_id) where file_name like '%.csv'"
        )
        assert sorted(ours) == sorted(true)
    lines = county.rows(
        "select batch_id, source_row, opportunity_ref from candidate.fct_procurement where provenance = 'portal'"
    )
    written = {
        (batch, row): ref
        for batch, row, ref in county.rows("select batch_id, source_row, opportunity_ref from raw.portal")
    }
    assert len(lines) == 748
    assert [line for line in lines if written[line[:2]] != line[2]] == []


def paid_lines(county: County) -> dict[str, list[dict[str, str]]]:
    """Luton Council's ledger lines that count, by the truth, with the cells the files hold beside them."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    cells: dict[str, list[list[str]]] = {}
    for row in county.true("lines"):
        if row["institution_id"] != "luton_council" or row["feed_id"] != "ledger":
            continue
        if row["file"] not in cells:
            text = (county.inbox / "luton_council" / "ledger" / row["file"]).read_text(encoding="cp1252")
            cells[row["file"]] = list(csv.reader(text.splitlines()))
        sheet = cells[row["file"]]
        header = next(line for line in sheet if len(line) > 5)
        found[row["file"]].append(row | dict(zip(header, sheet[int(row["row"]) - 1], strict=True)))
    return found


def test_prompt_payment_is_that_of_the_files(county: County) -> None:
    invoices: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for file, rows in paid_lines(county).items():
        for row in rows:
            number = row.get("Invoice Reference") or row.get("Invoice No") or row.get("Document Number", row["row"])
            invoices[file, row["supplier_id"], number, row["payment_date"], row.get("Received", "")] += Decimal(
                row["amount"]
            )
    days: dict[tuple[str, date], list[int | None]] = defaultdict(list)
    payable: dict[tuple[str, date], list[tuple[date, Decimal]]] = defaultdict(list)
    ends = {"half_year": half_year_end, "financial_year": year_end}
    for (_, _, _, paid_on, received_on), amount in invoices.items():
        if amount <= 0:
            continue
        paid = date.fromisoformat(paid_on)
        received = date.fromisoformat(received_on) if received_on else None
        for kind, end in ends.items():
            days[kind, end(paid)].append((paid - received).days if received else None)
            if received:
                payable[kind, end(received + timedelta(30))].append((paid, amount))
    ours = {
        tuple(key): values
        for *key, values in county.rows(
            "select period_type, period_last, array[invoice_count, invoices_unknown, round(days_mean, 6), paid_1_to_30,"
            " paid_31_to_60, paid_from_61, invoices_payable, payable_not_paid,"
            " round(share_of_sums_payable_not_paid, 6)]"
            " from candidate.prompt_payment where institution_id = 'luton_council' and invoice_count > 0"
        )
    }
    assert ours.keys() == days.keys()
    assert sum(values[2] is not None for values in ours.values()) == 5
    last = date(2020, 3, 31)
    for (kind, ending), found in days.items():
        known = [one for one in found if one is not None]
        due = payable[kind, ending]
        late = [amount for paid, amount in due if paid > ending]
        share = Decimal(sum(late)) / sum(amount for _, amount in due) if due else None
        assert ours[kind, ending] == [
            len(found),
            len(found) - len(known),
            round(Decimal(sum(known)) / len(known), 6) if known else None,
            *(sum(low <= one <= high for one in known) for low, high in ((0, 30), (31, 60), (61, 9999))),
            len(due),
            len(late) if ending < last else None,
            pytest.approx(share, abs=Decimal("0.000001")) if share is not None and ending < last else None,
        ]


def half_year_end(day: date) -> date:
    if day.month in range(4, 10):
        return date(day.year, 9, 30)
    return date(day.year + (day.month > 9), 3, 31)


def year_end(day: date) -> date:
    return date(day.year + (day.month > 3), 3, 31)


def test_bands_hold_every_payment_of_the_truth_once(county: County) -> None:
    """Luton Council's payments: lines of one day, supplier record and voucher. Both of its regimes on every year."""
    payments: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for rows in paid_lines(county).values():
        for row in rows:
            voucher = row.get("Voucher") or row.get("Document Number", "")
            record = "|".join(
                row.get(name, "") for name in ("Supplier No", "Vendor ID", "Post Code", "Vendor Postcode")
            )
            payments[row["financial_year"], row["payment_date"], voucher, record] += Decimal(row["amount"])
    assert len(payments) > 2000
    for regime, lowers in OWN_BANDS.items():
        sums: dict[tuple[str, int], list[Decimal]] = defaultdict(list)
        for (financial_year, *_), amount in payments.items():
            # Our reading of the boundary: exactly a threshold is in the band above it.
            band = 0 if amount <= 0 else 1 + sum(amount >= lower for lower in lowers[1:])
            sums[financial_year, band].append(amount)
        ours = county.connection.execute(
            "select financial_year, position, payment_count, amount from candidate.spend_by_band"
            " where institution_id = 'luton_council' and regime_id = %s",
            [regime],
        ).fetchall()
        assert {tuple(key): (number, pounds) for *key, number, pounds in ours} == {
            key: (len(found), sum(found)) for key, found in sums.items()
        }
    in_force = county.rows(
        "select financial_year, sum(in_force_amount) from candidate.spend_by_band"
        " where institution_id = 'luton_council' and regime_id like 'luton_council%' group by 1 order by 1"
    )
    assert in_force[0] == ("2017-18", Decimal(238_000_000))
    assert [year for year, _ in in_force] == ["2017-18", "2018-19", "2019-20"]


def test_more_payments_need_no_quote_under_the_strategys_threshold(county: County) -> None:
    below = dict(
        county.rows(
            "select regime_id, sum(payment_count) from candidate.spend_by_band"
            " where institution_id = 'luton_council' and position = 1 and regime_id like 'luton_council%' group by 1"
        )
    )
    assert below["luton_council_from_5000"] > below["luton_council_from_1000"] > 0


def test_payments_of_a_year_are_summed_again_when_what_they_are_made_of_changed(county: County) -> None:
    """What was kept is told by a mark, which summing again loses."""
    placed = "select * from intermediate.int_kpi__payment order by 1, 2, 3, 4, 5, 6"
    before = county.rows(placed)
    every = {(institution, financial_year) for institution, financial_year, *_ in before}
    luton = {("luton_council", financial_year) for financial_year in ("2017-18", "2018-19", "2019-20")}
    assert luton < every
    ((batch_id,),) = county.rows(
        "select batch_id from candidate.dim_batch"
        " where (institution_id, feed_id, period_label) = ('luton_council', 'ledger', '2018-05')"
    )
    twin = "intermediate.int_spend__twin"
    columns, line = "(batch_id, line_no, institution_id, financial_year)", (batch_id, 1, "luton_council", "2018-19")
    changes = {
        "select": ("select", set()),
        "update seeds.threshold_band set lower = lower + 1 where band_id = 'from_1000'": (
            "update seeds.threshold_band set lower = lower - 1 where band_id = 'from_1000'",
            luton,
        ),
        f"update candidate.dim_batch set detail_of = 'cards' where batch_id = {batch_id}": (
            f"update candidate.dim_batch set detail_of = null where batch_id = {batch_id}",
            {("luton_council", "2018-19")},
        ),
        f"insert into {twin} {columns} values {line}": (
            f"delete from {twin} where {columns} = {line}",
            {("luton_council", "2018-19")},
        ),
    }
    for change, (back, summed_again) in changes.items():
        county.connection.execute("update intermediate.int_kpi__payment set payment_count = -abs(payment_count)")
        county.connection.execute(change.encode())
        try:
            build("int_kpi__payment")
        finally:
            county.connection.execute(back.encode())
        kept = county.rows(
            "select distinct institution_id, financial_year from intermediate.int_kpi__payment where payment_count < 0"
        )
        assert set(kept) == every - summed_again
        build("int_kpi__payment")
    county.connection.execute("update intermediate.int_kpi__payment set made_of = gen_random_uuid()")
    build("int_kpi__payment")
    assert county.rows(placed) == before


def test_no_private_person_is_named(county: County) -> None:
    people = {row["name"].casefold() for row in county.true("individuals")}
    assert len(people) > 3
    for mart in ("fct_procurement", *REGISTERS.values()):
        text = "\n".join(row for (row,) in county.rows(f"select {mart}::text from candidate.{mart}")).casefold()
        assert text
        assert [name for name in people if name in text] == []


def test_every_kpi_has_a_row_of_its_definition(county: County) -> None:
    without = county.rows(
        "select distinct figure.kpi_id, figure.definition_id from intermediate.int_kpi__procurement as figure"
        " left join candidate.kpi_definition as kpi on figure.kpi_id = kpi.kpi_id"
        " left join candidate.dim_definition as definition"
        " on definition.definition_id = figure.definition_id and definition.measure = kpi.measure"
        " where definition.definition_id is null"
    )
    assert without == []


@pytest.mark.parametrize("number", range(8))
def test_the_queries_of_the_documentation_answer(county: County, number: int) -> None:
    queries = re.findall(r"```sql\n(.+?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) == 8
    with county.connection.transaction():
        county.connection.execute("set local search_path to candidate")
        assert county.connection.execute(queries[number].encode()).fetchall()


def test_without_a_log_notices_tell_of_what_was_advertised_and_no_more(county: County) -> None:
    """Bedford's procurements by its notices alone: the days of what was advertised are those of its log."""
    bedford = "bedford_borough_council"
    by_log = {row["ocid"]: row for row in county.true("opportunities") if row["institution_id"] == bedford}
    kept_back = "update ops.batch set status = %s where institution_id = %s and kind = 'portal'"
    county.connection.execute(kept_back, ["refused", bedford])
    try:
        build("int_batch__counted int_procurement__opportunity")
        found = county.rows(
            "select ocid, provenance, days, exclusion_id, outcome from intermediate.int_procurement__opportunity"
            f" where institution_id = '{bedford}'"
        )
    finally:
        county.connection.execute(kept_back, ["loaded", bedford])
        build("int_batch__counted int_procurement__opportunity")
    days = {ocid: number for ocid, _, number, _, _ in found if number is not None}
    assert {provenance for _, provenance, *_ in found} == {"notice"}
    assert len(days) > 10
    assert days == {ocid: int(by_log[ocid]["days"]) for ocid in days}
    unclocked = [ocid for ocid, _, _, exclusion, outcome in found if outcome == "awarded" and exclusion == "no_start"]
    assert {by_log[ocid]["route"] for ocid in unclocked} <= {"quick_quote", "mini_competition", "call_off"}
    assert unclocked
