"""Makes tasks cheap: what they need is imported once, by the scheduler, and a build tells them only what they ask.

The LocalExecutor forks a process for each task from the scheduler's. A process that first has to import Cosmos, pandas
and this package takes a second longer, and a county's files and one release are two hundred tasks.

Cosmos turns everything dbt says, ten thousand debug messages too, into text and back, and sends each of the four steps
of every model, seed and test to Airflow's API as it happens, the last one twice; dbt waits meanwhile. The tasks look at
how their model ended.
"""

import sys
from collections.abc import Callable
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
def on_starting() -> None:
    """Called by Airflow when a job of it is made, and so before the scheduler makes its workers.

    The job itself does not know yet which it is; the command does.
    """
    if sys.argv[1:2] == ["scheduler"]:
        for name in NEEDED:
            import_module(name)
        tell_what_is_asked()


def tell_what_is_asked() -> None:
    """Have Cosmos's watcher send, of each model, how it ended, once; of seeds and tests nothing, for no task waits.

    Its tasks ask for no more. Of what dbt says for its own developers it hears nothing else.
    """
    from cosmos.dbt import runner
    from cosmos.operators._watcher import base

    push, sent = base.safe_xcom_push, dict[str, Any]()

    def push_once(task_instance: Any, key: str, value: Any) -> None:
        if key.startswith("model__") and sent.get(key) != value:
            sent[key] = value
            push(task_instance=task_instance, key=key, value=value)

    base.safe_xcom_push = push_once
    get_runner = runner.get_runner

    def runner_that_hears(callbacks: list[Callable[[Any], None]] | None = None) -> Any:
        return get_runner([_unless_debug(callback) for callback in callbacks or []])

    runner.get_runner = runner_that_hears
    # What dbt says when it starts, which every task asks for at every look, and keeps to itself unless one debugs.
    base.BaseConsumerSensor._log_startup_events = lambda self, task_instance: None


def _unless_debug(callback: Callable[[Any], None]) -> Callable[[Any], None]:
    """Call back of what dbt tells a person, and of how each node ended, which it says for its developers."""

    def called(event: Any) -> None:
        if event.info.level != "debug" or event.info.name == "NodeFinished":
            callback(event)

    return called


class ForkedTasks(AirflowPlugin):
    """Registers this module's listener."""

    name = "forked_tasks"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
