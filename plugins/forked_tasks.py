"""Makes tasks cheap: what they need is imported once, by the scheduler, and a build tells them only what they ask.

The LocalExecutor forks a process for each task from the scheduler's. A process that first has to import Cosmos, pandas
and this package takes a second longer, and a county's files and one release are two hundred tasks.

Cosmos turns everything dbt says, ten thousand debug messages too, into text and back, and sends each of the four steps
of every model, seed and test to Airflow's API as it happens, the last one twice; dbt waits meanwhile. The tasks look at
how their model ended.
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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

    Its tasks ask for no more: a model's SQL is in dbt's documentation. It is sent while dbt goes on, and the build ends
    when all is sent. Of what dbt says for its own developers the watcher hears nothing else.
    """
    from cosmos.dbt import runner
    from cosmos.operators._watcher import base

    push, get_runner = base.safe_xcom_push, runner.get_runner
    sent, on_its_way = dict[str, Any](), list[Future[None]]()
    sender = ThreadPoolExecutor(1)  # one, so that all arrives in its order; its thread starts in the task's process

    def push_once(task_instance: Any, key: str, value: Any) -> None:
        if key.startswith("model__") and not key.endswith("_compiled_sql") and sent.get(key) != value:
            sent[key] = value
            on_its_way.append(sender.submit(push, task_instance=task_instance, key=key, value=value))

    def runner_that_hears(callbacks: list[Callable[[Any], None]] | None = None) -> Any:
        if not callbacks:
            return get_runner()
        dbt = get_runner([_unless_debug(callback) for callback in callbacks])
        invoke = dbt.invoke

        def invoke_and_send(*arguments: Any, **named: Any) -> Any:
            done = invoke(*arguments, **named)
            for message in on_its_way:
                message.result()
            return done

        dbt.invoke = invoke_and_send
        return dbt

    base.safe_xcom_push, runner.get_runner = push_once, runner_that_hears
    base.BaseConsumerSensor._cache_compiled_sql = lambda self, task_instance, context: None
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
