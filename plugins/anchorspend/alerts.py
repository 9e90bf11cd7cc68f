"""Alerts: what a release raises that the one before it did not, as a message. Airflow decides whom it is sent to."""

from dataclasses import asdict, dataclass
from html import escape

import psycopg
import requests
from psycopg import sql
from psycopg.rows import class_row

from anchorspend import warehouse
from anchorspend.errors import UserError

_SHOWN = 50
"""Alerts a message lists; a first release can raise hundreds."""
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Alert:
    """One row of the mart `alert`. Nothing in it names a private person."""

    alert_id: str
    kind: str
    severity: str
    institution_id: str
    subject: str
    detail: str
    rule_id: str
    owner: str


@dataclass(frozen=True)
class News:
    """The alerts that are new in the published release, the gravest first."""

    release_id: int
    is_sample: bool
    alerts: list[Alert]

    @property
    def subject(self) -> str:
        """One line."""
        number = len(self.alerts)
        high = sum(alert.severity == "high" for alert in self.alerts)
        mark = "SAMPLE DATA, made up: " if self.is_sample else ""
        return (
            f"{mark}{number} new alert{'s' if number != 1 else ''} in release {self.release_id} of the procurement "
            f"spend figures, {high} of high severity"
        )

    @property
    def lines(self) -> list[str]:
        """One line per alert; how many more there are, where they are many."""
        said = [f"{alert.severity}: {alert.detail} (to act: {alert.owner})" for alert in self.alerts[:_SHOWN]]
        more = len(self.alerts) - len(said)
        return said + ([f"and {more} more: they stand in the published table alert"] if more else [])

    @property
    def html(self) -> str:
        """The message as an e-mail's body."""
        listed = "".join(f"<li>{escape(line)}</li>" for line in self.lines)
        return f"<p>{escape(self.subject)}</p><ul>{listed}</ul>"


def news() -> News | None:
    """What is new since the release before the published one; None when nothing is, or nothing is published.

    Of a first release everything is new, and after one that had no alerts yet.
    """
    with warehouse.connect() as connection:
        releases = connection.execute(
            """
            select release_id, schema_name, is_sample from ops.release
            where status = 'published' order by release_id desc limit 2
            """
        ).fetchall()
        if not releases:
            return None
        (release_id, schema, is_sample), *before = releases
        known = _held(connection, before[0][1]) if before else None
        alerts = [alert for alert in _raised(connection, schema) if known is None or alert.alert_id not in known]
    return News(release_id, bool(is_sample), alerts) if alerts else None


def _raised(connection: psycopg.Connection, schema: str) -> list[Alert]:
    query = """
        select alert_id::text, kind, severity, institution_id, subject, detail, rule_id, owner from {}
        order by severity <> 'high', kind, institution_id, subject
    """
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(sql.SQL(query).format(sql.Identifier(schema, "alert"))).fetchall()


def _held(connection: psycopg.Connection, schema: str) -> set[str] | None:
    """The ids of a release's alerts; None when it has no such table."""
    found = connection.execute("select to_regclass(%s)", [f"{schema}.alert"]).fetchone()
    if not found or found[0] is None:
        return None
    rows = connection.execute(sql.SQL("select alert_id::text from {}").format(sql.Identifier(schema, "alert")))
    return {alert_id for (alert_id,) in rows}


def post(told: News, url: str, token: str | None = None) -> None:
    """Send alerts to a webhook, as JSON: `text` for receivers that show a message, `alerts` for those that read on.

    `token` is sent as a bearer token. Raises `UserError` when the receiver does not accept them; it does not repeat the
    address, which of many webhooks is the secret.
    """
    try:
        answer = requests.post(
            url,
            json={
                "text": "\n".join([told.subject, *told.lines]),
                "release_id": told.release_id,
                "is_sample": told.is_sample,
                "alerts": [asdict(alert) for alert in told.alerts],
            },
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=_TIMEOUT_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as problem:
        raise UserError(f"the webhook of alerts was not reached: {type(problem).__name__}") from None
    if answer.status_code not in range(200, 300):
        raise UserError(f"the webhook of alerts answered {answer.status_code}")
