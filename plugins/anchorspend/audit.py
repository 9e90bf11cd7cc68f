"""Audit: the expectations of `expectations/` judge the candidate release, by severity.

A critical failure stops the release; warnings are recorded and shown. A gate must not pass by checking nothing, so a
suite that lost an expectation, has none, or looks at another schema is itself a failure.
"""

import io
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from anchorspend import settings, warehouse
from anchorspend.errors import UserError

CANDIDATE = "candidate"
_EXAMPLES = 5


class HollowSuite(UserError):
    """A suite that would judge less than was written down."""


@dataclass(frozen=True)
class Check:
    """One judged expectation. `severity` is critical, warning or info; `examples` are failing rows."""

    suite: str
    description: str
    severity: str
    owner: str
    action: str
    passed: bool
    observed: str | None
    examples: list[dict[str, Any]]

    def __str__(self) -> str:
        shown = "; ".join(", ".join(f"{k}={v}" for k, v in row.items()) for row in self.examples)
        return (
            f"{self.severity}: {self.suite}: not so: {self.description}. "
            f"{f'For example {shown}. ' if shown else self.observed or ''}To do ({self.owner}): {self.action}"
        )


@dataclass(frozen=True)
class Verdict:
    """Every check of a release."""

    checks: list[Check]

    @property
    def critical(self) -> list[Check]:
        """Failed checks that stop a release."""
        return [check for check in self.checks if not check.passed and check.severity == "critical"]

    @property
    def warnings(self) -> list[Check]:
        """Failed checks that do not."""
        return [check for check in self.checks if not check.passed and check.severity != "critical"]


def audit(release_id: int) -> Verdict:
    """Judge the candidate, record every check in `ops.audit` and write Data Docs.

    Raises `HollowSuite`; a failed check is in the verdict, not an error.
    """
    # It tells and prints of its own workings in a thousand lines, among which what the audit says would not be found.
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with redirect_stdout(io.StringIO()):
        verdict = Verdict(_run(settings.expectations()))
    with warehouse.connect() as connection:
        connection.execute("delete from ops.audit where release_id = %s", [release_id])
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into ops.audit
                (release_id, suite, check_no, description, severity, owner, passed, observed, examples)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    (
                        release_id,
                        c.suite,
                        n,
                        c.description,
                        c.severity,
                        c.owner,
                        c.passed,
                        c.observed,
                        Jsonb(c.examples),
                    )
                    for n, c in enumerate(verdict.checks, start=1)
                ],
            )
    return verdict


def data_docs() -> Path:
    """Where Great Expectations writes its pages on the newest audits."""
    return _results() / "data_docs" / "index.html"


def _results() -> Path:
    return settings.state() / "audit"


def _run(folder: Path) -> list[Check]:
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    os.environ["ANCHORSPEND_GX_RESULTS"] = str(_results())
    os.environ["ANCHORSPEND_GX_URL"] = warehouse.url().replace("postgresql://", "postgresql+psycopg2://", 1)
    with _lines_summed() as summed:
        # Imported late: it takes seconds, and only this step needs it.
        import great_expectations as gx

        context = gx.get_context(mode="file", context_root_dir=str(folder))
        context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # it takes a plain mapping
        checkpoint = context.checkpoints.get("release")
        for definition in checkpoint.validation_definitions:
            refuse_hollow(definition.suite, definition.asset, folder / "suites")
        judged = {definition.suite.name for definition in checkpoint.validation_definitions}
        written = {path.stem for path in (folder / "suites").glob("*.json")}
        if judged != written:
            raise HollowSuite(
                f"the checkpoint judges {sorted(judged)}, but {folder / 'suites'} holds {sorted(written)}"
            )
        summed.result()
        results = checkpoint.run()
    # The pages of this audit alone: of every audit there was, each would take longer than the one before.
    pages = [*results.run_results, *context.expectations_store.list_keys()]
    context.build_data_docs(resource_identifiers=pages)  # type: ignore[arg-type]  # one kind or both
    return [
        _check(suite_result.suite_name, one)
        for suite_result in results.run_results.values()
        for one in suite_result.results
    ]


@contextmanager
def _lines_summed() -> Iterator[Future[Any]]:
    """Make `ops.counted_total` for the checks and drop it afterwards: the candidate's lines, read once, in place of
    once by every check. Its result is there when the table is; the caller goes on meanwhile.
    """
    with warehouse.connect(autocommit=True) as connection, ThreadPoolExecutor(1) as beside:
        try:
            yield beside.submit(
                connection.execute,
                """
                drop table if exists ops.counted_total;
                -- one process reads while the other sums; the planner takes handing the lines over for too dear
                set parallel_tuple_cost = 0;
                set max_parallel_workers_per_gather = 1;
                create unlogged table ops.counted_total as
                select
                    batch_id, institution_id, financial_year, basis, supplier_record_id, scope,
                    count(*) as line_count, sum(amount) as amount
                from candidate.fct_spend
                group by batch_id, institution_id, financial_year, basis, supplier_record_id, scope;
                analyze ops.counted_total
                """,
            )
        finally:
            connection.execute("drop table if exists ops.counted_total")


def refuse_hollow(suite: Any, asset: Any, suites: Path) -> None:
    """Raise `HollowSuite` unless every expectation on disk was loaded and the suite looks at its own candidate table.

    Great Expectations logs and drops an expectation whose type it does not know, and an empty suite or table succeeds.
    """
    stored = json.loads((suites / f"{suite.name}.json").read_text(encoding="utf-8"))["expectations"]
    if not stored or len(suite.expectations) != len(stored):
        raise HollowSuite(f"suite {suite.name}: {len(suite.expectations)} of {len(stored)} expectations were loaded")
    if not any(_demands_rows(one) for one in stored):
        raise HollowSuite(f"suite {suite.name}: expects no rows, so an empty table would pass everything else in it")
    looked_at = (getattr(asset, "schema_name", None), getattr(asset, "table_name", None))
    if looked_at != (CANDIDATE, suite.name):
        raise HollowSuite(
            f"suite {suite.name}: looks at {'.'.join(map(str, looked_at))}, not at {CANDIDATE}.{suite.name}"
        )


def _demands_rows(expectation: dict[str, Any]) -> bool:
    return (
        expectation["type"] == "expect_table_row_count_to_be_between"
        and bool(expectation["kwargs"].get("min_value"))
        and expectation.get("severity") == "critical"
    )


def _check(suite: str, result: Any) -> Check:
    config = result.expectation_config
    found = result.result or {}
    rows = (found.get("details") or {}).get("unexpected_rows") or []
    trouble = [v["exception_message"] for v in (result.exception_info or {}).values() if isinstance(v, dict)]
    if isinstance((result.exception_info or {}).get("exception_message"), str):
        trouble.append(result.exception_info["exception_message"])
    observed = "; ".join(trouble) or (str(found["observed_value"]) if "observed_value" in found else None)
    return Check(
        suite=suite,
        description=config.description,
        severity=str(getattr(config.severity, "value", config.severity)),
        owner=config.meta["owner"],
        action=config.meta["action"],
        passed=bool(result.success),
        observed=observed,
        examples=[] if result.success else [{k: str(v) for k, v in row.items()} for row in rows[:_EXAMPLES]],
    )
