"""The voluntary sector: the sample county's suppliers against truth, and the queries that the documentation shows."""

import csv
import json
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from anchorspend import settings
from test_release import one
from test_sme import Sample, judged, measured, sample_county

DOCUMENT = settings.home() / "docs" / "explanation" / "sme_vcs.md"


@pytest.fixture(scope="module")
def sample(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample_county(server, tmp_path_factory)


@pytest.fixture
def database(sample: Sample) -> Iterator[psycopg.Connection]:
    with sample.used() as connection:
        yield connection


def test_vcs_status_is_held_against_truth(sample: Sample, database: psycopg.Connection) -> None:
    table = judged(database, "supplier_sector", "vcs_status", "lga", sample.truth)
    table["truly"] = table.voluntary == "yes"
    found = measured(table, "voluntary", "not_voluntary")
    print("lga", len(table), json.dumps(found))  # noqa: T201  # the measure, with -s
    assert found["yes precision by records"] >= 0.98
    assert found["no precision by records"] >= 0.98
    assert found["yes recall by records"] >= 0.8
    assert found["known by records"] >= 0.85


def test_the_comparison_definition_counts_more_and_wrongly(sample: Sample, database: psycopg.Connection) -> None:
    found = {}
    for definition in ("lga", "tussell"):
        table = judged(database, "supplier_sector", "vcs_status", definition, sample.truth)
        table["truly"] = table.voluntary == "yes"
        found[definition] = ((table.status == "voluntary") & ~table.truly).sum()
    assert found["tussell"] > found["lga"]


def test_a_private_person_is_never_voluntary(database: psycopg.Connection) -> None:
    people = (
        "from candidate.supplier_sector inner join candidate.dim_supplier using (supplier_record_id)"
        " where is_individual"
    )
    assert one(database, f"select count(*) {people}") > 0
    assert one(database, f"select count(*) {people} and vcs_status <> 'not_voluntary'") == 0


def test_accredited_employers_are_found_by_their_numbers(sample: Sample, database: psycopg.Connection) -> None:
    found = {
        row[0]: row[1]
        for row in database.execute(
            "select supplier_record_id::text, living_wage_since from candidate.dim_supplier"
            " where is_living_wage_employer"
        )
    }
    truly = sample.truth[sample.truth.living_wage_date != ""]
    listed = sample.truth.living_wage_date.to_dict()
    assert found
    right = [record for record in found if record in listed]
    assert sum(listed[record] != "" for record in right) / len(right) >= 0.98
    assert len(set(found) & set(truly.index)) / len(truly) >= 0.6


QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.strip().splitlines()[0].removeprefix("-- "))
def test_a_documented_query_answers(database: psycopg.Connection, query: str) -> None:
    database.execute("set search_path = candidate")
    rows = database.execute(query.encode()).fetchall()
    assert rows


def test_the_document_names_every_kind_of_evidence_and_every_rule() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert len(QUERIES) >= 4
    named = {"size_evidence": "evidence_id", "sme_definition": "definition_id", "vcs_rule": "rule_id"}
    for seed, column in named.items():
        with (settings.home() / "dbt_project" / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as stream:
            assert [row[column] for row in csv.DictReader(stream) if f"`{row[column]}`" not in text] == []
