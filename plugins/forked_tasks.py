"""Makes tasks cheap to start: what they need is imported once, by the scheduler.

The LocalExecutor forks a process for each task from the scheduler's. A process that first has to import Cosmos, pandas
and this package takes a second longer, and a county's files and one release are two hundred tasks.
"""

import sys
from importlib import import_module
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

NEEDED = (
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.decorators.sensor",
    "airflow.providers.standard.decorators.short_circuit",
    "anchorspend.ingest",
    "anchorspend.load",
    "anchorspend.release",
    "cosmos",
    "cosmos.operators.watcher",
    "pandas",
)


@hookimpl
def on_starting(component: Any) -> None:
    """Called by Airflow before a job begins, and so before the scheduler makes its workers."""
    if getattr(component, "job_type", None) == "SchedulerJob":
        for name in NEEDED:
            import_module(name)


class ForkedTasks(AirflowPlugin):
    """Registers this module's listener."""

    name = "forked_tasks"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
