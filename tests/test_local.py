"""Local: definitions compared to the penny, an institution's own definition, the queries of its page in docs."""

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from anchorspend import cli, compare, model, warehouse
from anchorspend.errors import UserError
from test_release import LOCAL, County
from typer.testing import CliRunner

DOC = (Path(__file__).resolve().parents[1] / "docs" / "explanation" / "local.md").read_text(encoding="utf-8")
PAIRS = list(itertools.permutations(LOCAL, 2))


@pytest.fixture(scope="module")
def published(county: County) -> Iterator[None]:
    with county.copied():
        yield


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_suppliers_between_two_definitions_sum_to_their_difference(published: None, a: str, b: str) -> None:
    scopes = [(None, None), (None, "2017-18"), ("alpha_council", None), ("gamma_college", "2017-18")]
    for institution, year in scopes:
        done = compare.compare(a, b, institution, year)
        assert done.gained() - done.lost() == done.local_b - done.local_a
        assert all(row["status_a"] != row["status_b"] for row in done.suppliers)
        assert sum(row["amount"] for row in done.suppliers) == sum(done.moves().values(), Decimal(0))
    back = compare.compare(b, a)
    done = compare.compare(a, b)
    assert (back.gained(), back.lost()) == (done.lost(), done.gained())
    assert (done.local_a, done.local_b) == (back.local_b, back.local_a)


def test_the_numerators_are_the_scorecards(published: None) -> None:
    done = compare.compare("primary", "secondary")
    with warehouse.connect(warehouse.reader_url()) as reader:
        rows = reader.execute(
            "select definition_id, sum(numerator) from marts.kpi_scorecard where kpi_id = 'local_spend_gbp'"
            " and institution_id = 'partnership' group by definition_id"
        ).fetchall()
    assert {name: amount for name, amount in rows if name in {"primary", "secondary"}} == {
        "primary": done.local_a,
        "secondary": done.local_b,
    }


def test_who_is_between_primary_and_secondary_is_named_and_a_private_person_is_not(published: None) -> None:
    done = compare.compare("primary", "secondary", "alpha_council")
    told = {(row["supplier_name"], row["status_a"], row["status_b"], row["amount"]) for row in done.suppliers}
    assert told == {
        ("Bedford Bolts Ltd", "not_local", "local", Decimal("500.20")),
        ("(name withheld)", "local", "not_local", Decimal("77.77")),
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("primry", "secondary"), "did you mean 'primary'"),
        (("primary", "secondary", "alfa_council"), "did you mean 'alpha_council'"),
        (("primary", "secondary", None, "2017-2018"), "did you mean '2017-18'"),
    ],
)
def test_what_is_not_there_is_named(published: None, given: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compare.compare(*given)


def test_the_command_prints_tables_json_and_csv(published: None) -> None:
    run = CliRunner().invoke
    arguments = ["compare-definitions", "primary", "secondary", "--institution", "alpha_council"]
    told = run(cli.app, arguments)
    assert (told.exit_code, "Bedford Bolts Ltd" in told.output) == (0, True)
    done = json.loads(run(cli.app, [*arguments, "--json"]).stdout)
    assert (done["difference"], done["local_in_b_only"], done["local_in_a_only"]) == (422.43, 500.20, 77.77)
    listed = list(csv.DictReader(io.StringIO(run(cli.app, [*arguments, "--csv", "--limit", "1"]).stdout)))
    assert [(row["supplier_name"], row["amount"]) for row in listed] == [
        ("Bedford Bolts Ltd", "500.20"),
        ("(name withheld)", "77.77"),
    ]
    assert run(cli.app, [*arguments, "--csv", "--json"]).exit_code == 1


QUERIES = re.findall(r"```sql\n(.*?)```", DOC, re.DOTALL)


def test_the_page_has_its_queries() -> None:
    assert len(QUERIES) == 6


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_page_runs_for_a_reader_of_the_marts(published: None, query: str) -> None:
    with warehouse.connect(warehouse.reader_url()) as reader:
        assert reader.execute(query.encode()).fetchall()


def test_an_institution_adds_a_definition_and_a_changed_one_keeps_its_old_version(county: County) -> None:
    (example,) = re.findall(r"```csv\n(.*?)```", DOC, re.DOTALL)
    seed = Path(model.settings.dbt_project() / "seeds" / "local_definition.csv").read_text(encoding="utf-8")
    assert example.splitlines()[0] == seed.splitlines()[0]
    (own,) = csv.DictReader(io.StringIO(example))
    changed = {**next(csv.DictReader(io.StringIO(seed))), "version": "2", "arguments": "LU MK"}
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        for row in (own, changed):
            marks = ", ".join(["%s"] * len(own))
            connection.execute(
                f"insert into seeds.local_definition ({', '.join(own)}) values ({marks})".encode(),
                [row[name] or None for name in own],
            )
        model.build("path:models")  # without the seeds, which would take the rows out again
        found = dict(
            connection.execute(
                b"""
                select definition.definition_id, array_agg(distinct supplier.postcode_district)
                from candidate.dim_local_definition as definition
                inner join candidate.supplier_local as local using (definition_id)
                inner join candidate.dim_supplier as supplier using (supplier_record_id)
                where definition.series_id in ('primary', 'airport_districts') and local.local_status = 'local'
                group by 1
                """
            ).fetchall()
        )
        scored = connection.execute(
            b"select distinct definition_id from candidate.kpi_scorecard"
            b" where kpi_id = 'local_spend_pct' and definition_id like 'primary%'"
        ).fetchall()
    assert found == {
        "airport_districts": ["LU1"],
        "primary": ["LU1", "LU6", "MK40"],
        "primary@1": ["LU1", "LU6"],
    }
    assert {name for (name,) in scored} == {"primary", "primary@1"}
