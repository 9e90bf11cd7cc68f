"""The reference pages of `docs/`, written from what the project says of itself.

Nothing here is kept by hand: tables, columns and joins come from the YAML beside the marts, which are the database's
comments too; KPIs, definitions and targets from the seeds; commands from the command line; the schema of institution
files from the models that check them.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.cli import get_docs_for_click

from anchorspend import publish, settings
from anchorspend.contract import Institution
from anchorspend.kinds import KINDS, Kind

_DONE_BY = "<!-- Written by `anchorspend docs`; change the YAML and CSV of dbt_project and run it again. -->"
_WITHIN = "relationship_within_institution"
_NOT_SHOWN = {"definition_id", "series_id", "version"}


@dataclass(frozen=True)
class Table:
    """A published table: its grain in words, its key, its columns' types and meanings, and a question it answers.

    `joins`: column, table and column there.
    """

    name: str
    description: str
    key: Sequence[str]
    columns: Mapping[str, tuple[str, str]]
    question: str
    sql: str
    joins: Sequence[tuple[str, str, str]] = field(default=())


def tables() -> list[Table]:
    """Every published table by name: the models of the folder `marts`, and those that publishing adds.

    Raises `KeyError` where a model has no key, question, query, or a column no type or description.
    """
    models = [
        model
        for path in sorted((settings.dbt_project() / "models" / "marts").glob("*.yml"))
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    ]
    published = {model["name"] for model in models}
    found = [
        Table(
            model["name"],
            model["description"],
            model["config"]["meta"]["key"],
            {column["name"]: (column["data_type"], column["description"]) for column in model["columns"]},
            model["config"]["meta"]["question"],
            model["config"]["meta"]["sql"].strip(),
            [join for join in _joins(model) if join[1] in published],
        )
        for model in models
    ]
    made = [Table(one.name, one.description, one.key, one.columns, one.question, one.sql) for one in publish.MADE]
    return sorted([*found, *made], key=lambda table: table.name)


def _joins(model: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for own, test in [
        *((None, test) for test in model.get("data_tests", [])),
        *((column["name"], test) for column in model["columns"] for test in column.get("data_tests", [])),
    ]:
        if not isinstance(test, dict) or not test.keys() & {"relationships", _WITHIN}:
            continue
        (given,) = (one["arguments"] for name, one in test.items() if name in {"relationships", _WITHIN})
        to = re.sub(r"^ref\('(\w+)'\)$", r"\1", given["to"])
        yield own or given["column"], to, given.get("field") or given["to_column"]


def pages(app: typer.Typer) -> dict[Path, str]:
    """Each page's path and text; `app` is the command line."""
    folder = settings.home() / "docs" / "reference"
    return {
        folder / "data_dictionary.md": _dictionary(tables()),
        folder / "kpis.md": _register(),
        folder / "command_line.md": _commands(app),
        folder / "institution.schema.json": json.dumps(institution_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def write(app: typer.Typer) -> list[Path]:
    """Write the pages; their paths."""
    found = pages(app)
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
    return list(found)


def _dictionary(found: Sequence[Table]) -> str:
    parts = [
        "# Data dictionary",
        _DONE_BY,
        "The tables of schema `marts`, which `bi_reader` reads. The same descriptions stand in the database as comments"
        " of every table and column; the joins are rows of the table `relationship`. Each question is asked by the"
        " tests.",
        _rows(["table", "what"], [[f"[`{one.name}`](#{one.name})", one.description] for one in found]),
    ]
    for one in found:
        joined = ", ".join(f"`{column}` → `{to}.{there}`" for column, to, there in one.joins)
        parts += [
            f"## {one.name}",
            one.description,
            f"Key: {', '.join(f'`{name}`' for name in one.key)}." + (f" Joins: {joined}." if joined else ""),
            _rows(
                ["column", "type", "what"],
                [[f"`{name}`", kind, meaning] for name, (kind, meaning) in one.columns.items()],
            ),
            one.question,
            f"```sql\n{one.sql}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def _register() -> str:
    kpis, targets = _seed("kpi"), _seed("strategy_target")
    parts = [
        "# KPI register",
        _DONE_BY,
        "What each KPI counts, of what, by which definitions, and what the strategy wants of it. Figures stand in"
        " `kpi_scorecard`, by institution, financial year and definition, each with its bounds.",
        _rows(["KPI", "name", "unit"], [[f"`{one['kpi_id']}`", one["kpi_name"], one["unit"]] for one in kpis]),
    ]
    for one in kpis:
        parts += [
            f"## {one['kpi_id']}",
            f"{one['kpi_name']}.",
            _rows(
                ["", ""],
                [
                    [name.replace("_", " "), value]
                    for name, value in one.items()
                    if value and name not in {"kpi_id", "kpi_name"}
                ],
            ),
        ]
        wanted = [target for target in targets if target["kpi_id"] == one["kpi_id"]]
        if wanted:
            names = [name for name in wanted[0] if name != "kpi_id"]
            parts.append(
                _rows([name.replace("_", " ") for name in names], [[t[name] for name in names] for t in wanted])
            )
    for measure in sorted({one["measure"] for one in kpis}):
        if not _path(f"{measure}_definition").exists():
            continue
        parts.append(f"## Definitions of {measure}")
        for one in _seed(f"{measure}_definition"):
            parts += [
                f"### {one['definition_id']}",
                _rows(
                    ["", ""],
                    [
                        [name.replace("_", " "), value]
                        for name, value in one.items()
                        if value and name not in _NOT_SHOWN
                    ],
                ),
            ]
    return "\n\n".join(parts) + "\n"


def _commands(app: typer.Typer) -> str:
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="anchorspend")
    title, _, text = get_docs_for_click(obj=command, ctx=context, name="anchorspend", title="Command line").partition(
        "\n"
    )
    done_by = "<!-- Written by `anchorspend docs` from the code of the command line. -->"
    return f"{title}\n\n{done_by}\n{text.rstrip()}\n"


def institution_schema() -> dict[str, Any]:
    """The JSON Schema of an institution file, for editors. What it cannot say, `anchorspend check` does."""
    schema = Institution.model_json_schema()
    feed = schema["$defs"]["Feed"]
    feed["properties"]["kind"]["enum"] = list(KINDS)
    feed["allOf"] = [
        {"if": {"properties": {"kind": {"const": name}}}, "then": {"properties": {"layouts": {"items": _fields(kind)}}}}
        for name, kind in KINDS.items()
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _fields(kind: Kind) -> dict[str, Any]:
    """What a layout of a kind may map, and must."""
    columns = {name: {"description": field.meaning} for name, field in kind.fields.items()}
    return {
        "properties": {
            "columns": {"properties": columns, "required": list(kind.required), "additionalProperties": False}
        }
    }


def _path(seed: str) -> Path:
    return settings.dbt_project() / "seeds" / f"{seed}.csv"


def _seed(name: str) -> list[dict[str, str]]:
    with _path(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
