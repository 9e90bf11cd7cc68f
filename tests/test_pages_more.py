"""Pages on joint spend, leakage, procurement, data quality and releases: what they say is what the marts say."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend import pages
from anchorspend.pages import formats, joint, leakage, procurement, quality, releases
from anchorspend.pages.marts import Marts, published
from anchorspend.pages.parts import Chart, Link, Page, Status, Table, Text
from test_release import County

MODULES = (joint, leakage, procurement, quality, releases)


def tables(page: Page) -> dict[str, Table]:
    """A page's tables by name, those of its charts too."""
    blocks = [block for section in page.sections for block in section.blocks]
    return {
        table.name: table
        for block in blocks
        if (table := block.table if isinstance(block, Chart) else block) and isinstance(table, Table)
    }


def charts(page: Page) -> list[Chart]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Chart)]


def words(page: Page) -> str:
    """Everything that a page says outside its tables."""
    found = [page.title, page.lead]
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Text):
                found += [one.text if isinstance(one, Link) else one for one in block.words]
            elif isinstance(block, Chart):
                found += [block.title, block.says]
    return "\n".join(found)


def column(table: Table, heading: str) -> list[Any]:
    at = [one.heading for one in table.columns].index(heading)
    return [row[at] for row in table.rows]


@pytest.fixture(scope="module")
def made(sample_release: tuple[str, Path]) -> dict[str, Page]:
    """The pages of the sample county."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", sample_release[0])
        with published() as marts:
            return {module.__name__.rpartition(".")[2]: module.page(marts) for module in MODULES}


@pytest.fixture
def little(county: County, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Marts]:
    """Two releases of a county that sends payments only; whose pages go to a folder of the test's own."""
    with county.copied(), published() as marts:
        monkeypatch.setattr(pages, "folder", lambda: tmp_path)
        yield marts


def one(connection: psycopg.Connection, query: str) -> Any:
    (value,) = connection.execute(query.encode()).fetchone() or (None,)
    return value


def test_every_table_is_whole_and_every_chart_has_a_finding(made: Mapping[str, Page]) -> None:
    named = [name for page in made.values() for name in tables(page)]
    assert len(named) == len(set(named)) > 25
    for page in made.values():
        assert page.lead.endswith(".")
        for name, table in tables(page).items():
            assert {len(row) for row in table.rows} <= {len(table.columns)}, name
            assert table.rows, name
        for chart in charts(page):
            assert chart.says.startswith(chart.title)
            assert any(letter.isdigit() for letter in chart.title), chart.title


def test_joint_spend_is_that_of_the_marts(made: Mapping[str, Page], bi_reader: psycopg.Connection) -> None:
    found = tables(made["joint"])
    year = one(bi_reader, "select max(financial_year) from joint_supplier")
    total, count = bi_reader.execute(
        "select sum(amount), count(*) from joint_supplier where financial_year = %s", [year]
    ).fetchone() or (None, None)
    assert (sum(column(found["joint_suppliers"], "Pounds")), len(found["joint_suppliers"].rows)) == (total, count)
    assert f"{count:,} suppliers" in made["joint"].lead
    assert formats.short_pounds(total) in made["joint"].lead
    assert column(found["joint_suppliers"], "Pounds") == sorted(
        column(found["joint_suppliers"], "Pounds"), reverse=True
    )
    assert len(found["contracts_ending_together"].rows) == one(
        bi_reader, "select count(distinct window_id) from contract_window"
    )
    assert len(found["differing_terms"].rows) == one(bi_reader, "select count(*) from joint_terms")
    assert sum(column(found["joint_categories"], "Pounds")) == one(
        bi_reader, f"select sum(amount) from joint_category where financial_year = '{year}'"
    )


def test_what_could_be_contested_is_that_of_the_marts(made: Mapping[str, Page], bi_reader: psycopg.Connection) -> None:
    found = tables(made["leakage"])
    strategy = "from contestable_spend where definition_id = 'strategy'"
    whole = one(bi_reader, f"select sum(amount) {strategy}")
    assert sum(column(found["contestable_spend"], "Pounds a year")) == whole
    assert sum(column(found["contestable_by_institution"], "All")) == whole
    assert sum(column(found["contestable_by_institution"], "Free now")) == one(
        bi_reader, f"select sum(amount) {strategy} and when_free = 'now'"
    )
    assert formats.short_pounds(whole) in made["leakage"].lead
    weighted = column(found["contestable_spend"], "Weighted")
    assert weighted == sorted(weighted, reverse=True)
    assert len(weighted) > Table.ON_PAGE
    states = {state.word for state in column(found["attainable_path"], "Status")}
    assert len(states) == one(
        bi_reader, "select count(distinct status) from attainable_path where definition_id = 'strategy'"
    )


def test_the_parts_of_a_change_add_up_to_it(made: Mapping[str, Page]) -> None:
    rows = tables(made["leakage"])["share_change"].rows
    assert len(rows) > 5
    for row in rows:
        before, after, change, *parts = row[2:]
        assert abs(after - before - change) < Decimal("1e-7")
        assert abs(sum(parts) - change) < Decimal("1e-7")


def test_procurement_is_that_of_the_marts(made: Mapping[str, Page], bi_reader: psycopg.Connection) -> None:
    found = tables(made["procurement"])
    assert sum(column(found["exemptions"], "Received")) == one(bi_reader, "select count(*) from fct_exemption")
    assert len(found["cycle_times"].rows) == one(bi_reader, "select count(*) from procurement_cycle")
    assert {"published", "awarded"} == {*column(found["cycle_times"], "From"), *column(found["cycle_times"], "To")}
    assert sum(column(found["social_value"], "Promised")) == one(
        bi_reader, "select sum(promised_amount) from fct_social_value"
    )
    said = words(made["procurement"])
    for kpi, definition in (("savings_gbp", "all"), ("quotes_with_local_pct", "strategy")):
        value, unit = bi_reader.execute(
            "select value, unit from kpi_scorecard inner join kpi_definition using (kpi_id) where kpi_id = %s"
            " and definition_id = %s and institution_id = 'partnership' and financial_year = '2019-20'",
            [kpi, definition],
        ).fetchone() or (None, None)
        assert formats.in_unit(value, unit) in said


def test_every_check_has_its_owner_and_the_failed_come_first(
    made: Mapping[str, Page], bi_reader: psycopg.Connection
) -> None:
    table = tables(made["quality"])["audit_checks"]
    results = [status.word for status in column(table, "Result")]
    assert Counter(results) == {
        {True: "Passed", False: "Failed"}[passed]: count
        for passed, count in bi_reader.execute("select passed, count(*) from audit_check group by passed").fetchall()
    }
    assert results == sorted(results)
    assert "" not in column(table, "Owner")
    assert f"{results.count('Passed')} of {len(results)} checks" in made["quality"].lead


def test_the_calendar_has_a_word_for_every_month_of_the_year_and_every_month_amiss(
    made: Mapping[str, Page], bi_reader: psycopg.Connection
) -> None:
    found = tables(made["quality"])
    grids = [table for name, table in found.items() if name.startswith("feed_calendar")]
    months = [cell for table in grids for row in table.rows for cell in row[1:-1]]
    assert {len(table.columns) for table in grids} == {14}
    assert sum(isinstance(cell, Status) for cell in months) == one(
        bi_reader,
        "select count(*) from feed_coverage where financial_year = '2019-20' and status <> 'not_promised'",
    )
    assert {cell for cell in months if not isinstance(cell, Status)} <= {"none due"}
    assert Counter(status.word for status in column(found["feed_months_amiss"], "State"))["Missing"] == one(
        bi_reader, "select count(*) from feed_coverage where status = 'missing' and financial_year <> '2019-20'"
    )


def test_lines_in_quarantine_and_not_counted_are_those_of_the_marts(
    made: Mapping[str, Page], bi_reader: psycopg.Connection
) -> None:
    found = tables(made["quality"])
    lines, amount = bi_reader.execute("select sum(line_count), sum(amount) from quarantine_reason").fetchone() or (
        None,
        None,
    )
    assert sum(column(found["quarantine"], "Lines")) == lines
    assert sum(pounds or 0 for pounds in column(found["quarantine"], "Pounds")) == amount
    assert None in column(found["quarantine"], "Pounds"), "pounds that nobody could read are unknown, not zero"
    assert sum(column(found["lines_not_counted"], "Lines")) == one(bi_reader, "select count(*) from line_not_counted")
    assert len(found["strategy_findings"].rows) == one(bi_reader, "select count(*) from strategy_finding")


def test_no_private_person_is_named(made: Mapping[str, Page], sample_truth: Path) -> None:
    with (sample_truth / "individuals.csv").open(encoding="utf-8", newline="") as stream:
        people = {row[key].casefold() for row in csv.DictReader(stream) for key in ("name", "name_as_written")}
    assert len(people) > 5
    for page in made.values():
        said = (words(page) + repr([table.rows for table in tables(page).values()])).casefold()
        assert [name for name in people if name in said] == [], page.title


def test_a_first_release_is_compared_with_none(made: Mapping[str, Page]) -> None:
    assert "first release" in words(made["releases"])
    assert "kpi_revisions" not in tables(made["releases"])


def test_a_second_release_says_what_it_changed_and_where_the_first_stands(little: Marts) -> None:
    page = releases.page(little)
    rows = tables(page)["kpi_revisions"].rows
    assert len(rows) == little.one("select count(*) as n from marts.kpi_revision").n > 10
    first = rows[0]
    assert (first[1], first[2], first[4]) == ("Countywide partnership", "2017-18", Status("Changed", "doubt"))
    told = little.one(
        "select value, value_before from marts.kpi_revision where institution_id = 'partnership'"
        " and (kpi_id, definition_id) = ('local_spend_pct', 'strategy')"
    )
    assert first[5:7] == [formats.share(told.value_before), formats.share(told.value)]
    assert f"{formats.share(told.value_before)} to {formats.share(told.value)}" in words(page)
    (corrected,) = tables(page)["corrected_files"].rows
    assert corrected[0] == "2017-05_revised.csv"
    assert column(tables(page)["releases"], "Its pages") == ["these", "none written"]


def test_an_earlier_release_is_linked_where_its_pages_are(little: Marts) -> None:
    earlier = pages.of_release("release_0001")
    earlier.parent.mkdir()
    earlier.touch()
    link = column(tables(releases.page(little))["releases"], "Its pages")[1]
    assert link == Link("Pages of release 1", "../release_0001/index.html")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_county_without_registers_is_told_so_in_words(little: Marts, module: Any) -> None:
    page = module.page(little)
    for section in page.sections:
        assert section.blocks, section.heading
    assert "None" not in words(page)
    if module is procurement:
        assert "No institution sends" in words(page)
