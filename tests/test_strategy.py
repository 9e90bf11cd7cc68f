"""The strategy's own words: targets and statements stand as it has them, and its contradictions are found."""

import csv
import re

import psycopg
import pytest
from anchorspend import settings
from conftest import SHARED

SEEDS = settings.dbt_project() / "seeds"
STRATEGY = SHARED.parent / "strategy.txt"
# What a reader of it found by hand, rule by rule.
CONTRADICTIONS = {
    ("statements_disagree", "share of suppliers that are SMEs"),
    ("statements_disagree", "pounds that the local share is of"),
    ("statements_disagree", "children living in poverty"),
    ("known_and_unknown", "share of spend with SMEs"),
    ("below_baseline", "engagement_events"),
    ("baseline_and_target_differ", "savings_gbp"),
    ("same_numbers", "engagement_events, vcs_spend_pct"),
    ("unit_not_written", "vcs_spend_pct"),
    ("goals_disagree", "local_spend_gbp, local_spend_pct"),
    ("two_definitions", "quotes_with_local_pct"),
    ("ends_before_it_starts", "appropriate procurement process, terms and conditions"),
    ("boundary_in_no_band", "spending by threshold: exactly £1000"),
    ("boundary_in_no_band", "spending by threshold: exactly £100000"),
}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower().replace(",", "")))


@pytest.mark.skipif(not STRATEGY.exists(), reason="the strategy lies beside the checkout of its authors only")
@pytest.mark.parametrize("name", ["strategy_target", "strategy_statement"])
def test_what_is_quoted_stands_in_the_strategy_where_it_is_said_to(name: str) -> None:
    lines = STRATEGY.read_text(encoding="utf-8").split("\n")
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 10
    for row in rows:
        numbers = [int(number) for number in re.findall(r"(?<=[L-])\d+", row["source"])]
        around = " ".join(lines[min(numbers) - 3 : max(numbers) + 3])
        assert words(row["as_written"]) - {"current"} <= words(around), row
        assert words(row["as_written"]) & words(" ".join(lines[min(numbers) - 1 : max(numbers)])), row


def test_every_contradiction_of_the_strategy_is_found_and_no_other(bi_reader: psycopg.Connection) -> None:
    found = bi_reader.execute("select rule_id, subject from strategy_finding").fetchall()
    assert set(found) == CONTRADICTIONS
    assert len(found) == len(CONTRADICTIONS)
