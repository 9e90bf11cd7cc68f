"""Audit: every check of `expectations/` is seen to fail on a fault of its own; a gate that checks less is refused."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend import audit, model, release, settings
from test_release import County, one, relations

SUITES = settings.home() / "expectations" / "suites"
WRITTEN = {
    (path.stem, expectation["description"]): expectation
    for path in sorted(SUITES.glob("*.json"))
    for expectation in json.loads(path.read_text(encoding="utf-8"))["expectations"]
}


@dataclass(frozen=True)
class Fault:
    """Statements that spoil a candidate, and a query for the rows the check must show: these, and no others."""

    statements: str
    shown: str


def batch(number: int) -> str:
    return f"(select batch_id from candidate.dim_batch order by batch_id limit 1 offset {number})"


def line(institution: str, amount: str) -> str:
    return f"institution_id = '{institution}' and amount = {amount}"


def at(institution: str, definition: str, kpi: str = "local_spend_pct") -> str:
    return f"(institution_id, definition_id, kpi_id) = ('{institution}', '{definition}', '{kpi}')"


def judged_record(supplier_ref: str, *, is_named: bool = True) -> str:
    """The condition that a row is about one record of Alpha Council; a private person's number is not published."""
    which = f"supplier_ref = '{supplier_ref}'" if is_named else "is_individual"
    return (
        "supplier_record_id = (select supplier_record_id from candidate.dim_supplier"
        f" where institution_id = 'alpha_council' and {which})"
    )


ALPHA_RECORDS = "select supplier_record_id from candidate.dim_supplier where institution_id = 'alpha_council'"
TWIN = "batch_id, line_no, institution_id, feed_id, amount, twin_batch_id, twin_line_no"
REFUSED = "batch_id, institution_id, feed_id, status, file_name, period_label, why_not"
FAULTS = {
    ("dim_batch", "every batch is reconciled: lines and pounds read are those loaded and quarantined"): Fault(
        f"update candidate.dim_batch set amount_loaded = amount_loaded + 0.01 where batch_id = {batch(0)};"
        f"update candidate.dim_batch set lines_loaded = null where batch_id = {batch(1)}",
        f"select batch_id from candidate.dim_batch where batch_id in ({batch(0)}, {batch(1)})",
    ),
    ("dim_batch", "a batch agrees with its publisher's control total where there is one"): Fault(
        f"update candidate.dim_batch set control_amount = amount_read + 0.01 where batch_id = {batch(2)}",
        f"select {batch(2)} as batch_id",
    ),
    ("dim_batch", "a batch has less than one line in a hundred in quarantine"): Fault(
        "update candidate.dim_batch set lines_read = 50, lines_loaded = 50, lines_quarantined = 0"
        " where lines_quarantined > 0;"  # the county's own
        "update candidate.dim_batch set lines_read = 50, lines_loaded = 49, lines_quarantined = 1"
        f" where batch_id = {batch(3)}",
        f"select {batch(3)} as batch_id",
    ),
    ("dim_batch", "sample data and real data are never counted together"): Fault(
        f"update candidate.dim_batch set is_sample = true where batch_id = {batch(4)}",
        "select true as is_sample, 1 as batches union all select false, 4",
    ),
    ("dim_batch", "no two counted files of a feed overlap in part"): Fault(
        "update candidate.dim_batch set period_first = '2017-04-30' where period_label = '2017-05'",
        "select batch_id, 'ledger' as feed_id from candidate.dim_batch"
        " where institution_id = 'alpha_council' and period_label = '2017-04'",
    ),
    ("dim_supplier", "no payee with a personal title is named, and no private person has a postcode"): Fault(
        "update candidate.dim_supplier set supplier_name = 'Mrs Planted' where supplier_ref = 'A4';"
        "update candidate.dim_supplier set record_name = 'DR. PLANTED' where supplier_ref = 'A5';"
        "update candidate.dim_supplier set supplier_postcode = 'LU62ZZ' where is_individual",
        "select supplier_record_id from candidate.dim_supplier"
        " where is_individual or supplier_name = 'Mrs Planted' or record_name = 'DR. PLANTED'",
    ),
    (
        "fct_spend",
        "the lines of each counted institution, year and basis add up to the stated pounds and number",
    ): Fault(
        f"delete from candidate.fct_spend where {line('beta_police', '50')};"
        "delete from candidate.fct_spend where institution_id = 'gamma_college'",
        "select institution_id, '2017-18' as financial_year"
        " from candidate.dim_institution where institution_id in ('beta_police', 'gamma_college')",
    ),
    ("fct_spend", "every line belongs to a supplier record of its own institution"): Fault(
        f"update candidate.fct_spend set supplier_record_id = ({ALPHA_RECORDS} limit 1)"
        f" where {line('beta_police', '150')}",
        f"select batch_id, line_no from candidate.fct_spend where {line('beta_police', '150')}",
    ),
    ("fct_spend", "no payment is dated after the release is made"): Fault(
        f"update candidate.fct_spend set spend_date = current_date + 1 where {line('alpha_council', '500.20')}",
        f"select batch_id, line_no from candidate.fct_spend where {line('alpha_council', '500.20')}",
    ),
    ("fct_spend", "no single line is over £100 million"): Fault(
        "update candidate.fct_spend set amount = case amount when 1000.10 then 100001000.10 else -99997999.70 end"
        " where institution_id = 'alpha_council' and amount in (1000.10, 2000.30)",
        "select batch_id, line_no from candidate.fct_spend where amount > 100000000",
    ),
    ("fct_spend", "every counted line has a scope"): Fault(
        f"update candidate.fct_spend set scope = null where {line('alpha_council', '300.05')}",
        f"select batch_id, line_no from candidate.fct_spend where {line('alpha_council', '300.05')}",
    ),
    ("scope_bridge", "the changes add up to every subtotal"): Fault(
        "update candidate.scope_bridge set amount = amount + 0.01"
        " where institution_id = 'beta_police' and step = 'counted' and kpi_id = 'local_spend_pct'",
        # The base and the influenceable pounds of the next faults are subtotals too.
        "select 'beta_police' as institution_id, 'local_spend_pct' as kpi_id, 'counted' as step"
        " union all values ('gamma_college', 'local_spend_gbp', 'base'),"
        " ('gamma_college', 'local_spend_pct', 'influenceable'), ('gamma_college', 'local_spend_gbp', 'influenceable')",
    ),
    ("scope_bridge", "the pounds of each scope are those of the counted lines"): Fault(
        f"update candidate.fct_spend set scope = 'grant' where {line('alpha_council', '500.20')}",
        # The lines taken out of fct_spend are missed here too.
        "select institution_id, '2017-18' as financial_year from candidate.dim_institution"
        " where institution_id <> 'partnership'",
    ),
    ("scope_bridge", "a KPI's base is what the scorecard counts"): Fault(
        "update candidate.scope_bridge set amount = amount + 0.01"
        " where institution_id = 'gamma_college' and step = 'base' and kpi_id = 'local_spend_gbp'",
        "select 'gamma_college' as institution_id, 'local_spend_gbp' as kpi_id",
    ),
    ("scope_bridge", "what can be influenced is between none and all of what is counted"): Fault(
        "update candidate.scope_bridge set amount = -0.01"
        " where institution_id = 'gamma_college' and step = 'influenceable'"
        " and kpi_id in ('local_spend_pct', 'local_spend_gbp')",
        "select 'gamma_college' as institution_id, -0.01 as influenceable",
    ),
    (
        "kpi_scorecard",
        "every institution and year with counted spend has every KPI under every definition of what it counts",
    ): Fault(
        # The partnership's sums follow, so that only the missing row is wrong.
        "update candidate.kpi_scorecard as whole"
        " set numerator = whole.numerator - part.numerator, total_amount = whole.total_amount - part.total_amount"
        f" from (select * from candidate.kpi_scorecard where {at('alpha_council', 'luton_borough')}) as part"
        " where whole.institution_id = 'partnership' and whole.definition_id = part.definition_id"
        " and whole.kpi_id = part.kpi_id;"
        f"delete from candidate.kpi_scorecard where {at('alpha_council', 'luton_borough')}",
        "select 'alpha_council' as institution_id, 'luton_borough' as definition_id, 'local_spend_pct' as kpi_id",
    ),
    (
        "kpi_scorecard",
        "the numerator and the pounds known and unknown stand in order, and the bounds hold the value",
    ): Fault(
        f"update candidate.kpi_scorecard set value = value_high + 0.01 where {at('alpha_council', 'primary')};"
        f"update candidate.kpi_scorecard set value_low = value + 0.01 where {at('alpha_council', 'secondary')};"
        f"update candidate.kpi_scorecard set value_high = null where {at('beta_police', 'secondary')}",
        "select institution_id, definition_id, kpi_id from candidate.kpi_scorecard"
        f" where {at('alpha_council', 'primary')} or {at('alpha_council', 'secondary')}"
        f" or {at('beta_police', 'secondary')}",
    ),
    (
        "kpi_scorecard",
        "the partnership's pounds are the sum of its institutions', less what they pay each other",
    ): Fault(
        "update candidate.kpi_scorecard set numerator = numerator + 0.01"
        f" where {at('partnership', 'secondary', 'local_spend_gbp')};"
        f"delete from candidate.kpi_scorecard where {at('partnership', 'primary', 'local_spend_gbp')}",
        "select 'secondary' as definition_id, 'local_spend_gbp' as kpi_id"
        " union all values ('primary', 'local_spend_gbp')",
    ),
    ("kpi_scorecard", "the partnership misses no fewer months than its institutions together"): Fault(
        f"update candidate.kpi_scorecard set missing_months = 1 where {at('alpha_council', 'same_region')}",
        "select 'same_region' as definition_id, 'local_spend_pct' as kpi_id",
    ),
    ("kpi_scorecard", "the place of nine pounds in ten is known"): Fault(
        f"update candidate.kpi_scorecard set coverage = 0.89 where {at('gamma_college', 'strategy')}",
        "select 'gamma_college' as institution_id",
    ),
    ("kpi_scorecard", "no published share moved by more than ten points since the last release"): Fault(
        "update candidate.kpi_scorecard set value = value + 0.11, value_high = value + 0.11"
        f" where {at('gamma_college', 'same_region')}",
        "select 'gamma_college' as institution_id, 0.4 as value_before, 0.51 as value",
    ),
    ("feed_coverage", "the months of a feed hold the lines of its counted files"): Fault(
        "update candidate.feed_coverage set line_count = line_count + 1 where institution_id = 'gamma_college'",
        "select 'gamma_college' as institution_id, 'observatory' as feed_id",
    ),
    ("feed_coverage", "no promised month of a feed that the figures stand on is missing or empty"): Fault(
        "update candidate.feed_coverage set status = 'missing' where institution_id = 'beta_police';"
        "update candidate.feed_coverage set status = 'empty' where institution_id = 'gamma_college';"
        "update candidate.feed_coverage set status = 'missing' where feed_id = 'observatory' and not is_counted",
        "select 'beta_police' as institution_id, 1 as months union all values ('gamma_college', 1)",
    ),
    ("feed_coverage", "no month has suspiciously few or many lines"): Fault(
        "update candidate.feed_coverage"
        " set volume = case extract(month from month_first) when 4 then 'short' else 'long' end"
        " where institution_id = 'alpha_council' and feed_id = 'ledger'",
        "select institution_id, month_first, volume from candidate.feed_coverage"
        " where institution_id = 'alpha_council' and feed_id = 'ledger'",
    ),
    ("feed_coverage", "every file of the last promised month came in time"): Fault(
        "update candidate.feed_coverage set status = 'late', days_late = 9"
        " where institution_id = 'alpha_council' and feed_id = 'ledger'",
        "select max(month_first) as month_first, 9 as days_late from candidate.feed_coverage"
        " where institution_id = 'alpha_council' and feed_id = 'ledger'",
    ),
    (
        "feed_version",
        "every loaded line of spend is counted or left out with a reason, once, to the penny",
    ): Fault(
        "delete from candidate.line_not_counted where institution_id = 'alpha_council' and reason = 'second_opinion'",
        # The lines taken out of fct_spend are missed here too.
        "select batch_id from candidate.feed_version where kind is not null"
        " and (institution_id in ('beta_police', 'gamma_college')"
        " or institution_id = 'alpha_council' and kind = 'observatory')",
    ),
    (
        "feed_version",
        "for every line left out as a twin another feed of the institution holds one of the same pounds",
    ): Fault(
        # One without a twin, and one whose twin came by the same feed.
        f"insert into candidate.line_twin ({TWIN})"
        " values (901, 1, 'alpha_council', 'card', 1, 902, 1);"
        f"insert into candidate.line_twin ({TWIN})"
        " select 903, 1, institution_id, feed_id, amount, batch_id, line_no from candidate.fct_spend"
        f" where {line('beta_police', '150')}",
        "select batch_id, line_no from candidate.line_twin where batch_id > 900",
    ),
    ("feed_version", "a refused file was put right"): Fault(
        f"insert into candidate.feed_version ({REFUSED})"
        " values (901, 'beta_police', 'ledger', 'refused', 'x.csv', '2017-06', 'refused: x'),"
        " (0, 'alpha_council', 'ledger', 'refused', 'y.csv', '2017-05', 'refused: since put right')",
        "select 901 as batch_id, 'refused: x' as why_not",
    ),
    ("supplier_local", "every supplier record is judged under every definition"): Fault(
        "delete from candidate.supplier_local where (definition_id, supplier_record_id)"
        f" in (select 'primary', supplier_record_id from ({ALPHA_RECORDS} limit 1) as record)",
        "select 'primary' as definition_id",
    ),
    ("resolution_quality", "of the sample's linked pairs at least 99 in 100 are one supplier"): Fault(
        "insert into candidate.resolution_quality (measured_against, precision, recall)"
        " values ('sample_truth', 0.98, 0.94)",
        "select 'sample_truth' as measured_against, 0.98 as precision",
    ),
    ("resolution_quality", "of the sample's true pairs at least 95 in 100 are linked"): Fault(
        "update candidate.resolution_quality set true_pairs = 10 where measured_against = 'sample_truth'",
        "select 'sample_truth' as measured_against, 0.94 as recall",
    ),
    (
        "resolution_quality",
        "of the pairs that people decided about at least 90 in 100 that were linked are one supplier",
    ): Fault(
        "update candidate.resolution_quality set linked_pairs = 20, precision = 0.89"
        " where measured_against = 'decisions'",
        "select 'decisions' as measured_against, 20 as linked_pairs",
    ),
    ("supplier_local", "every definition finds some supplier local and some not"): Fault(
        "update candidate.supplier_local set local_status = 'not_local' where definition_id = 'airport_25_miles';"
        "update candidate.supplier_local set local_status = 'local' where definition_id = 'same_region'",
        "select 'airport_25_miles' as definition_id union all values ('same_region')",
    ),
}
FAULTS |= {
    ("supplier_size", "every supplier record is judged under every SME definition"): Fault(
        f"delete from candidate.supplier_size where definition_id = 'ppn_001' and {judged_record('A1')}",
        "select 'ppn_001' as definition_id",
    ),
    ("supplier_size", "whoever is an SME or none is so by evidence of a certainty"): Fault(
        "update candidate.supplier_size set sme_status = 'not_sme'"
        f" where definition_id = 'scottish_hub' and {judged_record('A2')};"
        f"update candidate.supplier_size set certainty = 'proven' where definition_id = 'scottish_hub'"
        f" and {judged_record('A3')}",
        "select definition_id, supplier_record_id from candidate.supplier_size"
        f" where definition_id = 'scottish_hub' and ({judged_record('A2')} or {judged_record('A3')})",
    ),
    ("supplier_size", "no SME is of a large band, and what is no SME of no small one"): Fault(
        "update candidate.supplier_size set sme_status = 'sme', certainty = 'likely', evidence_id = 'accounts',"
        f" size_band = 'large' where definition_id = 'transparency_code' and {judged_record('A1')};"
        "update candidate.supplier_size set sme_status = 'not_sme', certainty = 'likely', evidence_id = 'accounts',"
        f" size_band = 'micro' where definition_id = 'transparency_code' and {judged_record('A2')}",
        "select definition_id, supplier_record_id from candidate.supplier_size"
        f" where definition_id = 'transparency_code' and ({judged_record('A1')} or {judged_record('A2')})",
    ),
    ("supplier_size", "no private person is an SME"): Fault(
        "update candidate.supplier_size set sme_status = 'sme', certainty = 'likely', evidence_id = 'employees'"
        f" where definition_id = 'ec_2003_361' and {judged_record('A6', is_named=False)}",
        "select definition_id, supplier_record_id from candidate.supplier_size"
        f" where definition_id = 'ec_2003_361' and {judged_record('A6', is_named=False)}",
    ),
    ("supplier_size", "the evidence on size contradicts itself for one record in ten at most"): Fault(
        "update candidate.supplier_size set has_conflict = true where definition_id = 'companies_act_until_2025'",
        "select 'companies_act_until_2025' as definition_id",
    ),
    ("supplier_sector", "every supplier record is judged under every definition of the voluntary sector"): Fault(
        f"delete from candidate.supplier_sector where definition_id = 'tussell' and {judged_record('A1')}",
        "select 'tussell' as definition_id",
    ),
    (
        "supplier_sector",
        "whoever is voluntary or not is so by a rule of a certainty, and the voluntary have a type",
    ): Fault(
        "update candidate.supplier_sector set vcs_status = 'voluntary'"
        f" where definition_id = 'lga' and {judged_record('A1')};"
        "update candidate.supplier_sector set vcs_status = 'not_voluntary', certainty = 'proven', rule_id = null"
        f" where definition_id = 'lga' and {judged_record('A2')}",
        "select definition_id, supplier_record_id from candidate.supplier_sector"
        f" where definition_id = 'lga' and ({judged_record('A1')} or {judged_record('A2')})",
    ),
    ("supplier_sector", "no private person is of the voluntary sector"): Fault(
        "update candidate.supplier_sector set vcs_status = 'unknown', certainty = null, rule_kind = 'abstention'"
        f" where definition_id = 'lga' and {judged_record('A6', is_named=False)}",
        "select definition_id, supplier_record_id from candidate.supplier_sector"
        f" where definition_id = 'lga' and {judged_record('A6', is_named=False)}",
    ),
    ("supplier_sector", "whom an exclusion fits is not voluntary"): Fault(
        "update candidate.supplier_sector set rule_kind = 'exclusion'"
        f" where definition_id = 'lga' and {judged_record('A3')}",
        "select definition_id, supplier_record_id from candidate.supplier_sector"
        f" where definition_id = 'lga' and {judged_record('A3')}",
    ),
}
COUNTS = {key for key, expectation in WRITTEN.items() if expectation["type"] == "expect_table_row_count_to_be_between"}
# What the county itself fails: one of its seven April lines could not be read.
OWN_WARNING = ("dim_batch", "a batch has less than one line in a hundred in quarantine")


def build_candidate(connection: psycopg.Connection) -> None:
    """A candidate like the published release, without its constraints, which would refuse many a fault."""
    connection.execute("drop schema if exists candidate cascade; create schema candidate")
    for name in relations(connection, "release_0002"):
        connection.execute(f"create table candidate.{name} as select * from release_0002.{name}".encode())


Checks = dict[tuple[str, str], audit.Check]


def judged(verdict: audit.Verdict) -> Checks:
    checks = {(check.suite, check.description): check for check in verdict.checks}
    assert len(checks) == len(verdict.checks)
    return checks


def failed(checks: Checks) -> set[tuple[str, str]]:
    return {key for key, check in checks.items() if not check.passed}


@dataclass(frozen=True)
class Judgements:
    """A candidate as it was built, one with every fault planted at once, and one with empty tables."""

    clean: Checks
    spoilt: Checks
    empty: Checks
    expected: dict[tuple[str, str], list[dict[str, str]]]
    recorded: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def judgements(county: County) -> Iterator[Judgements]:
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into ops.release (status, inputs_digest) values ('building', 'x')")
        build_candidate(connection)
        clean = judged(audit.audit(3))
        expected = {}
        for fault in FAULTS.values():
            connection.execute(fault.statements.encode())
        for key, fault in FAULTS.items():
            cursor = connection.execute(fault.shown.encode())
            names = [column.name for column in cursor.description or ()]
            expected[key] = [dict(zip(names, map(str, row), strict=True)) for row in cursor]
        spoilt = judged(audit.audit(3))
        recorded = connection.execute(
            "select suite, description, severity, passed, examples from ops.audit where release_id = 3"
        ).fetchall()
        for suite, _ in COUNTS:
            connection.execute(f"truncate candidate.{suite}".encode())
        yield Judgements(clean, spoilt, judged(audit.audit(3)), expected, recorded)


@pytest.fixture
def copy(county: County) -> Iterator[psycopg.Connection]:
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def expectations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the expectations to spoil."""
    folder = tmp_path / "expectations"
    shutil.copytree(settings.expectations(), folder)
    monkeypatch.setattr(settings, "expectations", lambda: folder)
    return folder


def rewrite(folder: Path, suite: str, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    path = folder / "suites" / f"{suite}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content["expectations"])
    path.write_text(json.dumps(content), encoding="utf-8")


def test_every_expectation_has_a_fault_of_its_own_or_counts_rows() -> None:
    assert set(FAULTS) | COUNTS == set(WRITTEN)


def test_every_suite_counts_the_rows_of_its_table_and_stops_a_release_without_any() -> None:
    critical = {suite for suite, description in COUNTS if WRITTEN[suite, description]["severity"] == "critical"}
    assert critical == {suite for suite, _ in WRITTEN}


@pytest.mark.parametrize("key", WRITTEN, ids=" - ".join)
def test_every_expectation_says_what_it_means_who_owns_it_and_what_to_do(key: tuple[str, str]) -> None:
    expectation = WRITTEN[key]
    assert key[1]
    assert expectation["severity"] in {"critical", "warning", "info"}
    assert expectation["meta"]["owner"]
    assert expectation["meta"]["action"]


def test_a_good_candidate_passes(judgements: Judgements) -> None:
    assert set(judgements.clean) == set(WRITTEN)
    assert failed(judgements.clean) == {OWN_WARNING}


@pytest.mark.parametrize("key", FAULTS, ids=" - ".join)
def test_a_planted_fault_fails_its_check_which_shows_the_fault_and_nothing_else(
    judgements: Judgements, key: tuple[str, str]
) -> None:
    check = judgements.spoilt[key]
    assert not check.passed
    shown = [{name: row[name] for name in judgements.expected[key][0]} for row in check.examples]
    assert sorted(map(str, shown)) == sorted(map(str, judgements.expected[key]))
    assert check.severity == WRITTEN[key]["severity"]
    assert check.action in str(check)


def test_faults_of_rows_do_not_fail_the_counts_of_rows(judgements: Judgements) -> None:
    assert failed(judgements.spoilt) == set(FAULTS)


@pytest.mark.parametrize("key", sorted(COUNTS), ids=" - ".join)
def test_an_empty_table_fails(judgements: Judgements, key: tuple[str, str]) -> None:
    assert not judgements.empty[key].passed
    assert judgements.empty[key].observed == "0"
    assert judgements.empty[key].severity == "critical"


def test_an_audit_is_recorded_check_by_check_and_the_newest_stands(judgements: Judgements) -> None:
    recorded = {
        (suite, description): (severity, passed) for suite, description, severity, passed, _ in judgements.recorded
    }
    assert recorded == {key: (WRITTEN[key]["severity"], key not in FAULTS) for key in WRITTEN}
    assert all(bool(examples) == (not passed) for *_, passed, examples in judgements.recorded)


def test_critical_failures_and_warnings_are_told_apart() -> None:
    def check(severity: str, passed: bool) -> audit.Check:
        return audit.Check("suite", f"{severity} {passed}", severity, "owner", "action", passed, None, [])

    verdict = audit.Verdict([check(one, passed) for one in ("critical", "warning", "info") for passed in (True, False)])
    assert [one.description for one in verdict.critical] == ["critical False"]
    assert [one.description for one in verdict.warnings] == ["warning False", "info False"]


def test_the_audit_is_written_to_data_docs(judgements: Judgements) -> None:
    assert audit.data_docs().is_file()
    folder = audit.data_docs().parent
    suites = {suite for suite, _ in WRITTEN}
    assert {path.stem for path in folder.glob("expectations/*.html")} == suites
    assert {path.relative_to(folder).parts[1] for path in folder.glob("validations/*/*/*/*.html")} == suites


def test_a_critical_failure_leaves_the_published_release_and_is_not_lost_in_what_the_library_says(
    copy: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build() -> None:
        build_candidate(copy)
        copy.execute(b"delete from candidate.fct_spend where institution_id = 'beta_police'")

    copy.execute("insert into reference.register values ('r', '1', 's', 'l', 0)")
    monkeypatch.setattr(model, "build", build)
    before = copy.execute("select * from marts.fct_spend").fetchall()
    with caplog.at_level("INFO"), pytest.raises(release.AuditFailed, match="beta_police"):
        release.make()
    assert not [record for record in caplog.records if record.name.startswith("great_expectations")]
    assert not capsys.readouterr().out
    assert copy.execute("select * from marts.fct_spend").fetchall() == before
    assert one(copy, "select max(release_id) from marts.release") == 2
    assert one(copy, "select status from ops.release where release_id = 3") == "failed"


def test_a_query_that_cannot_run_fails_its_check_with_the_databases_words(
    copy: psycopg.Connection, expectations: Path
) -> None:
    def misspell(expectations: list[dict[str, Any]]) -> None:
        expectations[1]["kwargs"]["unexpected_rows_query"] = "select amuont_read from {batch}"

    rewrite(expectations, "dim_batch", misspell)
    build_candidate(copy)
    copy.execute("insert into ops.release (status, inputs_digest) values ('building', 'x')")
    verdict = audit.audit(3)
    (check,) = verdict.critical
    assert check.description.startswith("every batch is reconciled")
    assert "amuont_read" in (check.observed or "")


HOLLOW = {
    "an empty suite": ("fct_spend", lambda expectations: expectations.clear(), "0 of 0 expectations"),
    "a type nobody knows": (
        "fct_spend",
        lambda expectations: expectations[2].update(type="expect_the_unexpected"),
        "of 6 expectations were loaded",
    ),
    "no count of rows": ("dim_supplier", lambda expectations: expectations.pop(0), "expects no rows"),
    "a count that may be none": (
        "dim_supplier",
        lambda expectations: expectations[0]["kwargs"].update(min_value=0),
        "expects no rows",
    ),
    "a count with no least number": (
        "dim_supplier",
        lambda expectations: expectations[0].update(kwargs={"max_value": 10}),
        "expects no rows",
    ),
    "a count that only warns": (
        "dim_supplier",
        lambda expectations: expectations[0].update(severity="warning"),
        "dim_supplier",
    ),
}


@pytest.mark.parametrize("fault", HOLLOW)
def test_a_hollow_suite_is_refused(warehouse_url: str, expectations: Path, fault: str) -> None:
    suite, change, words = HOLLOW[fault]
    rewrite(expectations, suite, change)
    with pytest.raises(audit.HollowSuite, match=words):
        audit.audit(1)


def test_a_suite_that_looks_at_another_schema_is_refused(warehouse_url: str, expectations: Path) -> None:
    path = expectations / "great_expectations.yml"
    path.write_text(path.read_text().replace("schema_name: candidate", "schema_name: release_0001"))
    with pytest.raises(audit.HollowSuite, match="looks at release_0001"):
        audit.audit(1)


def test_a_suite_nobody_runs_is_refused(warehouse_url: str, expectations: Path) -> None:
    suites = expectations / "suites"
    shutil.copy(suites / "fct_spend.json", suites / "forgotten.json")
    with pytest.raises(audit.HollowSuite, match="forgotten"):
        audit.audit(1)


def test_a_suite_that_looks_at_another_suites_table_is_refused(warehouse_url: str, expectations: Path) -> None:
    path = expectations / "great_expectations.yml"
    path.write_text(path.read_text().replace("table_name: dim_supplier", "table_name: dim_batch"))
    with pytest.raises(audit.HollowSuite, match="dim_supplier"):
        audit.audit(1)


def test_a_refused_suite_records_no_audit(connection: psycopg.Connection, expectations: Path) -> None:
    rewrite(expectations, "fct_spend", list.clear)
    with pytest.raises(audit.HollowSuite):
        audit.audit(1)
    assert one(connection, "select count(*) from ops.audit") == 0
