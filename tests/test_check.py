"""Rehearsal: what loading a file would do, told without a database and held to what a load holds it to."""

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from anchorspend import rehearse
from anchorspend.contract import Institution, load_institution
from anchorspend.errors import UserError
from rich.console import Console

CONTRACT = """
id: beds_council
name: Beds Council
type: local_authority
feeds:
  ledger:
    kind: ledger
    description: Payments
    source: {{folder: beds/ledger}}
    period: '(?P<year>\\d{{4}})-(?P<month>\\d{{2}})\\.csv$'
    vat: net
    {feed}
    layouts:
      - columns: {{payment_date: Paid, supplier_name: Supplier, amount: Amount}}
        {layout}
"""
HEADER = "Paid,Supplier,Amount\n"
GOOD = "13/04/2023,Luton Paper Ltd,10.50\n14/04/2023,Bedford Bricks Ltd,20.00\n"


def contract(tmp_path: Path, feed: str = "", layout: str = "") -> Institution:
    path = tmp_path / "beds_council.yml"
    path.write_text(CONTRACT.format(feed=feed, layout=layout))
    return load_institution(path)


def rehearsed(
    tmp_path: Path, text: str, feed: str = "", layout: str = "", name: str = "2023-04.csv"
) -> rehearse.Rehearsal:
    path = tmp_path / name
    path.write_text(text)
    done = rehearse.rehearse(path, contract(tmp_path, feed, layout), "ledger")
    Console(file=io.StringIO(), width=80).print(rehearse.shown(done))
    json.dumps(done.as_json())
    return done


def test_a_good_file_would_load_with_its_lines_and_pounds(tmp_path: Path) -> None:
    done = rehearsed(tmp_path, HEADER + GOOD)
    assert done.refused is None
    assert (done.lines_loaded, done.lines_quarantined, done.amount_loaded) == (2, 0, Decimal("30.50"))
    assert (done.period, done.first_date, done.last_date, done.layout) == ("2023-04", "2023-04-13", "2023-04-14", 1)


def test_lines_for_quarantine_are_grouped_by_reason_with_rows_and_examples(tmp_path: Path) -> None:
    bad = "31/04/2023,Luton Paper Ltd,1.00\n32/04/2023,Luton Paper Ltd,2.00\n15/04/2023,Luton Paper Ltd,ten\n"
    done = rehearsed(tmp_path, HEADER + GOOD + bad, feed="quarantine_limit: 1")
    assert done.refused is None
    assert [(one.column, one.lines, one.rows, one.examples) for one in done.quarantine] == [
        ("Paid", 2, [4, 5], ["31/04/2023", "32/04/2023"]),
        ("Amount", 1, [6], ["ten"]),
    ]
    assert (done.amount, done.amount_loaded, done.amount_quarantined) == (
        Decimal("33.50"),
        Decimal("30.50"),
        Decimal("3.00"),
    )


@pytest.mark.parametrize(
    ("text", "feed", "layout", "name", "words"),
    [
        (HEADER + GOOD + "32/04/2023,x,1.00\n", "", "", "2023-04.csv", "over the limit of 2.0%"),
        ("Paid,Supplier,Net\n" + GOOD, "", "", "2023-04.csv", "amount"),
        ("Paid,Supplier,Amount,Colour\n" + GOOD, "", "", "2023-04.csv", "Colour"),
        (HEADER + GOOD, "", "", "april.csv", "its name holds no period"),
        (HEADER + GOOD, "", "starts: 2024-01-01", "2023-04.csv", "no layout starts"),
        (HEADER + GOOD, "control_total: {published: {2023-04: 31.50}}", "", "2023-04.csv", "£-1.00 apart"),
        (HEADER + GOOD + ",Total,31.50\n", "", "totals: {field: supplier_name, label: total}", "2023-04.csv", "31.50"),
        ("<!DOCTYPE html><html></html>", "", "", "2023-04.csv", "web page"),
    ],
)
def test_what_a_load_would_refuse_is_refused_with_the_reason(
    tmp_path: Path, text: str, feed: str, layout: str, name: str, words: str
) -> None:
    assert words in str(rehearsed(tmp_path, text, feed, layout, name).refused)


def test_a_change_of_layout_comes_with_a_letter_to_the_publisher(tmp_path: Path) -> None:
    assert rehearsed(tmp_path, "Paid,Supplier,Net\n" + GOOD).note


@pytest.mark.parametrize(
    ("feed", "layout", "below", "source"),
    [
        ("control_total: {published: {2023-04: 30.50}}", "", "", "the published total"),
        ("", "totals: {field: supplier_name, label: total}", ",Total,30.50\n", "the totals row of the file"),
    ],
)
def test_a_control_total_that_agrees_is_told(tmp_path: Path, feed: str, layout: str, below: str, source: str) -> None:
    told = rehearsed(tmp_path, HEADER + GOOD + below, feed, layout).as_json()
    assert told["control"] == {"source": source, "expected": "30.5" if feed else "30.50", "agrees": True}
    assert (told["would_load"], told["lines"]["total"]) == (True, 2)


SIDECAR = "control_total: {sidecar: 'control_{stem}.csv', amount: Total, lines: Lines}"


def test_a_control_total_beside_the_file_is_compared(tmp_path: Path) -> None:
    assert "no file with the control total" in rehearsed(tmp_path, HEADER + GOOD, SIDECAR).findings[0]
    beside = tmp_path / "control_2023-04.csv"
    beside.write_text("Total,Lines\n30.50,2\n")
    assert rehearsed(tmp_path, HEADER + GOOD, SIDECAR).as_json()["control"]["agrees"] is True
    beside.write_text("Total,Lines\n30.50,3\n")
    assert "the file holds 2 lines" in rehearsed(tmp_path, HEADER + GOOD, SIDECAR).refused


def test_findings_tell_what_is_kept_and_worth_knowing(tmp_path: Path) -> None:
    said = "\n".join(rehearsed(tmp_path, HEADER + GOOD + GOOD + "01/03/2023,,5.00\n").findings)
    assert "2 lines repeat another exactly" in said
    assert "1 lines name no supplier" in said
    assert "1 lines are dated before the period" in said


def test_a_contract_may_be_called_anything_and_is_refused_under_its_own_name(tmp_path: Path) -> None:
    draft = tmp_path / "my draft.yml"
    draft.write_text(CONTRACT.format(feed="", layout=""))
    assert load_institution(draft, any_name=True).id == "beds_council"
    draft.write_text(CONTRACT.format(feed="colour: red", layout=""))
    with pytest.raises(UserError, match=r"my draft\.yml.*colour"):
        load_institution(draft, any_name=True)
    draft.write_text("id: [")
    with pytest.raises(UserError, match="not YAML"):
        load_institution(draft, any_name=True)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        rehearse.rehearse(tmp_path / "2023-04.csv", contract(tmp_path), "ledger")
    with pytest.raises(UserError, match="is a folder"):
        rehearse.rehearse(tmp_path, contract(tmp_path), "ledger")
