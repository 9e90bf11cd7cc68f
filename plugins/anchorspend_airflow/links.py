"""Links on task instances: to the batches a load made, to the release that an audit judged or publishing made."""

from collections.abc import Callable
from typing import Any

from airflow.models.xcom import XComModel
from airflow.sdk import BaseOperatorLink
from airflow.utils.session import create_session


def returned(ti_key: Any, task_id: str, map_index: int) -> Any:
    """What a task of the same run returned, or None."""
    query = XComModel.get_many(
        key="return_value", run_id=ti_key.run_id, dag_ids=ti_key.dag_id, task_ids=task_id, map_indexes=map_index
    )
    with create_session() as session:
        row = session.execute(query.with_only_columns(XComModel.value)).first()
    return None if row is None else XComModel.deserialize_value(row)


def batches(ti_key: Any) -> str:
    """The numbers of the batches that a load made."""
    return ",".join(map(str, returned(ti_key, "load", ti_key.map_index) or []))


def release(ti_key: Any) -> str:
    """The number of the release that a run made."""
    return str(returned(ti_key, "open_release", -1) or "")


class Made(BaseOperatorLink):
    """A link on one task of one DAG, or of every DAG whose id begins so; none where the task made nothing."""

    def __init__(self, name: str, dag: str, task: str, path: str, made: Callable[[Any], str]) -> None:
        self._name, self._dag, self._task, self._path, self._made = name, dag, task, path, made

    @property
    def name(self) -> str:
        """What the button says."""
        return self._name

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  # Airflow's signature
        """The address, or nothing, which Airflow does not show."""
        if ti_key.task_id != self._task or not ti_key.dag_id.startswith(self._dag):
            return ""
        made = self._made(ti_key)
        return self._path.format(made) if made else ""


def links(root: str) -> list[Made]:
    """Every link, below the address of the views."""
    return [
        Made("Batches", "ingest_", "load", f"{root}/batch/{{}}", batches),
        Made("Quarantine", "ingest_", "load", f"{root}/quarantine/{{}}", batches),
        Made("Checks", "release", "audit", f"{root}/release/{{}}", release),
        Made("Data Docs", "release", "audit", f"{root}/data-docs/", release),
        Made("Release", "release", "publish", f"{root}/release/{{}}", release),
        Made("Review pages", "release", "publish", f"{root}/pages/current/", release),
    ]
