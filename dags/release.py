"""From what is loaded to what is published: resolve → build → audit → publish → write the review pages, whenever a
batch or a register arrived.

A burst of feeds makes one release: the first run waits until nothing has arrived for a while, and the runs that queued
up behind it find nothing new and stop. A failed check leaves the last good release standing. Every dbt model is a task,
in one `dbt build` with its tests (Cosmos, watcher mode).
"""

import os
from contextlib import suppress
from datetime import datetime
from typing import Any

from airflow.sdk import dag, get_current_context, get_parsing_context, task
from anchorspend import model, settings
from anchorspend.errors import UserError
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, LoadMode, SeedRenderingBehavior, TestBehavior
from defaults import BATCHES, DEFAULTS, REGISTERS, RELEASE, plainly
from notifiers import EmailAlerts, WebhookAlerts

QUIET_SECONDS = int(os.environ.get("ANCHORSPEND_QUIET_SECONDS", "120"))

# dbt reads its connection from the environment of the task that runs it. Before the first set-up there is none.
with suppress(UserError):
    os.environ.update(model.environment())

PROJECT = ProjectConfig(
    dbt_project_path=settings.dbt_project(), manifest_path=model.graph(), project_name="anchorspend"
)
# A process that runs the task of one model needs no other model's, and making them all takes half a second.
RUNNING = get_parsing_context().task_id or ""
ONE_MODEL = [RUNNING.removeprefix("build.").removesuffix("_run")] if RUNNING.endswith("_run") else []
# As the object-storage path Cosmos makes of it, it would have every task load every Airflow plugin: a second each.
PROJECT.manifest_path = model.graph()


@dag(
    dag_display_name="Release: resolve, build, audit, publish",
    doc_md=__doc__,
    schedule=BATCHES | REGISTERS,
    start_date=datetime(2019, 8, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["release"],
)
def release() -> None:
    """One release."""

    @task.sensor(task_display_name="Wait until nothing arrives", poke_interval=2, timeout=6 * 3600, mode="poke")
    def wait_until_quiet() -> bool:
        """True when nothing has landed or been loaded for a while."""
        from anchorspend import publish, warehouse

        with warehouse.connect() as connection:
            return publish.seconds_since_last_change(connection) > QUIET_SECONDS

    @task.short_circuit(task_display_name="Open a release")
    @plainly
    def open_release() -> int | None:
        """Begin a release, or stop here when nothing changed since the published one."""
        from anchorspend import publish
        from anchorspend import release as steps

        steps.register()
        return publish.open_release()

    @task(task_id="resolve", task_display_name="Resolve suppliers")
    @plainly
    def resolve_suppliers() -> None:
        """Decide which supplier each supplier record is; batches loaded after this wait for the next release."""
        from anchorspend.resolve import resolve

        print(resolve(progress=print))

    build = DbtTaskGroup(
        group_id="build",
        group_display_name="Build the candidate with dbt",
        project_config=PROJECT,
        profile_config=ProfileConfig(
            profile_name="anchorspend",
            target_name="warehouse",
            profiles_yml_filepath=settings.dbt_project() / "profiles.yml",
        ),
        execution_config=ExecutionConfig(execution_mode=ExecutionMode.WATCHER),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            # Seeds and data tests run in the same build, each test behind its model, without a task of their own: a
            # task costs Airflow a second. One that fails fails the build, whose log names it.
            test_behavior=TestBehavior.NONE,
            seed_rendering_behavior=SeedRenderingBehavior.NONE,
            select=ONE_MODEL,
            normalize_task_display_name=lambda node: node.name,
            exclude=list(model.NOT_IN_A_RELEASE),
            emit_datasets=False,  # consumers wait for the release, never for one of its tables
        ),
        operator_args={
            "install_deps": False,
            "deferrable": False,
            "poke_interval": 2,
            "doc_md": "One dbt model with its tests, within the one build of the release. What it holds: dbt docs.",
            "dbt_cmd_flags": ["--resource-type", "test"],  # which Cosmos else leaves out with `NONE`
        },
    )

    @task(task_display_name="Audit the candidate")
    @plainly
    def audit(release_id: int) -> list[str]:
        """Judge the candidate; its warnings."""
        from anchorspend import release as steps

        return [str(warning) for warning in steps.judge(release_id).warnings]

    @task(task_display_name="Publish", outlets=[RELEASE], on_success_callback=[EmailAlerts(), WebhookAlerts()])
    @plainly
    def publish(release_id: int, warnings: list[str]) -> str:
        """Switch readers to the new release."""
        from anchorspend import publish as steps

        print(*warnings, sep="\n")
        return steps.publish(release_id).schema_name

    @task(task_display_name="Write the review pages")
    @plainly
    def write_pages() -> str:
        """Write the review pages. Should that fail, the release stands, and readers keep the pages before it."""
        from anchorspend import pages

        return str(pages.write(print))

    @task(task_display_name="Keep the last release", trigger_rule="one_failed")
    def keep_the_last_release(release_id: int | None) -> None:
        """Record that this one failed; the one published before it stands."""
        from anchorspend import publish

        if release_id is not None:
            publish.fail(release_id, f"see Airflow run {_run_id()}")

    opened = open_release()
    warnings = audit(opened)
    published = publish(opened, warnings)
    resolved = resolve_suppliers()
    wait_until_quiet() >> opened >> resolved >> build >> warnings
    published >> write_pages()
    [resolved, build, warnings, published] >> keep_the_last_release(opened)


def _run_id() -> Any:
    return get_current_context()["run_id"]


release()
