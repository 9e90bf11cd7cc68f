"""The registers of the outside world, each loaded once per version: for now the ONS postcodes."""

from datetime import datetime

from airflow.sdk import dag, task
from defaults import DEFAULTS, FETCHING, REGISTERS, plainly


@dag(
    dag_display_name="Reference registers",
    doc_md=__doc__,
    schedule="@monthly",
    start_date=datetime(2019, 8, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["reference"],
)
def reference() -> None:
    """Load each register whose installed version is not in the warehouse yet."""

    @task(task_display_name="ONS postcodes", outlets=[REGISTERS], **FETCHING)
    @plainly
    def postcodes() -> bool:
        """2.7 million UK postcodes with authority and grid position."""
        from anchorspend import reference

        return reference.load_postcodes(print)

    postcodes()


reference()
