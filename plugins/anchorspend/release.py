"""Release: resolve, build, audit and publish in one process.

The road without Airflow; the release DAG takes the same steps.
"""

from collections.abc import Callable

from anchorspend import audit, contract, model, publish, resolve, warehouse
from anchorspend.errors import UserError


class AuditFailed(UserError):
    """A candidate that must not be published."""


def register() -> None:
    """Bring the institution files' facts into the warehouse."""
    institutions = contract.load_institutions()
    with warehouse.connect() as connection:
        warehouse.register_institutions(connection, institutions.values())
        warehouse.forget_feeds(connection, institutions)


def judge(release_id: int) -> audit.Verdict:
    """Audit a candidate; raises `AuditFailed` naming every critical check that failed, with examples."""
    verdict = audit.audit(release_id)
    if verdict.critical:
        raise AuditFailed("the release is not published:\n" + "\n".join(map(str, verdict.critical)))
    return verdict


def make(progress: Callable[[str], None] = lambda message: None) -> publish.Published | None:
    """Make a release of what is loaded; None when nothing changed since the published one.

    Raises `UserError` (`AuditFailed` for a failed check); the release published before then stands.
    """
    register()
    release_id = publish.open_release()
    if release_id is None:
        return None
    try:
        progress(f"release {release_id}: resolving suppliers")
        progress(str(resolve.resolve()))
        progress(f"release {release_id}: building with dbt")
        model.build()
        progress(f"release {release_id}: auditing")
        for warning in judge(release_id).warnings:
            progress(str(warning))
        return publish.publish(release_id)
    except Exception as problem:
        publish.fail(release_id, str(problem))
        raise
