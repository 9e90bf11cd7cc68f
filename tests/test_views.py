"""The views in Airflow: who may see which, what they show, and that no path leads out of a folder.

Airflow's own login decides, in a process of its own, because Airflow changes whatever imports it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend import settings
from test_release import County

ROLES = ("viewer", "user", "op", "admin")
PERSON = "Jane Doe"
RUN = "audit/data_docs/validations/dim_supplier/__none__/20261123T063710.963897Z"

# A parent such as Airflow's: its auth manager, its middleware, the app mounted where the plugin says.
SERVE = """
import json, sys
from datetime import UTC, datetime
from airflow.api_fastapi.app import init_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.app import init_middlewares
from airflow.models.dagrun import DagRun
from airflow.models.revoked_token import RevokedToken
from airflow.models.xcom import XComModel
from airflow.plugins_manager import get_fastapi_plugins, get_global_operator_extra_links, get_import_errors
from airflow.plugins_manager import get_plugin_info
from airflow.settings import engine
from fastapi import FastAPI
from fastapi.testclient import TestClient
from types import SimpleNamespace

asked, answers = sys.argv[1:]
for table in (DagRun, XComModel, RevokedToken):
    table.__table__.create(engine)
parent = FastAPI()
init_auth_manager(parent)
init_middlewares(parent)
((mounted, prefix),) = [
    (one["app"], one["url_prefix"]) for one in get_fastapi_plugins()[0] if one["name"] == "Anchorspend"
]
parent.mount(prefix, mounted)
client = TestClient(parent, follow_redirects=False)

def ask(role, path, headers):
    client.cookies.clear()
    if role:
        user = SimpleAuthManagerUser(username=role, role=role.upper(), teams=[])
        client.cookies.set("_token", get_auth_manager().generate_jwt(user) if role != "forged" else "x.y.z")
    # As sent: the client would tidy a path that tries to climb.
    answer = client.request("GET", path, headers=headers)
    return {"status": answer.status_code, "headers": dict(answer.headers), "text": answer.text}

def insert(table, **values):
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma foreign_keys = off")  # of Airflow's tables only these are here
        connection.execute(table.__table__.insert().values(**values))
        connection.commit()

def xcom(task_id, value, map_index=-1):
    insert(
        XComModel, dag_run_id=1, task_id=task_id, map_index=map_index, key="return_value", dag_id=DAG, run_id="run",
        value=XComModel.serialize_value(value),
    )

now = datetime.now(UTC)
insert(
    DagRun, id=1, dag_id="any", run_id="run", run_type="manual", state="success", run_after=now, queued_at=now,
    clear_number=0, updated_at=now, log_template_id=None, backfill_id=None,
)

linked = {}
for DAG, task_id, map_index, returned in (
    ("ingest_alpha", "load", 0, [3, 4]), ("ingest_alpha", "load", 1, []), ("ingest_alpha", "land", -1, None),
    ("release", "audit", -1, None), ("release", "publish", -1, None), ("other", "load", 2, [7]),
):
    if returned is not None:
        xcom(task_id, returned, map_index)
    if task_id == "audit":
        xcom("open_release", 2)
    key = SimpleNamespace(dag_id=DAG, task_id=task_id, run_id="run", map_index=map_index)
    links = {link.name: link.get_link(None, ti_key=key) for link in get_global_operator_extra_links()}
    linked[f"{DAG}.{task_id}[{map_index}]"] = {name: link for name, link in links.items() if link}

json.dump({
    "errors": get_import_errors(),
    "views": next(one["external_views"] for one in get_plugin_info() if one["name"] == "anchorspend_views"),
    "routes": [(type(route).__name__, prefix + route.path) for route in mounted.routes],
    "links": linked,
    "answers": [ask(*one) for one in json.load(open(asked))],
}, open(answers, "w"))
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


Ask = Callable[[list[tuple[str | None, str]]], tuple[list[Answer], dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with pages, Data Docs and dbt docs, and secrets beside them."""
    state = tmp_path_factory.mktemp("views")
    for name in ("pages/release_0002", "audit/data_docs/static", "postgres", RUN):
        (state / name).mkdir(parents=True)
    (state / "pages" / "current").symlink_to("release_0002")
    (state / "pages" / "current" / "index.html").write_text("<p>review page</p>")
    (state / "pages" / "current" / "way_out").symlink_to(state / "postgres")
    (state / RUN / "warehouse-dim_supplier.html").write_text("<p>data docs</p>")
    (state / "audit" / "data_docs" / "static" / "styles.css").write_text("p {}")
    (state / "postgres" / "passwords.json").write_text("hidden-word")
    return state


@pytest.fixture(scope="module")
def ask(county: County, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks for paths, each as somebody, and gives the answers and what Airflow knows of the plugins."""

    def asked(requests: list[tuple[str | None, str]]) -> tuple[list[Answer], dict[str, Any]]:
        home = tmp_path_factory.mktemp("airflow")
        plugins = settings.home() / "plugins"
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "ANCHORSPEND_STATE": str(folder),
            "PYTHONPATH": str(plugins),
        }
        (home / "asked.json").write_text(json.dumps([(role, path, {"accept": "text/html"}) for role, path in requests]))
        done = subprocess.run(
            [sys.executable, "-c", SERVE, str(home / "asked.json"), str(home / "answers.json")],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads((home / "answers.json").read_text())
        return [Answer(**one) for one in told.pop("answers")], told

    return asked


PAGES = (
    *("/anchorspend/releases", "/anchorspend/release/2", "/anchorspend/batch/1,2", "/anchorspend/quarantine/1"),
    *("/anchorspend/pages/current/", "/anchorspend/data-docs/", "/anchorspend/data-docs/static/styles.css"),
    *("/anchorspend/dbt-docs/", "/anchorspend/release/99", "/anchorspend/batch/one"),
)
CLIMBING = tuple(
    f"/anchorspend/{name}/{path}"
    for name in ("pages", "dbt-docs", "data-docs")
    for path in (
        *(
            "../../postgres/passwords.json",
            "%2e%2e/%2e%2e/postgres/passwords.json",
            "..%2f..%2fpostgres/passwords.json",
        ),
        *("/etc/passwd", "%2fetc/passwd", "way_out/passwords.json", "%00", "..%5c..%5cpostgres%5cpasswords.json"),
    )
)
NOBODY = (None, "forged")


@pytest.fixture(scope="module")
def answers(county: County, ask: Ask) -> tuple[dict[tuple[str | None, str], Answer], dict[str, Any]]:
    requests = [(who, path) for who in (*NOBODY, *ROLES) for path in PAGES] + [("admin", path) for path in CLIMBING]
    with county.copied():
        with psycopg.connect(os.environ["ANCHORSPEND_WAREHOUSE_URL"], autocommit=True) as connection:
            quarantine_a_person(connection)
        found, told = ask(requests)
    return dict(zip(requests, found, strict=True)), told


def quarantine_a_person(connection: psycopg.Connection) -> None:
    """A line that slipped a column, a refusal and a failed check, all of which quote a person; and a script."""
    problem = [
        {"field": "amount", "column": "Amount", "value": f"{PERSON} <script>", "reason": "not an amount of money"}
    ]
    connection.execute("insert into raw.quarantine values (1, 900, null, 901, null, %s, '{}')", [json.dumps(problem)])
    connection.execute("update ops.batch set reason = %s, change_note = %s where batch_id = 2", [PERSON, PERSON])
    connection.execute("update ops.release set reason = %s where release_id = 2", [PERSON])
    connection.execute(
        "insert into ops.audit values (2, 'dim_supplier', 999, 'Nobody is named', 'critical', 'x', false, null, %s)",
        [json.dumps([{"supplier_name": PERSON}])],
    )


Answers = tuple[dict[tuple[str | None, str], Answer], dict[str, Any]]


def test_airflow_loads_the_plugins_without_error(answers: Answers) -> None:
    _, told = answers
    assert told["errors"] == {}
    assert {view["name"] for view in told["views"]} == {"Review", "Releases", "Data Docs", "dbt docs"}
    assert all(view["href"].startswith("/anchorspend/") for view in told["views"])


def test_every_route_was_asked_for_and_none_is_a_mounted_app(answers: Answers) -> None:
    _, told = answers
    assert {kind for kind, _ in told["routes"]} == {"APIRoute"}
    begun = {path.split("{")[0] for _, path in told["routes"]}
    assert {start for start in begun if not any(page.startswith(start) for page in PAGES)} == set()


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_anything_without_the_login(answers: Answers, path: str) -> None:
    answer = answers[0][None, path]
    assert answer.status == 303
    assert answer.headers["location"].startswith("/auth/login?next=")
    assert answer.text == ""
    assert answers[0]["forged", path].status in {303, 403}
    assert "review page" not in answers[0]["forged", path].text


@pytest.mark.parametrize("path", PAGES[:6])
def test_who_is_logged_in_sees_the_pages(answers: Answers, path: str) -> None:
    seen = {role: answers[0][role, path].status for role in ROLES}
    lower = 403 if "data-docs" in path else 200
    assert seen == {"viewer": lower, "user": lower, "op": 200, "admin": 200}


def test_pages_say_what_they_are_to_show(answers: Answers) -> None:
    seen = {path: answers[0]["viewer", path].text for path in PAGES}
    assert "Release 2: published" in seen["/anchorspend/release/2"]
    assert "Nobody is named" in seen["/anchorspend/release/2"]
    assert "2 batches" in seen["/anchorspend/batch/1,2"]
    assert "not an amount of money" in seen["/anchorspend/quarantine/1"]
    assert "901" in seen["/anchorspend/quarantine/1"]
    assert seen["/anchorspend/pages/current/"] == "<p>review page</p>"
    data_docs = answers[0]["op", "/anchorspend/data-docs/"].text
    assert f'<a href="{RUN.partition("data_docs/")[2]}/warehouse-dim_supplier.html">dim_supplier</a>' in data_docs
    assert "2026-11-23 06:37" in data_docs


@pytest.mark.parametrize("path", ["/anchorspend/releases", *PAGES[1:4]])
def test_a_cell_that_can_name_a_person_is_shown_to_those_with_the_right_alone(answers: Answers, path: str) -> None:
    assert {role for role in ROLES if PERSON in answers[0][role, path].text} == {"op", "admin"}


def test_a_cell_is_text_and_never_markup(answers: Answers) -> None:
    page = answers[0]["admin", "/anchorspend/quarantine/1"]
    assert f"{PERSON} &lt;script&gt;" in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("path", CLIMBING)
def test_no_path_leads_out_of_its_folder(answers: Answers, path: str) -> None:
    answer = answers[0]["admin", path]
    assert answer.status == 404
    assert "hidden-word" not in answer.text
    assert "root:" not in answer.text


def test_what_is_not_there_is_told_on_a_page(answers: Answers) -> None:
    for path in ("/anchorspend/dbt-docs/", "/anchorspend/release/99", "/anchorspend/batch/one"):
        answer = answers[0]["viewer", path]
        assert answer.status == 404
        assert "Not there" in answer.text


def test_browsers_are_told_to_run_no_stranger_s_script_and_to_keep_nothing(answers: Answers) -> None:
    for (role, path), answer in answers[0].items():
        if role == "admin" and path in PAGES:
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'self'" in policy
            assert "http" not in policy
            assert answer.headers["cache-control"] == "private, no-cache"
    assert "script-src 'none'" in answers[0]["admin", "/anchorspend/data-docs/"].headers["content-security-policy"]


def test_a_task_links_to_what_it_made_and_other_tasks_to_nothing(answers: Answers) -> None:
    assert answers[1]["links"] == {
        "ingest_alpha.load[0]": {"Batches": "/anchorspend/batch/3,4", "Quarantine": "/anchorspend/quarantine/3,4"},
        "ingest_alpha.load[1]": {},
        "ingest_alpha.land[-1]": {},
        "release.audit[-1]": {"Checks": "/anchorspend/release/2", "Data Docs": "/anchorspend/data-docs/"},
        "release.publish[-1]": {"Release": "/anchorspend/release/2", "Review pages": "/anchorspend/pages/current/"},
        "other.load[2]": {},
    }
