"""The dbt project: its rules over the parsed manifest, and its generic tests, each of which is seen to fail."""

import csv
import json
import re
from collections.abc import Callable
from typing import Any

import jinja2
import psycopg
import pytest
from anchorspend import model, settings

PROJECT = settings.home() / "dbt_project"
MODELS = sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))
MARTS = sorted(path.stem for path in (PROJECT / "models" / "marts").glob("*.sql"))
FOLDERS = {
    "staging": r"stg_[a-z]+__[a-z_]+",
    "intermediate": r"int_[a-z]+__[a-z_]+",
    "warehouse": r"(?!stg_|int_|dim_|fct_|kpi_)[a-z_]+",
    # Besides dimensions, facts and KPIs: the published names that are fixed without a prefix.
    "marts": (
        r"(dim|fct|kpi|joint|feed|line|supplier|location|strategy|procurement|spend)_[a-z_]+|likely_double_payment"
        r"|scope_bridge|resolution_quality|claim_difference|contract_window|contestable_spend|attainable_path|alert"
        r"|county_year_effect|prompt_payment|relationship|quarantine_reason"
    ),
}
SEEDS = sorted(path.stem for path in (PROJECT / "seeds").glob("*.csv"))
# Facts that are nobody's to decide, and what each row owes to the person or document it names.
NO_RULES = {"region_authority", "scope", "scope_override", "strategy_target"}
# Sources in no need of staging: this project's own stages write them as they are read.
AS_READ = {"ops.published_scorecard", "ops.quarantine", "reference.postcode_district"}
GENERIC = {"expression_is_true", "not_blank", "relationship_within_institution", "sums_reconcile", "unique_combination"}
FLOAT = re.compile(r"\b(float[48]?|double|double precision|real)\b", re.IGNORECASE)

Node = dict[str, Any]


@pytest.fixture(scope="session")
def manifest() -> Node:
    return dict(json.loads(model.prepare().read_text()))


@pytest.fixture(scope="session")
def models(manifest: Node) -> dict[str, Node]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


@pytest.fixture(scope="session")
def generic_tests(manifest: Node) -> list[tuple[str, Node]]:
    """Each generic test with the name of what it is attached to."""
    return [
        (node["attached_node"].rpartition(".")[2], node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("test_metadata")
    ]


def folder(node: Node) -> str:
    return str(node["fqn"][1])


def reads(node: Node, kind: str) -> list[str]:
    return [name for name in node["depends_on"]["nodes"] if name.startswith(f"{kind}.")]


def statement(node: Node) -> str:
    """A model's SQL without its comments."""
    return re.sub(r"--.*", "", re.sub(r"(?s){#.*?#}", "", node["raw_code"]))


def test_every_model_file_is_in_the_manifest(models: dict[str, Node]) -> None:
    assert sorted(models) == MODELS
    assert len(MARTS) >= 13


@pytest.mark.parametrize("name", MODELS)
def test_a_model_reads_only_what_its_folder_may(models: dict[str, Node], name: str) -> None:
    node = models[name]
    if folder(node) == "staging":
        assert reads(node, "source")
        assert reads(node, "model") + reads(node, "seed") == []
    elif folder(node) == "marts":
        assert {one.partition(".anchorspend.")[2] for one in reads(node, "source")} <= AS_READ
    else:
        assert reads(node, "source") == []
    # A KPI is reckoned from what is published, so that a reader can reckon it again; all else comes before.
    if folder(node) != "marts" and not name.startswith("int_kpi__"):
        published = [one for one in reads(node, "model") if one.rpartition(".")[2] in MARTS]
        assert published == []


@pytest.mark.parametrize("name", MODELS)
def test_a_models_name_is_that_of_its_folder(models: dict[str, Node], name: str) -> None:
    assert re.fullmatch(FOLDERS[folder(models[name])], name)
    if folder(models[name]) == "staging":
        first = name.removeprefix("stg_").partition("__")[0]
        assert first in {source.split(".")[2] for source in reads(models[name], "source")}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_its_grain_in_its_first_line_and_in_its_description(models: dict[str, Node], name: str) -> None:
    assert models[name]["raw_code"].startswith("-- One row per ")
    assert models[name]["description"].startswith("One row per ")


@pytest.mark.parametrize("name", MODELS)
def test_no_model_reckons_in_floating_point(models: dict[str, Node], name: str) -> None:
    assert "select" in statement(models[name])
    assert FLOAT.findall(statement(models[name])) == []
    assert [c["name"] for c in models[name]["columns"].values() if FLOAT.search(c["data_type"] or "")] == []


@pytest.mark.parametrize("text", ["amount::float8", "cast(amount as double precision)", "amount :: REAL", "x::float"])
def test_a_floating_point_cast_would_be_seen(text: str) -> None:
    assert FLOAT.search(text)


@pytest.mark.parametrize("name", MARTS)
def test_a_mart_has_an_enforced_contract_with_every_column_described(models: dict[str, Node], name: str) -> None:
    node = models[name]
    assert node["config"]["contract"]["enforced"] is True
    assert node["config"]["schema"] == "candidate"
    assert [c["name"] for c in node["columns"].values() if not (c["data_type"] and c["description"])] == []


@pytest.mark.parametrize("name", MARTS)
def test_a_marts_key_is_its_primary_key(
    models: dict[str, Node], generic_tests: list[tuple[str, Node]], name: str
) -> None:
    node = models[name]
    key = node["config"]["meta"]["key"]
    assert key
    assert set(key) <= set(node["columns"])
    if node["config"]["materialized"] == "table":
        assert [c["columns"] for c in node["constraints"] if c["type"] == "primary_key"] == [key]
        return
    # A view has no constraints: it is tested for its grain, or passes on the rows of a table that is unique by it.
    tested = [
        test["test_metadata"]["kwargs"].get("columns")
        for attached, test in generic_tests
        if attached == name and test["test_metadata"]["name"] == "unique_combination"
    ]
    inherited = [
        index["columns"]
        for below in reads(node, "model")
        for index in models[below.rpartition(".")[2]]["config"].get("indexes") or []
        if index.get("unique")
    ]
    assert key in tested + inherited


@pytest.mark.parametrize("name", MARTS)
def test_a_supplier_record_is_joined_within_its_institution(
    models: dict[str, Node], generic_tests: list[tuple[str, Node]], name: str
) -> None:
    attached = [test["test_metadata"] for node, test in generic_tests if node == name]
    across = [one for one in attached if one["name"] == "relationships"]
    assert [
        one["kwargs"]["column_name"] for one in across if one["kwargs"]["column_name"] == "supplier_record_id"
    ] == []
    if {"institution_id", "supplier_record_id"} <= set(models[name]["columns"]) and name != "dim_supplier":
        within = [one["kwargs"]["column"] for one in attached if one["name"] == "relationship_within_institution"]
        assert within == ["supplier_record_id"]


def test_what_only_grows_is_appended_to_and_never_rebuilt(models: dict[str, Node]) -> None:
    grown = [node["config"] for node in models.values() if folder(node) == "warehouse"]
    assert {(one["materialized"], one["incremental_strategy"], one["full_refresh"]) for one in grown} == {
        ("incremental", "append", False)
    }


def test_the_facts_are_reconciled_with_the_batches(generic_tests: list[tuple[str, Node]]) -> None:
    found = [
        test["test_metadata"]["kwargs"]
        for name, test in generic_tests
        if name == "spend_line" and test["test_metadata"]["name"] == "sums_reconcile"
    ]
    assert [(one["group_by"], one["to_amount"], one["to_lines"]) for one in found] == [
        ("batch_id", "amount_loaded", "lines_loaded")
    ]


def test_no_test_only_warns_or_is_switched_off(generic_tests: list[tuple[str, Node]]) -> None:
    assert len(generic_tests) > 25
    assert {(test["config"]["severity"].lower(), test["config"]["enabled"]) for _, test in generic_tests} == {
        ("error", True)
    }


@pytest.mark.parametrize("name", sorted({*SEEDS} - NO_RULES))
def test_a_seed_of_rules_says_who_owns_each_row_and_where_it_comes_from(name: str) -> None:
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        assert row["owner"].strip()
        assert (row.get("source") or row.get("reason") or "").strip()


def test_every_seed_is_described(manifest: Node) -> None:
    seeds = [node for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    assert sorted(node["name"] for node in seeds) == SEEDS
    assert [node["name"] for node in seeds if not node["description"].startswith("One row per ")] == []


def test_every_source_is_a_table_of_the_warehouse(manifest: Node, connection: psycopg.Connection) -> None:
    named = {f"{source['schema']}.{source['name']}" for source in manifest["sources"].values()}
    assert named >= {"raw.ledger", "ops.batch"}
    found = connection.execute("select table_schema || '.' || table_name from information_schema.tables").fetchall()
    assert named - {name for (name,) in found} == set()


def test_the_generic_tests_are_the_five_that_are_listed(manifest: Node, generic_tests: list[tuple[str, Node]]) -> None:
    written = {path.stem for path in (PROJECT / "tests" / "generic").glob("*.sql")}
    assert written == GENERIC
    listed = re.findall(r"^\| `(\w+)` \|", (PROJECT / "tests" / "generic" / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(GENERIC)
    assert {test["test_metadata"]["name"] for _, test in generic_tests} >= GENERIC


# A table of two institutions' lines, and one that states what they add up to.
GOOD = """
create temporary table line (institution_id text, batch_id integer, supplier text, amount numeric);
insert into line values ('a', 1, 's1', 1.10), ('a', 1, 's2', 2.20), ('b', 2, 's1', 5.00), ('b', 2, null, 0);
create temporary table supplier (institution_id text, supplier text);
insert into supplier values ('a', 's1'), ('a', 's2'), ('b', 's1');
create temporary table batch (batch_id integer, status text, stated numeric, lines integer);
create temporary table total (batch_id integer, amount numeric, lines integer);
insert into total values (1, 3.00, 1), (1, 0.30, 1), (2, 5.00, 2);
insert into batch values (1, 'loaded', 3.30, 2), (2, 'loaded', 5.00, 2), (3, 'refused', 9.00, 4), (4, 'loaded', 0, 0);
"""
WITHIN = {"column": "supplier", "to": "supplier", "to_column": "supplier"}
SUMS = {
    "group_by": "batch_id",
    "amount": "amount",
    "to": "batch",
    "to_amount": "stated",
    "to_lines": "lines",
    "to_where": "status = 'loaded'",
}
CASES = [
    (
        "unique_combination",
        "supplier",
        {"columns": ["institution_id", "supplier"]},
        "insert into supplier values ('a', 's1')",
    ),
    ("unique_combination", "batch", {"columns": ["batch_id"]}, "update batch set batch_id = 1 where batch_id = 2"),
    ("expression_is_true", "line", {"expression": "amount >= 0"}, "insert into line values ('a', 1, 's1', -0.01)"),
    ("expression_is_true", "line", {"expression": "amount >= 0"}, "insert into line values ('a', 1, 's1', null)"),
    ("relationship_within_institution", "line", WITHIN, "insert into line values ('b', 2, 's2', 1)"),
    ("relationship_within_institution", "line", WITHIN, "delete from supplier where institution_id = 'b'"),
    ("relationship_within_institution", "line", WITHIN, "update line set institution_id = null where supplier = 's2'"),
    ("sums_reconcile", "line", SUMS, "update line set amount = amount + 0.01 where supplier = 's2'"),
    ("sums_reconcile", "line", SUMS, "delete from line where supplier is null"),
    ("sums_reconcile", "line", SUMS, "delete from line where batch_id = 1"),
    ("sums_reconcile", "line", SUMS, "insert into line values ('b', 9, 's1', 0)"),
    ("sums_reconcile", "line", SUMS, "update batch set status = 'refused' where batch_id = 1"),
    ("sums_reconcile", "line", SUMS, "update batch set stated = null where batch_id = 1"),
    ("sums_reconcile", "line", SUMS, "update line set batch_id = null where supplier = 's2'"),
    ("sums_reconcile", "total", {**SUMS, "lines": "lines"}, "update total set lines = 1 where batch_id = 2"),
    ("sums_reconcile", "total", {**SUMS, "lines": "lines"}, "update total set amount = 3 where batch_id = 1"),
    ("not_blank", "supplier", {"column_name": "supplier"}, "insert into supplier values ('a', '  ')"),
    ("not_blank", "supplier", {"column_name": "supplier"}, "insert into supplier values ('a', null)"),
]


def rendered(name: str, **arguments: object) -> str:
    """The statement dbt would run for a generic test."""
    text = (PROJECT / "tests" / "generic" / f"{name}.sql").read_text()
    as_macro = text.replace("{% test ", "{% macro ").replace("{% endtest %}", "{% endmacro %}")
    macro: Callable[..., str] = getattr(jinja2.Environment(autoescape=False).from_string(as_macro).module, name)
    return macro(**arguments)


@pytest.mark.parametrize(("name", "table", "arguments", "fault"), CASES)
def test_a_generic_test_passes_on_good_rows_and_fails_on_a_planted_one(
    connection: psycopg.Connection, name: str, table: str, arguments: dict[str, Any], fault: str
) -> None:
    query = rendered(name, model=table, **arguments).encode()
    connection.execute(GOOD.encode())
    assert connection.execute(query).fetchall() == []
    connection.execute(fault.encode())
    assert len(connection.execute(query).fetchall()) >= 1


def test_every_generic_test_has_a_planted_fault() -> None:
    assert {name for name, *_ in CASES} == GENERIC
