"""Layering: imports go one way, from the command line down to the errors, read from the source without importing it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "plugins" / "anchorspend"

# From low to high. A part may import parts of lower layers, and of its own layer only what the second table allows.
LAYERS = (
    {"errors", "settings", "kinds"},
    {"contract"},
    {"warehouse", "fetch"},
    {"resolve", "read", "land", "load", "control", "difference", "reference", "model", "audit", "publish", "show"}
    | {"compare", "export", "alerts", "pages", "history"},
    {"ingest", "release", "sample", "rehearse", "dictionary", "views"},
    {"inspect"},
    {"server"},
    {"demo", "doctor"},
    {"cli"},
)
# A load streams from the reader; publishing names the schema that was audited; the lowest layer is one.
BESIDE = {("load", "read"), ("load", "control"), ("load", "difference"), ("control", "read"), ("publish", "audit")}
BESIDE |= {("settings", "errors"), ("kinds", "errors")}
ONLY_NAMES = {("publish", "audit"): {"CANDIDATE"}}
NOT_IN_THE_PACKAGE = {"airflow", "cosmos", "tests"}
NOT_IN_DAGS = {"pandas", "psycopg", "psycopg2", "dbt", "great_expectations", "tests"}
AT_THE_TOP_OF_DAGS = {"settings", "contract", "errors", "model"}


def imported(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Every name a source imports, in full: `anchorspend.audit.CANDIDATE`. Relative ones start from `package`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "importlib.import_module"}:
            yield ast.literal_eval(node.args[0])


def at_the_top(tree: ast.Module) -> ast.Module:
    """A module without the bodies of its functions, which run later."""

    class WithoutBodies(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

    return WithoutBodies().visit(tree)


def layer(part: str) -> int:
    found = [height for height, parts in enumerate(LAYERS) if part in parts]
    assert found, f"{part} stands in no layer; give it one"
    return found[0]


def breaches(part: str, source: str) -> list[str]:
    """What a part's source imports that its layer may not."""
    wrong = []
    for name in imported(ast.parse(source), f"anchorspend.{part}"):
        top, *rest = name.split(".")
        if top in NOT_IN_THE_PACKAGE:
            wrong.append(f"{part} imports {name}")
        if top != "anchorspend" or not rest or rest[0] == part:
            continue
        other, names = rest[0], rest[1:]
        if layer(other) > layer(part) or (layer(other) == layer(part) and (part, other) not in BESIDE):
            wrong.append(f"{part} imports {name}")
        allowed = ONLY_NAMES.get((part, other))
        if allowed and (not names or names[0] not in allowed):
            wrong.append(f"{part} imports {name}, and may only {sorted(allowed)}")
    return wrong


def dag_breaches(source: str) -> list[str]:
    """What a DAG file's source imports that it may not."""
    wrong = [name for name in imported(ast.parse(source)) if name.split(".")[0] in NOT_IN_DAGS]
    for name in imported(at_the_top(ast.parse(source))):
        top, *rest = name.split(".")
        if top == "anchorspend" and not set(rest[:1]) <= AT_THE_TOP_OF_DAGS:
            wrong.append(f"{name} at the top")
    return wrong


SOURCES = sorted(PACKAGE.rglob("*.py"))
DAGS = sorted((ROOT / "dags").glob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_has_a_layer_and_every_layer_its_parts() -> None:
    assert {part_of(path) for path in SOURCES} - {"__init__"} == set().union(*LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_below(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert list(imported(ast.parse(path.read_text()))) == []
        return
    assert breaches(part_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.name)
def test_a_dag_file_leaves_the_work_to_the_package(path: Path) -> None:
    assert dag_breaches(path.read_text()) == []


def test_the_dag_files_are_where_they_are_looked_for() -> None:
    assert {path.name for path in DAGS} == {"defaults.py", "ingest.py", "notifiers.py", "reference.py", "release.py"}


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("contract", "from anchorspend import warehouse"),
        ("land", "import anchorspend.load"),
        ("fetch", "from anchorspend import land"),
        ("fetch", "from airflow.sdk import Connection"),
        ("show", "def shown():\n    from anchorspend.publish import publish"),
        ("audit", "from anchorspend.publish import Published"),
        ("publish", "from anchorspend.audit import audit"),
        ("publish", "from anchorspend import audit"),
        ("ingest", "from anchorspend import release"),
        ("model", "from airflow.sdk import dag"),
        ("release", "import cosmos"),
        ("server", "from anchorspend.cli import app"),
        ("read", "from ..load import load"),
        ("read", "from .. import show"),
        ("errors", "from tests import conftest"),
        ("errors", "import importlib\nimportlib.import_module('airflow')"),
    ],
)
def test_a_planted_breach_is_caught(part: str, source: str) -> None:
    assert len(breaches(part, source)) == 1


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("load", "from anchorspend.read import Held, read"),
        ("publish", "from anchorspend.audit import CANDIDATE"),
        ("read", "from . import values"),
        ("cli", "from anchorspend.server import airflow"),
        ("kinds", "import airflows"),
    ],
)
def test_what_a_layer_may_do_is_no_breach(part: str, source: str) -> None:
    assert breaches(part, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pandas as pd",
        "def task():\n    import psycopg",
        "from dbt.cli.main import dbtRunner",
        "from great_expectations import get_context",
        "from anchorspend import warehouse",
        "from anchorspend.publish import publish",
        "class Dag:\n    from anchorspend import load",
    ],
)
def test_a_breach_planted_in_a_dag_file_is_caught(source: str) -> None:
    assert len(dag_breaches(source)) == 1


def test_a_task_of_a_dag_may_import_the_step_it_runs() -> None:
    assert dag_breaches("from anchorspend import model\ndef task():\n    from anchorspend import publish") == []
