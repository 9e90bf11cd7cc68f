"""Model: dbt builds the candidate release from what is loaded.

In Airflow, Cosmos runs the same project with every model as a task of its own; this module is the road without Airflow.
"""

import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

from anchorspend import settings, warehouse
from anchorspend.errors import UserError

_OF_A_MODEL = (
    *("unique_id", "name", "package_name", "resource_type", "original_file_path", "fqn", "depends_on", "tags"),
    "config",
)
_QUIET = {
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
    "DBT_USE_COLORS": "False",
    "DO_NOT_TRACK": "1",
    "DBT_LOG_LEVEL_FILE": "none",  # its ten thousand lines cost a tenth of a build, and what failed is said anyway
}


def environment() -> dict[str, str]:
    """What dbt needs in its environment: where the warehouse is, and to report nothing home."""
    return {**warehouse.dbt_environment(), **_QUIET}


def manifest() -> Path:
    """The parsed project; where dbt looks for it."""
    return settings.dbt_project() / "target" / "manifest.json"


def graph() -> Path:
    """The models and what each is made of, in the manifest's shape: what the release DAG is drawn from.

    Every task of a release reads it anew, and the whole manifest is megabytes.
    """
    return manifest().with_name("models.json")


def prepare() -> Path:
    """Parse the dbt project, write its manifest and graph; needs no database. Raises `UserError` with dbt's own words.

    Returns the manifest's path.
    """
    variables = _QUIET
    with contextlib.suppress(UserError):
        variables = environment()  # parsed with the same connection, the project need not be parsed again to be built
    _dbt("parse", variables)
    parsed = json.loads(manifest().read_text(encoding="utf-8"))
    models = {
        unique_id: {name: node[name] for name in _OF_A_MODEL}
        for unique_id, node in parsed["nodes"].items()
        if node["resource_type"] == "model"
    }
    unfinished = graph().with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"metadata": parsed["metadata"], "nodes": models}), encoding="utf-8")
    unfinished.replace(graph())
    return manifest()


NOT_IN_A_RELEASE = ("resource_type:unit_test", "path:seeds,resource_type:test", "tag:by_construction")
"""Tests of the rules, which are code: they are run before a change of it is used, not on every release. So are those of
joins and grains that hold by the way the tables are made."""


def build(select: str | None = None) -> None:
    """Build the candidate release and test its data. Raises `UserError` naming each model and test that failed."""
    _dbt("build", environment(), "--exclude", *NOT_IN_A_RELEASE, *(["--select", select] if select else []))


def test_rules() -> None:
    """Run the tests of the dbt project's rules, on what was built last. Raises `UserError` naming each that failed."""
    _dbt("test", environment(), "--select", *NOT_IN_A_RELEASE)


def docs_page() -> Path:
    """Where dbt's own documentation of the project stands."""
    return settings.state() / "dbt_docs" / "index.html"


def document() -> Path:
    """Write dbt's own documentation of the project as one page: every model, its columns, tests and descent.

    With a warehouse to ask, the columns are those of the candidate as it was built last; without one, those the YAML
    names. Returns its path. Raises `UserError` with dbt's own words.
    """
    page = docs_page()
    variables, extra = _QUIET, ["--empty-catalog", "--no-compile"]
    with contextlib.suppress(UserError):
        warehouse.connect().close()
        variables, extra = environment(), []
    prepare()
    page.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # A folder of its own, but for the parsed project: what the release DAG is drawn from must not change under it.
        shutil.copy(manifest(), folder)
        _dbt("docs generate", variables, "--static", "--target-path", folder, *extra)
        shutil.copy(Path(folder) / "static_index.html", page)
    return page


def _dbt(command: str, variables: dict[str, str], *arguments: str) -> None:
    # Imported late: dbt takes seconds to import, and most of this package never needs it.
    from dbt.cli.main import dbtRunner

    folder = str(settings.dbt_project())
    os.environ.update(variables)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        done = dbtRunner().invoke(
            [
                *command.split(),
                "--quiet",
                "--project-dir",
                folder,
                "--profiles-dir",
                folder,
                "--profile",
                "anchorspend",
                "--target",
                "warehouse",
                *arguments,
            ]
        )
    if done.success:
        return
    results = getattr(done.result, "results", None) or []
    failed = [f"{r.node.name}: {r.message}" for r in results if str(r.status) in {"error", "fail"}]
    raise UserError(f"dbt {command} failed:\n" + "\n".join(failed or [str(done.exception or said.getvalue())]))
