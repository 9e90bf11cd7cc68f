"""SME status: what seeds claim held against the limits themselves, and the sample county's suppliers against truth."""

import csv
import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from anchorspend import contract, ingest, model, release, resolve, settings, warehouse
from anchorspend.sample import write_county
from anchorspend.server import postgres
from psycopg import sql
from test_release import one

SEEDS = settings.home() / "dbt_project" / "seeds"
DEFINITIONS = (
    *("transparency_code", "ec_2003_361", "ppn_001"),
    *("companies_act_until_2025", "companies_act_from_2025", "scottish_hub"),
)
SPEND = {"ledger", "observatory", "card"}
MARTS = "+supplier_size +supplier_sector +claim_difference +supplier_local +dim_supplier +fct_spend +spend_basis"
SIZE = "int_supplier__size_group int_supplier__size_evidence int_supplier__size_verdict supplier_size"


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# The limits of the Companies Act, in force before and since 6 April 2025: turnover, balance sheet, employees.
BANDS = {
    "until_2025": {"micro": (632e3, 316e3, 10), "small": (10.2e6, 5.1e6, 50), "medium": (36e6, 18e6, 250)},
    "from_2025": {"micro": (1e6, 0.5e6, 10), "small": (15e6, 7.5e6, 50), "medium": (54e6, 27e6, 250)},
}
Size = tuple[float, float, int]


def two_of_three(size: Size, limits: Size) -> bool:
    return sum(own <= limit for own, limit in zip(size, limits, strict=True)) >= 2


def is_sme(definition: str, size: Size) -> bool:
    """The definitions again, from their sources and not from the seeds."""
    turnover, balance, employees = size
    if definition.startswith("companies_act"):
        return two_of_three(size, BANDS[definition.removeprefix("companies_act_")]["medium"])
    few = employees < 250
    if definition in {"transparency_code", "scottish_hub"}:
        return few
    euro = 0.88 if definition == "ec_2003_361" else None
    limits = (50e6 * euro, 43e6 * euro) if euro else (44e6, 38e6)
    return few and (turnover <= limits[0] or balance <= limits[1])


def companies(bands: str, size_class: str) -> list[Size]:
    """Sizes that a company may have that files accounts of a class. Each employee costs £14,000 a year at least."""
    turnovers = [3e5, 6.3e5, 9e5, 9e6, 14e6, 30e6, 35e6, 40e6, 50e6, 60e6, 2e8]
    balances = [1e5, 3e5, 4e5, 4e6, 7e6, 17e6, 20e6, 26e6, 37e6, 39e6, 2e8]
    employees = [1, 9, 10, 40, 50, 60, 200, 249, 250, 251, 400, 5000]
    limits = BANDS[bands].get(size_class)
    return [
        size
        for size in itertools.product(turnovers, balances, employees)
        if size[2] * 14_000 <= size[0]
        and (two_of_three(size, limits) if limits else not two_of_three(size, BANDS[bands]["medium"]))
    ]


@pytest.mark.parametrize("row", seed("accounts_category_proof"), ids=lambda row: "-".join(list(row.values())[:3]))
def test_what_accounts_are_said_to_prove_follows_from_the_limits(row: dict[str, str]) -> None:
    said = {is_sme(row["definition_id"], size) for size in companies(row["bands"], row["size_class"])}
    if row["certainty"] == "proven":
        assert said == {row["sme_status"] == "sme"}
    if row["definition_id"].startswith("companies_act"):
        own_bands = row["definition_id"].endswith(row["bands"])
        # Of the Act's own classes only those are unknown that the raised limits cut in two.
        assert (row["sme_status"] == "unknown") == (said == {True, False} and not own_bands)
    if row["sme_status"] != "unknown":
        assert (row["sme_status"] == "sme") in said


def test_every_class_is_judged_under_every_definition_and_both_bands() -> None:
    classes = {row["size_class"] for row in seed("accounts_category_meaning")} - {"parent", "none"}
    assert {(r["bands"], r["size_class"], r["definition_id"]) for r in seed("accounts_category_proof")} == set(
        itertools.product(BANDS, classes, DEFINITIONS)
    )


def test_the_days_of_the_bands_leave_no_gap_and_hold_for_periods_of_any_length() -> None:
    spans = seed("accounts_category_bands")
    assert [spans[0]["made_up_from"], spans[-1]["made_up_to"]] == ["", ""]
    for before, after in itertools.pairwise(spans):
        assert date.fromisoformat(before["made_up_to"]) + timedelta(1) == date.fromisoformat(after["made_up_from"])
    change = date(2025, 4, 6)
    for span in spans:
        first = date.fromisoformat(span["made_up_from"] or "2020-01-01")
        last = date.fromisoformat(span["made_up_to"] or "2030-01-01")
        # The earliest and latest day on which a year that ended in the span can have begun: 18 months and a day.
        begun = {first - timedelta(547), last}
        if span["certainty"] == "proven":
            assert {day >= change for day in begun} == {span["bands"] == "from_2025"}
        twelve_months = {(day - timedelta(364)) >= change for day in (first, last)}
        assert twelve_months == {span["bands"] == "from_2025"}


def test_every_published_category_of_accounts_has_a_meaning() -> None:
    published = """ACCOUNTS TYPE NOT AVAILABLE, AUDIT EXEMPTION SUBSIDIARY, AUDITED ABRIDGED, DORMANT,
        FILING EXEMPTION SUBSIDIARY, FULL, GROUP, INITIAL, MEDIUM, MICRO ENTITY, NO ACCOUNTS FILED, PARTIAL EXEMPTION,
        SMALL, TOTAL EXEMPTION FULL, TOTAL EXEMPTION SMALL, UNAUDITED ABRIDGED"""
    assert {row["accounts_category"] for row in seed("accounts_category_meaning")} == set(re.split(r",\s+", published))


@dataclass(frozen=True)
class Sample:
    """A small sample county, loaded, resolved and built; `truth` is one row per supplier record that was paid."""

    url: str
    folder: Path
    truth: pd.DataFrame

    @contextmanager
    def used(self) -> Iterator[psycopg.Connection]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANCHORSPEND_WAREHOUSE_URL", self.url)
            patch.setenv("ANCHORSPEND_INBOX", str(self.folder / "inbox"))
            patch.setenv("ANCHORSPEND_LANDING", str(self.folder / "landing"))
            with psycopg.connect(self.url, autocommit=True) as connection:
                yield connection

    @contextmanager
    def copied(self) -> Iterator[psycopg.Connection]:
        """A copy of the county to change."""
        name, source = f"copy_{secrets.token_hex(4)}", self.url.rpartition("/")[2]
        with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [source])
            connection.execute(
                sql.SQL("create database {} template {} owner {}").format(
                    *map(sql.Identifier, (name, source, postgres.OWNER))
                )
            )
        with replace(self, url=self.url.rpartition("/")[0] + f"/{name}").used() as connection:
            yield connection


_made: list[Sample] = []


def sample_county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The county, made once for every module that asks."""
    if not _made:
        _made.append(_make(server(), tmp_path_factory.mktemp("sample")))
    return _made[0]


def build(select: str) -> None:
    """The models of a selection, without their tests, which read more than these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_INDIRECT_SELECTION", "empty")
        model.build(select)


def load(feeds: Callable[[contract.Institution, str], bool]) -> None:
    for institution in contract.load_institutions().values():
        for feed_id in institution.feeds:
            if feeds(institution, feed_id):
                list(ingest.land_feed(institution, feed_id))
                assert {batch.status for batch in ingest.load_feed(institution, feed_id)} <= {"loaded"}


def _make(url: str, folder: Path) -> Sample:
    write_county(folder / "inbox", folder / "truth", scale=0.1)
    empty = Sample(url, folder, pd.DataFrame())
    with empty.used() as connection:
        warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
        release.register()
        load(lambda institution, feed: institution.type == "register" or institution.feeds[feed].kind in SPEND)
        resolve.resolve()
        build(MARTS)
        return Sample(url, folder, _truth(connection, folder / "truth"))


def _truth(connection: psycopg.Connection, folder: Path) -> pd.DataFrame:
    records = pd.read_csv(folder / "supplier_records.csv", dtype=str, keep_default_na=False)
    suppliers = pd.read_csv(folder / "suppliers.csv", dtype=str, keep_default_na=False)
    with connection.cursor() as cursor:
        cursor.execute("create temporary table written (i text, r text, n text, p text, supplier text)")
        with cursor.copy("copy written from stdin") as copy:
            for row in records[["institution_id", "supplier_ref", "name", "postcode", "supplier_id"]].values.tolist():
                copy.write_row([value or None for value in row])
    query = """
        select record.supplier_record_id::text, written.supplier as supplier_id,
            coalesce(sum(spend.amount), 0) as pounds
        from written
        inner join raw.supplier_record as record
            on raw.supplier_record_id(written.i, written.r, written.n, written.p) = record.supplier_record_id
        left join intermediate.int_spend__by_supplier as spend
            on record.supplier_record_id = spend.supplier_record_id
        group by 1, 2
    """
    found = pd.DataFrame(warehouse.rows(connection, query)).drop_duplicates("supplier_record_id", keep=False)
    return found.merge(suppliers, on="supplier_id").set_index("supplier_record_id")


@pytest.fixture(scope="module")
def sample(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample_county(server, tmp_path_factory)


@pytest.fixture
def database(sample: Sample) -> Iterator[psycopg.Connection]:
    with sample.used() as connection:
        yield connection


def true_status(row: Any, definition: str) -> bool:
    """Whether a supplier of the truth is an SME, from its facts: charities like any other enterprise."""
    if row.sector in {"individual", "public_body"} or row.public_body_type or row.parent_is_large == "yes":
        return False
    if not row.employees:
        return row.sector == "sole_trader"
    return is_sme(definition, (float(row.turnover), float(row.balance_sheet), int(row.employees)))


def judged(
    connection: psycopg.Connection, mart: str, status: str, definition: str, truth: pd.DataFrame
) -> pd.DataFrame:
    rows = warehouse.rows(
        connection,
        f"select *, supplier_record_id::text as id from candidate.{mart} where definition_id = '{definition}'",
    )
    found = pd.DataFrame(rows).drop(columns=["supplier_record_id", "institution_id"]).set_index("id")
    return truth.join(found.rename(columns={status: "status"}), how="inner")


def measured(table: pd.DataFrame, yes: str, no: str) -> dict[str, float]:
    """Precision and recall of yes and of no, and the share that is known, by records and by pounds paid."""
    numbers: dict[str, float] = {}
    for name, weight in (("records", pd.Series(1.0, table.index)), ("pounds", table.pounds.astype(float).abs())):
        for side, word, true in (("yes", yes, table.truly), ("no", no, ~table.truly)):
            said = table.status == word
            numbers[f"{side} precision by {name}"] = weight[said & true].sum() / max(weight[said].sum(), 1e-9)
            numbers[f"{side} recall by {name}"] = weight[said & true].sum() / max(weight[true].sum(), 1e-9)
        numbers[f"known by {name}"] = weight[table.status != "unknown"].sum() / weight.sum()
    return {name: round(value, 4) for name, value in numbers.items()}


# What is left wrong: small accounts of a company with many employees, and what the raised limits leave open.
LEAST_KNOWN = {"companies_act_from_2025": 0.45, "companies_act_until_2025": 0.85, "scottish_hub": 0.7}


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_sme_status_is_held_against_truth(sample: Sample, database: psycopg.Connection, definition: str) -> None:
    table = judged(database, "supplier_size", "sme_status", definition, sample.truth)
    table["truly"] = [true_status(row, definition) for row in table.itertuples()]
    found = measured(table, "sme", "not_sme")
    print(definition, len(table), json.dumps(found))  # noqa: T201  # the measure, with -s
    assert found["yes precision by records"] >= 0.97
    assert found["no precision by records"] >= 0.97
    assert found["known by records"] >= LEAST_KNOWN.get(definition, 0.93)
    wrong = table[(table.status != "unknown") & ((table.status == "sme") != table.truly)]
    assert (wrong.certainty == "proven").sum() <= 0.005 * len(table)


def test_the_oracle_agrees_with_the_county_s_own_truth(sample: Sample) -> None:
    enterprises = sample.truth[sample.truth.sector.isin(["company", "cic"])]
    assert len(enterprises) > 500
    for definition, column in (
        *((name, f"sme_{name}") for name in DEFINITIONS[:3]),
        ("companies_act_until_2025", "sme_companies_act"),
        ("scottish_hub", "sme_scottish_hub"),
    ):
        ours = [true_status(row, definition) for row in enterprises.itertuples()]
        differ = sum(one != (told == "yes") for one, told in zip(ours, enterprises[column], strict=True))
        assert differ <= 0.002 * len(ours), definition


def test_no_subsidiary_of_a_large_group_is_an_sme_under_any(sample: Sample, database: psycopg.Connection) -> None:
    owned = sample.truth[sample.truth.parent_is_large == "yes"]
    assert len(owned) > 50
    for definition in DEFINITIONS:
        table = judged(database, "supplier_size", "sme_status", definition, owned)
        linked = table[table.evidence_detail != "nothing is known of its size"]
        assert (linked.status == "sme").sum() == 0, definition


def test_a_record_s_evidence_names_nobody(database: psycopg.Connection) -> None:
    names = "select record_name from candidate.dim_supplier where is_individual"
    assert one(database, f"select count(*) from ({names}) as person") > 0
    assert (
        one(
            database,
            "select count(*) from candidate.supplier_size inner join candidate.dim_supplier using (supplier_record_id)"
            " where is_individual and evidence_id <> 'private_person'",
        )
        == 0
    )


def test_the_vendor_s_claims_add_up_to_what_the_vendor_sent(database: psycopg.Connection) -> None:
    sent = """
        select institution_id, financial_year, sum(amount) as amount
        from warehouse.fct_spend where basis = 'observatory' group by 1, 2
    """
    apart = f"""
        select * from ({sent}) as sent
        full join (
            select institution_id, financial_year, claim, definition_id, sum(amount) as amount
            from candidate.claim_difference group by 1, 2, 3, 4
        ) as told using (institution_id, financial_year)
        where sent.amount is distinct from told.amount
    """
    assert database.execute(apart.encode()).fetchall() == []
    kinds = "select count(distinct claim || definition_id) from candidate.claim_difference"
    assert one(database, kinds) == len(DEFINITIONS) + 2 + one(
        database, "select count(*) from candidate.dim_local_definition"
    )


def eight_years_on(path: Path) -> Path:
    """The register of companies eight years later, when the raised limits hold: companies above the old ones that are
    within the new file as medium-sized; nobody has changed."""
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream))
    category, made_up = header.index("Accounts.AccountCategory"), header.index("Accounts.LastMadeUpDate")
    moved = 0
    for row in rows:
        if row[made_up]:
            row[made_up] = f"{row[made_up][:6]}{int(row[made_up][6:]) + 8}"
        if row[category] == "FULL" and moved % 2 == 0:
            row[category] = "MEDIUM"
        moved += row[category] in {"FULL", "MEDIUM"}
    later = path.with_name("BasicCompanyDataAsOneFile-2028-09-01.csv")
    with later.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *rows])
    return later


def test_the_change_of_limits_moves_no_fixed_series_in_silence(sample: Sample) -> None:
    (companies_file,) = (sample.folder / "inbox" / "registers" / "companies").glob("*2020*.csv")
    later = eight_years_on(companies_file)
    try:
        with sample.copied() as connection:
            before = statuses(connection)
            load(lambda institution, feed: (institution.type, feed) == ("register", "companies"))
            assert one(connection, "select max(accounts_made_up_date) from raw.company") > date(2026, 4, 5)
            build(SIZE)
            after = statuses(connection)
    finally:
        later.unlink()
    moves = {(key[0], was, after[key]) for key, was in before.items() if was != after[key]}
    # Under the Act never from one to the other: what the limits leave open becomes unknown.
    assert {move for move in moves if move[0].startswith("companies_act") and "unknown" not in move} == set()
    assert ("companies_act_until_2025", "not_sme", "unknown") in moves
    assert ("companies_act_until_2025", "sme", "unknown") in moves
    assert ("companies_act_from_2025", "unknown", "sme") in moves
    assert ("companies_act_from_2025", "sme", "unknown") not in moves


def statuses(connection: psycopg.Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute("select definition_id, supplier_record_id::text, sme_status from candidate.supplier_size")
    return {(definition, record): status for definition, record, status in rows}
