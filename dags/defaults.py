"""What every DAG here shares: owner, retries, and the assets that tie them together."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException
from anchorspend.errors import UserError

# Plain names: an address with the host in it would change between a laptop, CI and a server.
BATCHES = Asset("anchorspend_batches")
REGISTERS = Asset("anchorspend_registers")
RELEASE = Asset("anchorspend_release")

DEFAULTS = {"owner": "data engineering", "retries": 0}
# Where the outside world is reached, trying again can help; nowhere else.
FETCHING = {"retries": 3, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True}

P = ParamSpec("P")
R = TypeVar("R")


def plainly(step: Callable[P, R]) -> Callable[P, R]:
    """Fail a task at once, with the message alone, on what a person must put right: trying again cannot help."""

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except UserError as problem:
            raise AirflowFailException(str(problem)) from None

    return run
