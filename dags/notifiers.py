"""Who is told of new alerts: by e-mail and by webhook, as far as Airflow has a connection for either.

Without a connection nothing is sent. What cannot be sent is in the task's log, and the alerts stay in the published
table; a release never fails for it.
"""

from typing import Any

from airflow.sdk import BaseNotifier, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

EMAIL, WEBHOOK = "anchorspend_alert_email", "anchorspend_alert_webhook"


def configured(conn_id: str) -> Connection | None:
    """The connection, where there is one."""
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException:
        return None


class EmailAlerts(BaseNotifier):
    """Mails the alerts that are new in the published release to the addresses in `to` of the connection's extra."""

    def notify(self, context: Any) -> None:  # noqa: ARG002  # Airflow's signature
        """Send one mail, or none. Raises `KeyError` for a connection without `to`, else what the server said."""
        from airflow.providers.smtp.hooks.smtp import SmtpHook
        from anchorspend import alerts

        connection = configured(EMAIL)
        news = alerts.news() if connection else None
        if connection and news:
            with SmtpHook(EMAIL) as server:
                server.send_email_smtp(to=connection.extra_dejson["to"], subject=news.subject, html_content=news.html)


class WebhookAlerts(BaseNotifier):
    """Posts the alerts that are new in the published release to `url` of the connection's extra."""

    def notify(self, context: Any) -> None:  # noqa: ARG002  # Airflow's signature
        """Post once, or not at all. Raises `KeyError` for a connection without `url`, else what the receiver said."""
        from anchorspend import alerts

        connection = configured(WEBHOOK)
        news = alerts.news() if connection else None
        if connection and news:
            alerts.post(news, connection.extra_dejson["url"], connection.password)
