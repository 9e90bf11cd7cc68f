"""A new version of a file against the one it replaces: every line that differs is kept, counted and paired right."""

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend import ingest
from anchorspend.contract import Institution
from anchorspend.difference import Difference
from anchorspend.load import Batch

HEADER = "Date,Supplier,Amount,Ref\n"
COLUMNS = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount", "transaction_ref": "Ref"}
COLLEGE = Institution.model_validate(
    {
        "id": "college",
        "name": "C",
        "type": "college",
        "feeds": {
            "ledger": {
                "kind": "ledger",
                "description": "Payments",
                "source": {"folder": "college/ledger"},
                "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
                "vat": "net",
                "quarantine_limit": 1,
                "layouts": [{"columns": COLUMNS}],
            }
        },
    }
)

Line = tuple[str, str, str, str]


@pytest.fixture
def load(connection: psycopg.Connection, tmp_path: Path) -> Any:
    def run(lines: list[Line], name: str = "spend-2017-04.csv", header: str = HEADER) -> Batch:
        path = tmp_path / name
        path.write_text(header + "".join(",".join(line) + "\n" for line in lines))
        batch = ingest.ingest_file(COLLEGE, "ledger", path)[1]
        assert batch is not None
        return batch

    return run


def line(number: int, amount: str = "10.00", ref: str | None = None) -> Line:
    return ("03/04/2017", f"Supplier {number}", amount, f"T{number}" if ref is None else ref)


def test_a_period_loaded_for_the_first_time_differs_from_nothing(load) -> None:
    assert load([line(1)]).difference is None
    assert load([line(1)], "spend-2017-05.csv").difference is None


def test_added_removed_and_changed_lines_are_counted_and_kept(load, connection) -> None:
    first = load([line(1), line(2), line(3, "5.00"), line(4, "1.50", "")])
    second = load([line(3, "7.25"), line(1), line(5, "100"), line(4, "2.50", "")])
    assert second.difference == Difference(
        first.batch_id, 2, Decimal("102.50"), 2, Decimal("11.50"), 1, Decimal("5.00"), Decimal("7.25")
    )
    assert str(second.difference) == (
        "replaces batch 1: 2 lines added (£102.50), 2 removed (£11.50), 1 changed (£5.00 to £7.25)"
    )
    kept = connection.execute(
        "select change, line_no, replaced_line_no, amount, replaced_amount from ops.line_difference order by 1, 2, 3"
    ).fetchall()
    assert kept == [
        ("added", 3, None, Decimal("100"), None),
        ("added", 4, None, Decimal("2.50"), None),
        ("changed", 1, 3, Decimal("7.25"), Decimal("5.00")),
        ("removed", None, 2, None, Decimal("10.00")),
        ("removed", None, 4, None, Decimal("1.50")),
    ]


def test_a_third_version_is_compared_with_the_second(load) -> None:
    load([line(1)])
    second = load([line(1), line(2)])
    assert load([line(1), line(2), line(3)]).difference == Difference(
        second.batch_id, 1, Decimal(10), 0, Decimal(0), 0, Decimal(0), Decimal(0)
    )


def test_a_refused_version_is_compared_with_nothing_and_replaces_nothing(load) -> None:
    first = load([line(1)])
    refused = load([line(1)], header="Date,Supplier,Amount,Number\n")
    assert (refused.status, refused.difference) == ("refused", None)
    assert load([line(1), line(2)]).difference.replaced_batch_id == first.batch_id


@pytest.mark.parametrize("seed", range(8))
def test_differences_agree_with_a_count_of_the_lines(load, connection, seed: int) -> None:
    chance = random.Random(seed)
    pool = [line(chance.randrange(12), f"{chance.randrange(4)}.00", "") for _ in range(30)]
    before, after = chance.choices(pool, k=40), chance.choices(pool, k=45)
    load(before)
    found = load(after).difference
    added, removed = Counter(after) - Counter(before), Counter(before) - Counter(after)
    assert found.lines_changed == 0
    assert (found.lines_added, found.lines_removed) == (added.total(), removed.total())
    assert found.amount_added == sum(Decimal(one[2]) for one in added.elements())
    assert found.amount_removed == sum(Decimal(one[2]) for one in removed.elements())
    assert connection.execute("select count(*) from ops.line_difference").fetchone() == (
        added.total() + removed.total(),
    )
