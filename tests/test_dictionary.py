"""What is published says what it is: the pages of docs, the database's comments and the table of joins agree."""

from pathlib import Path

import psycopg
import pytest
import yaml
from anchorspend import cli, dictionary, publish, settings
from psycopg import sql

TABLES = dictionary.tables()
MARTS = settings.dbt_project() / "models" / "marts"


@pytest.mark.parametrize("path", dictionary.pages(cli.app), ids=lambda path: path.name)
def test_a_page_is_as_the_project_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == dictionary.pages(cli.app)[path], "run `anchorspend docs`"


def test_every_mart_is_in_the_dictionary_with_key_and_question() -> None:
    assert {table.name for table in TABLES} == {path.stem for path in MARTS.glob("*.sql")} | {
        one.name for one in publish.MADE
    }
    for table in TABLES:
        assert table.description.startswith("One row per ")
        assert set(table.key) <= set(table.columns)
        assert table.question.endswith("?")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_example_question_has_an_answer(bi_reader: psycopg.Connection, table: dictionary.Table) -> None:
    assert table.name in table.sql
    assert bi_reader.execute(table.sql.encode()).fetchall()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_database_says_of_each_table_and_column_what_the_dictionary_says(
    bi_reader: psycopg.Connection, table: dictionary.Table
) -> None:
    said = bi_reader.execute("select obj_description(%s::regclass)", [f"marts.{table.name}"]).fetchone()
    assert said == (table.description,)
    columns = bi_reader.execute(
        """
        select attname, format_type(atttypid, null), col_description(attrelid, attnum)
        from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum
        """,
        [f"marts.{table.name}"],
    ).fetchall()
    long_names = {"timestamptz": "timestamp with time zone"}
    assert sorted(columns) == sorted(
        (name, long_names.get(kind, kind), meaning) for name, (kind, meaning) in table.columns.items()
    )


def test_the_table_of_joins_is_what_the_project_tests(bi_reader: psycopg.Connection) -> None:
    found = bi_reader.execute("select from_table, from_column, to_table, to_column from relationship").fetchall()
    assert set(found) == {(table.name, *join) for table in TABLES for join in table.joins}
    assert len(found) > 40
    facts = {to for one, _, to, _ in found if one == "fct_spend"}
    assert facts >= {"dim_batch", "dim_institution", "dim_supplier", "dim_date", "dim_category", "dim_scope"}


def test_every_join_finds_its_row_and_no_more_than_its_cardinality_says(bi_reader: psycopg.Connection) -> None:
    joins = bi_reader.execute("select * from relationship").fetchall()
    for from_table, from_column, to_table, to_column, cardinality in joins:
        below, column, above, field = map(sql.Identifier, (from_table, from_column, to_table, to_column))
        orphans = bi_reader.execute(
            sql.SQL(
                "select count(*) from (select {column} from {below} except select {field} from {above}) as orphan"
                " where {column} is not null"
            ).format(column=column, below=below, field=field, above=above)
        ).fetchone()
        assert orphans == (0,), (from_table, from_column, to_table)
        sides = [(above, field)] * (cardinality != "many_to_many") + [(below, column)] * (cardinality == "one_to_one")
        for table, key in sides:
            repeated = bi_reader.execute(
                sql.SQL("select count({key}) - count(distinct {key}) from {table}").format(key=key, table=table)
            ).fetchone()
            assert repeated == (0,), (from_table, to_table, cardinality)


@pytest.mark.parametrize("column", ["institution_id", "supplier_record_id", "batch_id", "kpi_id", "scope"])
def test_every_column_that_names_a_key_says_what_it_joins(column: str) -> None:
    # A release's own keys and the tables that the keys are of.
    homes = {"dim_institution", "dim_supplier", "feed_version", "kpi_definition", "dim_scope"}
    loose = [
        table.name
        for table in TABLES
        if column in table.columns and table.name not in homes and column not in {join[0] for join in table.joins}
    ]
    assert loose == []


def test_exposures_have_an_owner_and_stand_on_what_is_published() -> None:
    found = [one for path in MARTS.glob("*.yml") for one in yaml.safe_load(path.read_text()).get("exposures", [])]
    assert {one["name"] for one in found} == {"review_page", "executive_dashboard", "analyst_dashboard"}
    published = {f"ref('{table.name}')" for table in TABLES} - {f"ref('{made.name}')" for made in publish.MADE}
    for one in found:
        assert one["owner"]["name"]
        assert set(one["depends_on"]) <= published
        assert ".invalid/" in one["url"]  # the project knows of no address
