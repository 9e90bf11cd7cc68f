"""Coverage: which months came, which lines count once, which payments may be double, against a reckoning in Python.

A county of random lines drawn from few suppliers, amounts, days and references, so that everything coincides often. It
is built twice: with the first half of its batches, then with all, as an installation grows.
"""

import os
import re
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import psycopg
import pytest
from anchorspend import model, resolve, warehouse
from test_release import one

AS_OF = date(2019, 6, 15)
DEFINITION = "primary@1"  # the strategy's definitions are in force from August 2019, after this county's day
FEEDS = [  # in the order of the institution's file
    ("council", "ledger", "ledger", None, ("month", 30, date(2017, 4, 1), None)),
    ("council", "agency", "ledger", None, None),
    ("council", "card", "card", None, ("quarter", 20, date(2017, 4, 1), date(2019, 3, 31))),
    ("council", "card_detail", "card", "ledger", None),
    ("council", "vendor", "observatory", None, ("year", 60, date(2017, 4, 1), date(2019, 3, 31))),
    ("college", "card", "card", None, ("month", 10, date(2018, 8, 1), date(2018, 9, 30))),
    ("college", "vendor", "observatory", None, ("year", 60, date(2017, 8, 1), date(2018, 7, 31))),
]
YEAR_START = {"council": 4, "college": 8}
POSITION = {feed[:2]: place for place, feed in enumerate(FEEDS)}


@dataclass
class Batch:
    institution: str
    feed: str
    first: date
    last: date
    landed: date
    label: str
    status: str = "loaded"
    lines: list[dict[str, Any]] = field(default_factory=list)
    id: int = 0

    @property
    def kind(self) -> str:
        return next(
            kind for institution, feed, kind, *_ in FEEDS if (institution, feed) == (self.institution, self.feed)
        )

    @property
    def detail_of(self) -> str | None:
        return next(of for institution, feed, _, of, _ in FEEDS if (institution, feed) == (self.institution, self.feed))


def span(first: date, months: int) -> tuple[date, date]:
    index = first.year * 12 + first.month - 2 + months
    year, month = index // 12, index % 12 + 1
    return first, date(year, month, monthrange(year, month)[1])


def following(first: date, months: int = 1) -> date:
    return span(first, months)[1] + timedelta(days=1)


def draw(random: Random, kind: str, first: date, count: int) -> list[dict[str, Any]]:
    return [
        {
            "payment_date": first + timedelta(days=random.choice([0, 0, 7])),
            "supplier_name": random.choice(
                ["Luton Paper Ltd", "LUTON PAPER LTD.", "Bedford Bolts", "Mrs A Quux", None]
            ),
            "amount": Decimal(random.choice(["150.00", "150.00", "-150.00", "99.99", "2500.10"])),
            "transaction_ref": random.choice(["T1", "t-01", "T2", "N/A", None]),
            "invoice_ref": random.choice(["INV 1", "inv-01", "INV1A", "2", None] if kind == "ledger" else [None]),
            "invoice_date": random.choice([first, None] if kind == "ledger" else [None]),
        }
        for _ in range(count)
    ]


def county() -> list[Batch]:
    random = Random(8)
    batches = []

    def add(
        feed: str, first: date, months: int = 1, count: int = 12, part: str = "", days: int = 10, **more: Any
    ) -> None:
        institution = more.pop("institution", "council")
        first, last = span(first, months)
        label = f"{first:%Y-%m}" if months == 1 else f"{first:%Y-%m}..{last:%Y-%m}"
        batch = Batch(institution, feed, first, last, last + timedelta(days=days), label + part, **more)
        if batch.kind == "observatory":
            names = ["Luton Paper", "Bedford Bolts"]
            batch.lines = [{"supplier_name": name, "amount": Decimal("5000.05")} for name in names]
        else:
            months_of = [following(first, n) if n else first for n in range(months)]
            batch.lines = [line for month in months_of for line in draw(random, batch.kind, month, count)]
        batches.append(batch)

    month = date(2017, 4, 1)
    while month < date(2018, 7, 1):
        if month == date(2017, 9, 1):
            add("ledger", month, count=0)
        elif month != date(2017, 8, 1):  # never came
            add("ledger", month, count=3 if month == date(2017, 12, 1) else 30 if month == date(2018, 1, 1) else 12)
        if month < date(2017, 7, 1):
            add("agency", month, part="/a")
            add("agency", month, part="/b")
            add("card_detail", month, count=4)
        month = following(month)
    add("card", date(2017, 4, 1), 3)
    add("card", date(2017, 7, 1), 3, days=45)
    add("ledger", date(2017, 5, 1), days=400)  # a correction, long after
    add("ledger", date(2018, 6, 1), days=12, status="refused")
    add("ledger", date(2018, 7, 1), days=2, status="refused")
    add("ledger", date(2018, 7, 1), days=35)
    add("ledger", date(2018, 4, 1), 12)  # the year replaces its months
    add("ledger", date(2018, 8, 1), days=300)  # and does so whatever comes later
    add("card", date(2018, 4, 1), 2)  # overlaps the next in part
    add("card", date(2018, 5, 1), 2)
    add("vendor", date(2017, 4, 1), 12)
    add("vendor", date(2017, 8, 1), 12, institution="college")
    add("card", date(2017, 10, 1), institution="college")  # its observatory counts
    add("card", date(2018, 8, 1), institution="college")  # nothing else came for the year
    return batches


def insert(connection: psycopg.Connection, batch: Batch) -> None:
    landed = datetime(batch.landed.year, batch.landed.month, batch.landed.day, 12, tzinfo=UTC)
    file_id = one_of(
        connection,
        "insert into landing.file (institution_id, feed_id, name, sha256, size_bytes, source, modified_at, landed_at,"
        " is_sample) values (%s, %s, %s, %s, 1, 'test', %s, %s, false) returning file_id",
        [batch.institution, batch.feed, f"{batch.label}.csv", "0" * 64, landed, landed],
    )
    total = sum((line["amount"] for line in batch.lines), Decimal(0))
    batch.id = one_of(
        connection,
        "insert into ops.batch (file_id, institution_id, feed_id, kind, layout_digest, status, reason, period_label,"
        " period_first, period_last, vat_basis, lines_read, lines_loaded, lines_quarantined, amount_read,"
        " amount_loaded, amount_quarantined, finished_at) values (%s, %s, %s, %s, 'x', %s, %s, %s, %s, %s, 'net',"
        " %s, %s, 0, %s, %s, 0, now()) returning batch_id",
        [
            *(file_id, batch.institution, batch.feed, batch.kind, batch.status),
            *("no such column" if batch.status == "refused" else None, batch.label, batch.first, batch.last),
            *(len(batch.lines), len(batch.lines), total, total),
        ],
    )
    names = {
        "ledger": ("payment_date", "supplier_name", "amount", "transaction_ref", "invoice_ref", "invoice_date"),
        "card": ("payment_date", "supplier_name", "amount", "transaction_ref"),
        "observatory": ("supplier_name", "amount"),
    }[batch.kind]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"insert into raw.{batch.kind} (batch_id, line_no, source_row, {', '.join(names)})"
            f" values (%s, %s, %s{', %s' * len(names)})".encode(),
            [[batch.id, no, no + 1, *(line[name] for name in names)] for no, line in enumerate(batch.lines, start=1)],
        )


def one_of(connection: psycopg.Connection, query: str, parameters: list[Any]) -> Any:
    (value,) = connection.execute(query.encode(), parameters).fetchone() or (None,)
    return value


def build() -> None:
    resolve.resolve()
    model._dbt("build", model.environment(), "--vars", f"as_of: '{AS_OF}'", "--exclude", *model.NOT_IN_A_RELEASE)


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return county()


@pytest.fixture(scope="module")
def built(server: Callable[[], str], batches: list[Batch]) -> Iterator[psycopg.Connection]:
    """The county, built with half of its batches and then with all."""
    with pytest.MonkeyPatch.context() as patch:
        url = server()
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", url)
        warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
        with psycopg.connect(url, autocommit=True) as connection:
            # An installation of before has no such columns; setting it up again brings them.
            connection.execute("alter table ops.feed drop column position, drop column detail_of")
            warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
            for institution, start in YEAR_START.items():
                connection.execute(
                    "insert into ops.institution values (%s, %s, 'college', null, %s, null, null, '{}')",
                    [institution, institution, start],
                )
            for place, (institution, feed, kind, detail_of, due) in enumerate(FEEDS):
                connection.execute(
                    "insert into ops.feed (institution_id, feed_id, kind, description, vat_basis, publishes_over,"
                    " due_every, due_days, due_from, due_to, position, detail_of)"
                    " values (%s, %s, %s, '', 'net', 0, %s, %s, %s, %s, %s, %s)",
                    [institution, feed, kind, *(due or (None,) * 4), place, detail_of],
                )
            half = len(batches) // 2
            for batch in batches[:half]:
                insert(connection, batch)
            build()
            # As an installation of before these tables: they are filled from all its batches.
            connection.execute("drop table warehouse.line_key cascade; drop table warehouse.spend_total cascade")
            for batch in batches[half:]:
                insert(connection, batch)
            build()
            yield connection


# The reckoning: plain loops over the batches, in the words of docs/explanation/decisions.md.


def standing(batches: list[Batch]) -> tuple[dict[int, str], list[Batch]]:
    """Why each batch does not count, and those that do."""
    why: dict[int, str] = {}
    loaded = [batch for batch in batches if batch.status == "loaded"]
    current = []
    for batch in loaded:
        same = [
            other
            for other in loaded
            if (other.institution, other.feed, other.label) == (batch.institution, batch.feed, batch.label)
        ]
        if same[-1] is batch:
            current.append(batch)
        else:
            why[batch.id] = f"superseded by batch {same[-1].id}"
    counted = []
    for batch in current:
        longer = [
            other
            for other in current
            if (other.institution, other.feed) == (batch.institution, batch.feed)
            and other.first <= batch.first
            and batch.last <= other.last
            and other.last - other.first > batch.last - batch.first
        ]
        if longer:
            why[batch.id] = f"covered by batch {max(longer, key=lambda one: one.last - one.first).id}"
        else:
            counted.append(batch)
    return why, counted


def key_of(reference: str | None) -> str | None:
    if not reference or not re.search(r"\d", reference):
        return None
    return re.sub(r"[^A-Z0-9]", "", reference.upper()).replace("O", "0").lstrip("0") or None


def name_of(line: dict[str, Any]) -> str | None:
    return re.sub(r"[^A-Z0-9]", "", line["supplier_name"].upper()) if line["supplier_name"] else None


def year_of(institution: str, day: date) -> str:
    start = YEAR_START[institution]
    first = day.year if day.month >= start else day.year - 1
    return f"{first}-{(first + 1) % 100:02}"


Line = tuple[int, int]


def twins(counted: list[Batch]) -> dict[Line, tuple[Line, str]]:
    """Each line left out, with the line that stands for it and the rule."""
    by_feed: dict[tuple[str, str], list[tuple[Line, dict[str, Any]]]] = defaultdict(list)
    for batch in sorted(counted, key=lambda one: one.id):
        if batch.kind in {"ledger", "card"} and not batch.detail_of:
            by_feed[batch.institution, batch.feed] += [
                ((batch.id, no), line) for no, line in enumerate(batch.lines, start=1)
            ]
    found: dict[Line, tuple[Line, str]] = {}
    feeds = sorted(by_feed, key=lambda feed: POSITION[feed])
    for place, later in enumerate(feeds):
        for earlier in [feed for feed in feeds[:place] if feed[0] == later[0]]:
            taken: set[Line] = set()
            paired: set[Line] = set()
            for reference, rule in (("transaction_ref", "same_transaction"), ("invoice_ref", "same_invoice")):
                waiting: dict[Any, list[Line]] = defaultdict(list)
                for at, line in by_feed[earlier]:
                    if at not in taken:
                        waiting[twin_key(line, reference)].append(at)
                for at, line in by_feed[later]:
                    key = twin_key(line, reference)
                    if key and at not in paired and waiting[key]:
                        twin = waiting[key].pop(0)
                        taken.add(twin)
                        paired.add(at)
                        found.setdefault(at, (twin, rule))
    return found


def twin_key(line: dict[str, Any], reference: str) -> Any:
    key, name = key_of(line.get(reference)), name_of(line)
    return (name, line["amount"], line["payment_date"], key) if key and name else None


def reasons(batches: list[Batch]) -> dict[Line, str | None]:
    """Every loaded line, with the reason it is left out, None where it counts."""
    why, counted = standing(batches)
    twin_of = twins(counted)
    year: dict[Line, tuple[str, str]] = {}
    plain: dict[tuple[str, str], set[str]] = defaultdict(set)
    result: dict[Line, str | None] = {}
    for batch in batches:
        for no, line in enumerate(batch.lines, start=1):
            at = (batch.id, no)
            if batch.status != "loaded":
                continue
            year[at] = (batch.institution, year_of(batch.institution, line.get("payment_date") or batch.last))
            if batch.id in why:
                result[at] = why[batch.id].split()[0]
            elif batch.detail_of:
                result[at] = "detail"
            elif at in twin_of:
                result[at] = twin_of[at][1]
            else:
                result[at] = None
                plain[year[at]].add(batch.kind)
    for batch in batches:
        for no in range(1, len(batch.lines) + 1):
            kinds = plain[year[batch.id, no]] if (batch.id, no) in year else set()
            beaten = (batch.kind == "observatory" and "ledger" in kinds) or (
                batch.kind == "card" and "ledger" not in kinds and "observatory" in kinds
            )
            if beaten and result[batch.id, no] is None:
                result[batch.id, no] = "second_opinion"
    return result


def test_every_line_is_counted_or_left_out_for_the_reckoned_reason(
    built: psycopg.Connection, batches: list[Batch]
) -> None:
    expected = reasons(batches)
    counted = built.execute("select batch_id, line_no from candidate.fct_spend").fetchall()
    left_out = built.execute("select batch_id, line_no, reason from candidate.line_not_counted").fetchall()
    assert sorted(counted) == sorted(at for at, reason in expected.items() if reason is None)
    assert {(batch, no): reason for batch, no, reason in left_out} == {at: r for at, r in expected.items() if r}
    assert set(expected.values()) >= {
        *("superseded", "covered", "detail", "second_opinion", "same_transaction", "same_invoice", None)
    }


def test_each_twin_stands_for_one_line_of_a_later_feed(built: psycopg.Connection, batches: list[Batch]) -> None:
    expected = {at: (twin, rule) for at, (twin, rule) in twins(standing(batches)[1]).items()}
    found = built.execute("select batch_id, line_no, twin_batch_id, twin_line_no, reason from candidate.line_twin")
    assert {(b, n): ((tb, tn), rule) for b, n, tb, tn, rule in found} == expected
    assert len(expected) > 10


def test_a_version_says_why_it_does_not_count(built: psycopg.Connection, batches: list[Batch]) -> None:
    why, _ = standing(batches)
    found = dict(built.execute("select batch_id, why_not from candidate.feed_version").fetchall())
    assert set(found) == {batch.id for batch in batches}
    assert {batch: words for batch, words in found.items() if words and "by batch" in words} == why
    told = Counter((words or "counted").split(":")[0].rstrip(" 0123456789") for words in found.values())
    assert set(told) == {
        *("counted", "covered by batch", "superseded by batch", "refused", "another basis counts in its year"),
        "its pounds are in the lines of ledger",
    }
    assert told["refused"] == 2


def test_the_scorecards_pounds_are_the_counted_lines(built: psycopg.Connection, batches: list[Batch]) -> None:
    pounds: Counter[tuple[str, str]] = Counter()
    expected = reasons(batches)
    for batch in batches:
        for no, line in enumerate(batch.lines, start=1):
            if batch.status == "loaded" and expected[batch.id, no] is None:
                pounds[batch.institution, year_of(batch.institution, line.get("payment_date") or batch.last)] += line[
                    "amount"
                ]
    found = built.execute(
        "select institution_id, financial_year, total_amount from candidate.kpi_scorecard"
        " where kpi_id = 'local_spend_gbp' and definition_id = %s and institution_id <> 'partnership'",
        [DEFINITION],
    ).fetchall()
    assert {(institution, year): amount for institution, year, amount in found} == dict(pounds)


def promised_months(batches: list[Batch]) -> dict[tuple[str, str, date], tuple[str, date, int | None]]:
    """Status, due day and days late of every promised month."""
    _, counted = standing(batches)
    result = {}
    for institution, feed, _, _, due in FEEDS:
        if not due:
            continue
        every, days, starts, ends = due
        length = {"month": 1, "quarter": 3, "year": 12}[every]
        first = starts
        while first <= (ends or AS_OF):
            due_on = span(first, length)[1] + timedelta(days=days)
            for place in range(length):
                month = following(first, place) if place else first
                holding = [
                    batch
                    for batch in batches
                    if (batch.institution, batch.feed, batch.status) == (institution, feed, "loaded")
                    and batch.first <= month <= batch.last
                ]
                lines = [len(batch.lines) for batch in holding if batch in counted]
                late = None
                if not lines:
                    status = "missing" if due_on < AS_OF else "not_due"
                else:
                    late = max((min(batch.landed for batch in holding) - due_on).days, 0)
                    status = "empty" if sum(lines) == 0 else "late" if late else "on_time"
                result[institution, feed, month] = (status, due_on, late)
            first = following(first, length)
    return result


def test_every_promised_month_has_its_reckoned_status(built: psycopg.Connection, batches: list[Batch]) -> None:
    expected = promised_months(batches)
    found = built.execute(
        "select institution_id, feed_id, month_first, status, due_on, days_late from candidate.feed_coverage"
        " where status <> 'not_promised'"
    ).fetchall()
    assert {(i, f, m): (status, due, late) for i, f, m, status, due, late in found} == expected
    assert {status for status, *_ in expected.values()} == {"on_time", "late", "missing", "empty", "not_due"}
    assert one(built, "select array_agg(distinct judged_on) from candidate.feed_coverage") == [AS_OF]


def test_a_month_of_far_fewer_or_more_lines_than_usual_is_told(built: psycopg.Connection) -> None:
    found = built.execute(
        "select to_char(month_first, 'YYYY-MM'), volume from candidate.feed_coverage"
        " where volume <> 'normal' and feed_id = 'ledger' order by 1"
    ).fetchall()
    assert found == [("2017-12", "short"), ("2018-01", "long")]


def test_a_figure_says_how_many_months_it_misses(built: psycopg.Connection, batches: list[Batch]) -> None:
    counting = {("council", "ledger"), ("council", "card"), ("college", "vendor"), ("college", "card")}
    missing: Counter[tuple[str, str]] = Counter()
    unfinished: set[tuple[str, str]] = set()
    for (institution, feed, month), (status, *_) in promised_months(batches).items():
        year = (institution, year_of(institution, month))
        if (institution, feed) in counting and not (feed == "card" and year == ("college", "2017-18")):
            missing[year] += status in {"missing", "empty"}
            missing["partnership", year[1]] += status in {"missing", "empty"}
            if status in {"missing", "empty", "not_due"}:
                unfinished |= {year, ("partnership", year[1])}
    found = built.execute(
        "select institution_id, financial_year, missing_months, is_complete from candidate.kpi_scorecard"
        " where kpi_id = 'local_spend_pct' and definition_id = %s",
        [DEFINITION],
    ).fetchall()
    assert {(i, y): m for i, y, m, _ in found} == {(i, y): missing[i, y] for i, y, *_ in found}
    assert {(i, y) for i, y, _, complete in found if complete is False} == {(i, y) for i, y, *_ in found} & unfinished
    assert missing["council", "2017-18"] == 2 + 6  # two months of the ledger, two quarters of the cards
    assert ("college", "2017-18", 0, True) in found


def double_payments(batches: list[Batch]) -> dict[Line, tuple[str, str, Decimal]]:
    """Rule, status and pounds at risk of each line listed."""
    expected = reasons(batches)
    paid: dict[Any, list[tuple[Line, dict[str, Any]]]] = defaultdict(list)
    for batch in batches:
        for no, line in enumerate(batch.lines, start=1):
            # The supplier record: the name as written, case apart.
            if batch.kind != "observatory" and expected.get((batch.id, no), "") is None and line["supplier_name"]:
                record = (batch.institution, line["supplier_name"].upper(), abs(line["amount"]))
                paid[record].append(((batch.id, no), line))
    result: dict[Line, tuple[str, str, Decimal]] = {}
    for (_, _, amount), lines in paid.items():
        if amount < 100:
            continue
        credits = [line["payment_date"] for _, line in lines if line["amount"] < 0]
        debits = [(at, line) for at, line in lines if line["amount"] > 0]
        left = dict(debits)
        groups = []
        for rule in ("same_invoice", "invoice_with_suffix", "invoice_without_reference"):
            alike: dict[Any, list[Line]] = defaultdict(list)
            for at, line in debits:
                key, day = key_of(line["invoice_ref"]), line["invoice_date"]
                what = {
                    "same_invoice": key,
                    "invoice_with_suffix": (day, re.sub(r"[A-Z]{1,2}$", "", key)) if key and day else None,
                    "invoice_without_reference": day,
                }[rule]
                if what is not None:
                    alike[what].append(at)
            for what, members in alike.items():
                of = dict(debits)
                keys = {key_of(of[at]["invoice_ref"]) for at in members}
                if len({payment(of[at]) for at in members}) < 2:
                    continue
                if rule == "invoice_with_suffix" and (len(keys) < 2 or what[1] not in keys):
                    continue
                if rule == "invoice_without_reference" and None not in keys:
                    continue
                mine = [at for at in members if at in left]
                for at in mine:
                    del left[at]
                if len({payment(of[at]) for at in mine}) > 1:
                    groups.append((rule, mine))
        days = sorted({line["payment_date"] for _, line in debits})
        gaps = [(after - before).days for before, after in pairwise(days)]
        regular = len(days) >= 3 and max(gaps) - min(gaps) <= 3
        of = dict(debits)
        listed = []
        for rule, mine in groups:
            payments = Counter(payment(of[at]) for at in mine)
            if regular and len({of[at]["payment_date"] for at in mine}) == len(payments):
                continue
            listed.append((min(of[at]["payment_date"] for at in mine), rule, mine, payments))
        for day, rule, mine, payments in listed:
            over = {at for at in mine if payment(of[at]) != kept(payments)}
            cleared = sum(one >= day for one in credits)
            for at in mine:
                result[at] = (rule, str(cleared), amount if at in over else Decimal(0))
    return result


def payment(line: dict[str, Any]) -> str:
    return f"{line['payment_date']} {key_of(line['transaction_ref']) or ''}".strip()


def kept(payments: Counter[str]) -> str:
    return min(payments, key=lambda one: (-payments[one], one))


def test_likely_double_payments_are_the_reckoned_ones(built: psycopg.Connection, batches: list[Batch]) -> None:
    expected = double_payments(batches)
    found = built.execute(
        "select batch_id, line_no, rule_id, status, amount_at_risk from candidate.likely_double_payment"
    ).fetchall()
    assert {(batch, no): rule for batch, no, rule, *_ in found} == {at: rule for at, (rule, *_) in expected.items()}
    at_risk = {(batch, no): amount for batch, no, _, status, amount in found if status == "likely"}
    assert at_risk == {at: expected[at][2] for at in at_risk}
    assert {amount for *_, status, amount in found if status == "cleared"} <= {Decimal(0)}
    # A group is cleared only where there are as many credit notes as lines paid over.
    for batch, no, _, status, _ in found:
        assert status == "likely" or int(expected[batch, no][1]) > 0
    assert len(found) > 20


def test_an_overlap_in_part_is_counted_twice_and_told(built: psycopg.Connection) -> None:
    both = "select count(*) from candidate.dim_batch where feed_id = 'card' and period_label in ('{}', '{}')"
    assert one(built, both.format("2018-04..2018-05", "2018-05..2018-06")) == 2


def test_no_name_is_in_what_is_kept_for_matching(built: psycopg.Connection) -> None:
    for table in ("warehouse.line_key", "candidate.line_twin", "candidate.likely_double_payment"):
        assert one(built, f"select count(*) from {table} as line where line::text ilike '%quux%'") == 0
