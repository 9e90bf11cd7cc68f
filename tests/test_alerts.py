"""Alerts: what is raised against the sample's truth, and what is sent to whom, by real servers on this machine."""

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from anchorspend import alerts, model, settings
from test_joint import REGISTER_DAY, Procured, procured_county, without_an_end

SECRET = "a-secret-in-the-address"
OLD, NEW = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


@pytest.fixture(scope="module")
def county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Procured]:
    yield procured_county(server, tmp_path_factory)


def words(title: str) -> set[str]:
    return set("".join(letter if letter.isalnum() else " " for letter in title.lower()).split())


def alike(one: str, other: str) -> bool:
    return len(words(one) & words(other)) >= 0.5 * len(words(one) | words(other))


def test_contracts_that_end_without_another_are_the_truths(county: Procured) -> None:
    suppliers = county.rows("select institution_id, contract_ref, supplier_id::text as supplier from fct_contract")
    true = county.contracts.merge(suppliers, on=["institution_id", "contract_ref"], validate="one_to_one")
    true = true.assign(contract_id=true.institution_id + ":" + true.contract_ref)
    endless = true.contract_id.isin(without_an_end(county))
    soon = (true.end_date >= REGISTER_DAY) & (true.end_date <= REGISTER_DAY + pd.DateOffset(months=6)) & ~endless
    due, renewed = set(), 0
    for ending in true[soon].itertuples():
        later = true[
            (true.institution_id == ending.institution_id)
            & (true.category_code == ending.category_code)
            & (true.start_date > ending.start_date)
            & ((true.end_date > ending.end_date) | endless)
        ]
        if any(row.supplier == ending.supplier or alike(row.title, ending.title) for row in later.itertuples()):
            renewed += 1
        else:
            due.add(ending.contract_id)
    assert len(due) > 10
    assert renewed > 10
    assert set(county.rows("select subject from alert where rule_id = 'contract_ending'").subject) == due


def test_suppliers_newly_large_are_the_truths(county: Procured) -> None:
    bought = county.lines[(county.lines.scope == "influenceable") & ~county.lines.is_individual.astype(bool)]
    paid = bought.groupby(["institution_id", "supplier", "financial_year"]).pounds.sum().unstack(fill_value=0)
    large = paid[(paid["2019-20"] >= 100_000) & (paid["2018-19"] * 10 < paid["2019-20"])]
    assert len(large) > 20
    found = county.rows("select institution_id, subject, value from alert where rule_id = 'supplier_newly_large'")
    assert {(row.institution_id, row.subject): row.value for row in found.itertuples()} == {
        (institution, f"{supplier} 2019-20"): pounds for (institution, supplier), pounds in large["2019-20"].items()
    }


def test_a_missed_target_raises_an_alert_and_a_met_one_none(county: Procured) -> None:
    judged = county.rows(
        """
        select distinct on (kpi_id, institution_id, definition_id)
            kpi_id || ' ' || definition_id || ' ' || financial_year as subject, institution_id, value, status
        from kpi_scorecard where status in ('met', 'missed', 'uncertain')
        order by kpi_id, institution_id, definition_id, financial_year desc
        """
    )
    found = county.rows("select institution_id, subject, value, rule_id from alert where kind = 'off_target'")
    assert {(row.institution_id, row.subject, row.value, row.rule_id) for row in found.itertuples()} == {
        (row.institution_id, row.subject, row.value, f"target_{row.status}")
        for row in judged[judged.status != "met"].itertuples()
    }
    assert "local_spend_pct strategy 2019-20" in set(found.subject)


def test_an_alert_names_no_private_person_and_is_the_same_in_the_next_release(county: Procured) -> None:
    text = "\n".join(county.rows("select alert::text as row from alert").row).casefold()
    assert [name for name in county.people if name.casefold() in text] == []
    again = county.rows(
        "select count(*) as rows from alert"
        " where alert_id <> md5(rule_id || '|' || institution_id || '|' || subject)::uuid"
    )
    assert again.rows[0] == 0


# What is sent.


def publish(connection: psycopg.Connection, number: int, ids: dict[str, str]) -> None:
    """A published release that raises some alerts; of another one, the newest is the release before."""
    schema = f"release_{number:04}"
    connection.execute(f"create schema {schema}".encode())
    connection.execute(
        f"create table {schema}.alert (alert_id uuid, kind text, severity text, institution_id text, subject text,"
        " detail text, rule_id text, owner text)".encode()
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            f"insert into {schema}.alert values (%s, 'off_target', %s, 'a', 's', %s, 'target_missed', 'P')".encode(),
            [(alert_id, "high" if alert_id == NEW else "medium", detail) for alert_id, detail in ids.items()],
        )
    connection.execute(
        "insert into ops.release (status, inputs_digest, schema_name, is_sample) values ('published', 'x', %s, true)",
        [schema],
    )


def test_only_what_the_release_before_did_not_raise_is_news(connection: psycopg.Connection) -> None:
    assert alerts.news() is None
    publish(connection, 1, {OLD: "known"})
    first = alerts.news()
    assert first
    assert [alert.detail for alert in first.alerts] == ["known"]
    publish(connection, 2, {OLD: "known", NEW: "below <target> & more"})
    told = alerts.news()
    assert told
    assert [alert.alert_id for alert in told.alerts] == [NEW]
    assert told.subject == (
        "SAMPLE DATA, made up: 1 new alert in release 2 of the procurement spend figures, 1 of high severity"
    )
    assert "below &lt;target&gt; &amp; more" in told.html
    publish(connection, 3, {OLD: "known", NEW: "below"})
    assert alerts.news() is None
    # A release that failed since says nothing of what is published.
    connection.execute("insert into ops.release (status, inputs_digest) values ('failed', 'y')")
    assert alerts.news() is None


def test_after_a_release_without_the_table_everything_is_news(connection: psycopg.Connection) -> None:
    publish(connection, 1, {})
    connection.execute("drop table release_0001.alert")
    publish(connection, 2, {OLD: "known"})
    told = alerts.news()
    assert told
    assert len(told.alerts) == 1


def test_a_long_list_is_cut_and_says_so(connection: psycopg.Connection) -> None:
    publish(connection, 1, {f"00000000-0000-0000-0000-{number:012}": f"no {number}" for number in range(60)})
    told = alerts.news()
    assert told
    assert len(told.alerts) == 60
    assert len(told.lines) == 51
    assert told.lines[-1] == "and 10 more: they stand in the published table alert"


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as taking in a mail needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        taking, taken = False, b""
        for line in self.rfile:
            if taking:
                taking = line != b".\r\n"
                taken += line if taking else b""
                if not taking:
                    self.server.received.append(taken)  # type: ignore[attr-defined]
                    self.wfile.write(b"250 kept\r\n")
            elif line.upper().startswith(b"DATA"):
                taking = True
                self.wfile.write(b"354 go on\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 yes\r\n")


class Hook(BaseHTTPRequestHandler):
    """A webhook that keeps what it is sent, and refuses what is sent to `/refuse`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, dict(self.headers), json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(500 if self.path.startswith("/refuse") else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def servers() -> Iterator[tuple[Any, Any]]:
    """A mail server and a webhook on this machine."""
    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as mail,
        ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook,
    ):
        for one in (mail, hook):
            one.received = []  # type: ignore[attr-defined]
            threading.Thread(target=one.serve_forever, daemon=True).start()
        yield mail, hook
        for one in (mail, hook):
            one.shutdown()


# Called as Airflow calls them: each in turn, whatever became of the one before. Reading the DAG takes seconds.
CALL = """
import sys
callbacks = []
if sys.argv[1:]:
    from airflow.dag_processing.dagbag import DagBag
    callbacks = DagBag(sys.argv[1]).dags["release"].get_task("publish").on_success_callback
else:
    from notifiers import EmailAlerts, WebhookAlerts
    callbacks = [EmailAlerts(), WebhookAlerts()]
for callback in callbacks:
    try:
        callback({})
    except Exception as problem:
        print("problem:", type(callback).__name__, type(problem).__name__, problem)
print("called", [type(callback).__name__ for callback in callbacks])
"""


def call(folder: Path, warehouse_url: str, *dag_file: str, **connections: dict[str, Any]) -> str:
    """What is said while the notifiers, of the DAG file where one is given, are called in a process of Airflow's."""
    dags, plugins = settings.home() / "dags", settings.home() / "plugins"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "ANCHORSPEND_WAREHOUSE_URL": warehouse_url,
        "PYTHONPATH": os.pathsep.join(map(str, (dags, plugins))),
        **{f"AIRFLOW_CONN_ANCHORSPEND_ALERT_{name.upper()}": json.dumps(held) for name, held in connections.items()},
    }
    done = subprocess.run(
        [sys.executable, "-c", CALL, *dag_file],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "called ['EmailAlerts', 'WebhookAlerts']" in done.stdout, done.stdout + done.stderr
    return done.stdout + done.stderr


def email(mail: Any) -> dict[str, Any]:
    return {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": mail.server_address[1],
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "spend@here", "to": "one@here, two@here"},
    }


def webhook(hook: Any, path: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{hook.server_address[1]}{path}"
    return {"conn_type": "http", "password": "token", "extra": {"url": url}}


def test_new_alerts_are_mailed_and_posted_when_there_is_a_connection(
    connection: psycopg.Connection, warehouse_url: str, servers: tuple[Any, Any], tmp_path: Path
) -> None:
    model.prepare()
    mail, hook = servers
    publish(connection, 1, {OLD: "known"})
    publish(connection, 2, {OLD: "known", NEW: "£1 below the target"})
    dag_file = str(settings.home() / "dags" / "release.py")
    said = call(tmp_path, warehouse_url, dag_file, email=email(mail), webhook=webhook(hook, f"/{SECRET}"))
    assert "problem:" not in said
    (sent,) = (message_from_bytes(one, policy=policy.default) for one in mail.received)
    assert sent["To"] == "one@here, two@here"
    assert sent["From"] == "spend@here"
    assert "1 new alert in release 2" in str(sent["Subject"])
    body = sent.get_body(("html",))
    assert body
    assert "£1 below the target" in body.get_content()
    assert "known" not in body.get_content()
    ((path, headers, posted),) = hook.received
    assert (path, headers["Authorization"]) == (f"/{SECRET}", "Bearer token")
    assert [alert["alert_id"] for alert in posted["alerts"]] == [NEW]
    assert "£1 below the target" in posted["text"]
    assert (posted["release_id"], posted["is_sample"]) == (2, True)


def test_nothing_is_sent_without_a_connection_or_without_news(
    connection: psycopg.Connection, warehouse_url: str, servers: tuple[Any, Any], tmp_path: Path
) -> None:
    mail, hook = servers
    publish(connection, 1, {OLD: "known"})
    assert "problem:" not in call(tmp_path, warehouse_url)
    publish(connection, 2, {OLD: "known"})
    said = call(tmp_path, warehouse_url, email=email(mail), webhook=webhook(hook, "/"))
    assert "problem:" not in said
    assert (mail.received, hook.received) == ([], [])


def test_a_receiver_that_refuses_keeps_nobody_else_from_being_told_and_its_address_unsaid(
    connection: psycopg.Connection, warehouse_url: str, servers: tuple[Any, Any], tmp_path: Path
) -> None:
    mail, hook = servers
    publish(connection, 1, {NEW: "below"})
    closed = email(mail) | {"port": 1}
    said = call(tmp_path, warehouse_url, email=closed, webhook=webhook(hook, f"/refuse/{SECRET}"))
    assert len(hook.received) == 1
    assert "problem: WebhookAlerts UserError the webhook of alerts answered 500" in said
    assert "problem: EmailAlerts" in said
    assert SECRET not in said
