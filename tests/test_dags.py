"""DAGs: what Airflow reads from `dags/`, in a process of its own, because Airflow changes whatever imports it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anchorspend import model, settings

INSTITUTIONS = sorted(path.stem for path in (settings.home() / "dags" / "institutions").glob("*.yml"))
FETCHING = {"discover", "land", "postcodes"}

READ = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])

def described(task):
    return {
        "upstream": sorted(task.upstream_task_ids), "retries": task.retries,
        "mapped": task.is_mapped, "outlets": [outlet.name for outlet in task.outlets],
        "over": str(getattr(getattr(task, "op_kwargs_expand_input", None), "value", "")),
        "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "index": getattr(task, "map_index_template", None),
        "flags": getattr(task, "dbt_cmd_flags", []),
        "name": task.task_display_name, "doc": task.doc_md,
        }

json.dump({
    "errors": bag.import_errors,
    "warnings": [str(one) for told in bag.captured_warnings.values() for one in told],
    "dags": {
        dag_id: {
            "doc": dag.doc_md, "catchup": dag.catchup, "max_active_runs": dag.max_active_runs, "tags": sorted(dag.tags),
            "name": dag.dag_display_name, "start": str(dag.start_date), "schedule": repr(dag.schedule),
            "tasks": {task.task_id: described(task) for task in dag.tasks},
        }
        for dag_id, dag in bag.dags.items()
    },
}, open(sys.argv[2], "w"))
"""


def read_dags(folder: Path, **variables: str) -> dict[str, Any]:
    """What Airflow makes of the DAG files."""
    dags, plugins = settings.home() / "dags", settings.home() / "plugins"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "PYTHONPATH": os.pathsep.join(map(str, (dags, plugins))),
        **variables,
    }
    found = folder / "found.json"
    done = subprocess.run(
        [sys.executable, "-c", READ, str(dags), str(found)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.exists(), done.stdout + done.stderr
    return dict(json.loads(found.read_text()))


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return dict(json.loads(model.prepare().read_text()))


@pytest.fixture(scope="module")
def bag(manifest: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return read_dags(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="module")
def broken_bag(manifest: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The DAGs of three institutions, of which one is not YAML and one has a key nobody knows."""
    folder = tmp_path_factory.mktemp("institutions")
    text = (settings.home() / "dags" / "institutions" / "bedfordshire_police.yml").read_text()
    (folder / "bedfordshire_police.yml").write_text(text)
    (folder / "not_yaml.yml").write_text("id: [not_yaml\n")
    (folder / "wrong_key.yml").write_text(
        text.replace("id: bedfordshire_police", "id: wrong_key").replace("delimiter", "delimeter")
    )
    yield read_dags(tmp_path_factory.mktemp("airflow"), ANCHORSPEND_INSTITUTIONS=str(folder))


def test_every_dag_file_is_read_without_error_or_warning(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}
    ours = [
        told for told in bag["warnings"] if told.startswith((f"{settings.home()}/dags", f"{settings.home()}/plugins"))
    ]
    assert ours == []


def test_there_is_one_dag_per_institution_file_and_two_more(bag: dict[str, Any]) -> None:
    assert len(INSTITUTIONS) > 2
    assert set(bag["dags"]) == {*(f"ingest_{name}" for name in INSTITUTIONS), "reference", "release"}


def test_every_dag_tells_a_person_what_it_does(bag: dict[str, Any]) -> None:
    assert [dag_id for dag_id, dag in bag["dags"].items() if len(dag["doc"] or "") < 80 or dag["name"] == dag_id] == []


def test_every_task_has_a_name_and_a_text_for_people(bag: dict[str, Any], broken_bag: dict[str, Any]) -> None:
    told = {
        f"{dag_id}.{task_id}": task
        for read in (bag, broken_bag)
        for dag_id, dag in read["dags"].items()
        for task_id, task in dag["tasks"].items()
    }
    assert [task_id for task_id, task in told.items() if len(task["doc"] or "") < 20] == []
    unnamed = {task_id for task_id, task in told.items() if task["name"] == task_id.partition(".")[2]}
    assert unnamed == {f"release.build.dbt_producer_watcher{end}" for end in ("", "_done")}  # Cosmos names these itself
    assert told["release.build.kpi_scorecard_run"]["name"] == "kpi_scorecard"
    assert told["ingest_luton_council.load"]["name"] == "Read and load"


def test_no_dag_runs_twice_at_once_or_catches_up(bag: dict[str, Any]) -> None:
    assert {(dag["catchup"], dag["max_active_runs"]) for dag in bag["dags"].values()} == {(False, 1)}


@pytest.mark.parametrize("name", INSTITUTIONS)
def test_a_feed_is_landed_loaded_and_reported_in_this_order(bag: dict[str, Any], name: str) -> None:
    tasks = bag["dags"][f"ingest_{name}"]["tasks"]
    assert {task_id: set(task["upstream"]) for task_id, task in tasks.items()} == {
        "discover": set(),
        "land": {"discover"},
        "load": {"discover", "land"},
        "report": {"load"},
    }


@pytest.mark.parametrize("name", INSTITUTIONS)
def test_loading_is_mapped_over_the_feeds_that_have_something(bag: dict[str, Any], name: str) -> None:
    tasks = bag["dags"][f"ingest_{name}"]["tasks"]
    assert {task_id for task_id, task in tasks.items() if task["mapped"]} == {"load"}
    assert "feed" in tasks["load"]["over"]
    assert "discover" in tasks["load"]["over"]
    assert "feed" in tasks["load"]["index"]


def test_what_is_loaded_calls_for_a_release(bag: dict[str, Any]) -> None:
    outlets = {
        f"{dag_id}.{task_id}": task["outlets"]
        for dag_id, dag in bag["dags"].items()
        for task_id, task in dag["tasks"].items()
        if task["outlets"]
    }
    assert outlets == {
        **{f"ingest_{name}.load": ["anchorspend_batches"] for name in INSTITUTIONS},
        "reference.postcodes": ["anchorspend_registers"],
        "release.publish": ["anchorspend_release"],
    }
    for asset in ("anchorspend_batches", "anchorspend_registers"):
        assert asset in bag["dags"]["release"]["schedule"]


def test_only_tasks_that_reach_the_outside_world_try_again(bag: dict[str, Any]) -> None:
    retried = {
        task_id.rpartition(".")[2]
        for dag in bag["dags"].values()
        for task_id, task in dag["tasks"].items()
        if task["retries"]
    }
    assert retried == FETCHING


def test_every_model_is_a_task_of_the_release_and_every_seed_and_test_runs_with_them(
    bag: dict[str, Any], manifest: dict[str, Any]
) -> None:
    built = {node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    assert len(built) > 20
    tasks = bag["dags"]["release"]["tasks"]
    shown = {task_id.removeprefix("build.") for task_id in tasks if task_id.startswith("build.")}
    assert shown - {"dbt_producer_watcher", "dbt_producer_watcher_done"} == {f"{name}_run" for name in built}
    flags = tasks["build.dbt_producer_watcher"]["flags"]
    kinds = {kind for option, kind in pairwise(flags) if option == "--resource-type"}
    assert {"model", "seed", "test"} <= kinds


def test_a_release_is_built_before_it_is_audited_and_audited_before_it_is_published(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["release"]["tasks"]

    def before(task_id: str) -> set[str]:
        found: set[str] = set()
        todo = [task_id]
        while todo:
            for above in tasks[todo.pop()]["upstream"]:
                if above not in found:
                    found.add(above)
                    todo.append(above)
        return found

    build = {task_id for task_id in tasks if task_id.startswith("build.")}
    assert len(build) > 20
    assert before("audit") >= build | {"open_release", "wait_until_quiet"}
    assert "audit" in before("publish")
    assert all("open_release" in before(task_id) for task_id in build)
    assert before("open_release") == {"wait_until_quiet"}


def test_nothing_is_published_after_a_failure_and_the_failure_is_recorded(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["release"]["tasks"]
    assert {task_id: tasks[task_id]["trigger_rule"] for task_id in ("open_release", "audit", "publish")} == {
        "open_release": "all_success",
        "audit": "all_success",
        "publish": "all_success",
    }
    assert tasks["keep_the_last_release"]["trigger_rule"] == "one_failed"
    assert {"audit", "publish"} <= set(tasks["keep_the_last_release"]["upstream"])


def test_pages_are_written_after_publishing_and_their_failure_leaves_the_release(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["release"]["tasks"]
    assert tasks["write_pages"]["upstream"] == ["publish"]
    assert "write_pages" not in tasks["keep_the_last_release"]["upstream"]


def test_a_broken_institution_file_is_a_dag_that_shows_and_leaves_the_others(broken_bag: dict[str, Any]) -> None:
    assert broken_bag["errors"] == {}
    dags = broken_bag["dags"]
    assert set(dags) == {
        *("ingest_bedfordshire_police", "ingest_not_yaml", "ingest_wrong_key"),
        *("reference", "release"),
    }
    for dag_id in ("ingest_not_yaml", "ingest_wrong_key"):
        assert dags[dag_id]["tags"] == ["broken contract", "ingest"]
        assert set(dags[dag_id]["tasks"]) == {"read_contract"}
    assert set(dags["ingest_bedfordshire_police"]["tasks"]) == {"discover", "land", "load", "report"}


def test_the_dag_of_a_broken_file_fails_with_the_reason_and_is_not_tried_again(
    manifest: dict[str, Any], tmp_path: Path
) -> None:
    run = (
        "from pathlib import Path\n"
        "from anchorspend.errors import UserError\n"
        "from ingest import broken_dag\n"
        "dag = broken_dag(Path('x/some_council.yml'), UserError('feeds: is missing; add it'))\n"
        "task = dag.get_task('read_contract')\n"
        "try:\n"
        "    task.python_callable()\n"
        "except Exception as problem:\n"
        "    print(type(problem).__name__, problem, task.retries)\n"
    )
    dags, plugins = settings.home() / "dags", settings.home() / "plugins"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(map(str, (dags, plugins))),
    }
    done = subprocess.run(
        [sys.executable, "-c", run], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "AirflowFailException feeds: is missing; add it 0" in done.stdout, done.stderr


QUIETER = """
import json, sys, time
from types import SimpleNamespace
from cosmos.operators._watcher import base
from cosmos.dbt import runner
from dbt.adapters.events.types import SQLQuery
from dbt.events.types import NodeFinished, NodeStart, RunResultError
import forked_tasks

assert {"_cache_compiled_sql", "_log_startup_events"} <= set(vars(base.BaseConsumerSensor))
forked_tasks.tell_what_is_asked()
said, heard = [], []
class Task:
    def xcom_push(self, key, value):
        time.sleep(0.2)
        said.append(key)
    def xcom_pull(self, **key): said.append(key)
base.BaseConsumerSensor._log_startup_events(None, Task())
base.BaseConsumerSensor._cache_compiled_sql(None, Task(), {})
base.safe_xcom_push(task_instance=Task(), key="model__one_compiled_sql", value="select 1")
for node in ("model.one", "test.one", "seed.one"):
    for name in ("NodeFinished", "NodeFinished"):
        event = {
            "info": {"name": name, "msg": "done"},
            "data": {"node_info": {"unique_id": node, "node_status": "success", "resource_type": node[:-4]}},
        }
        base.store_dbt_resource_status_from_log(json.dumps(event), {"context": {"ti": Task()}})
build = runner.get_runner([lambda event: heard.append(event.info.name)])
(called,) = build.callbacks
build.invoke(["--version"])  # at the end of which all is sent
told = len(said)
for kind in (SQLQuery, NodeStart, NodeFinished, RunResultError):
    level = kind.level_tag(kind.__new__(kind)).value
    called(SimpleNamespace(info=SimpleNamespace(level=level, name=kind.__name__)))
json.dump([heard, said, told], open(sys.argv[1], "w"))
"""


def test_a_build_tells_the_tasks_that_wait_for_it_how_each_model_ended_and_no_more(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "PYTHONPATH": str(settings.home() / "plugins"),
    }
    subprocess.run([sys.executable, "-c", QUIETER, str(found)], env=environment, cwd=tmp_path, check=True)
    heard, said, told = json.loads(found.read_text())
    assert heard == ["NodeFinished", "RunResultError"]
    assert said == ["model__one_dbt_event", "model__one_status"]
    assert told == 2
