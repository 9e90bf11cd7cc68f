"""Superset as the compose file starts it, from PyPI, on a published warehouse: `make prove-superset`.

Takes the warehouse of `ANCHORSPEND_STATE` (`make demo` makes one), installs the locked Superset in `.state/superset`,
runs the commands of the services `superset-init` and `superset` with a database of its own, opens both dashboards as a
reader in Chromium, and prints what was shown to hold. Screenshots stay in `.state/superset`.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import yaml
from anchorspend import show, warehouse
from anchorspend.server import postgres
from playwright.sync_api import Page, Response, sync_playwright
from psycopg import sql

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".state" / "superset"
SUPERSET = ROOT / "superset"
DATABASE = "superset_proof"
ADMIN, READER = "admin", "reader"
DASHBOARDS = ("executive", "analyst")
# What a reader may hold beyond what every signed-in person does; `assets.py load` makes the second.
READER_ROLES = ("Gamma", "Marts")


def proved(words: str) -> None:
    sys.stdout.write(f"proved: {words}\n")
    sys.stdout.flush()


def install() -> Path:
    """The environment's programs, as the lock has them; made anew when the lock changes."""
    lock, environment = SUPERSET / "requirements.txt", HOME / "venv"
    made_from = environment / "made-from"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not made_from.exists() or made_from.read_text() != digest:
        uv = str(Path(sys.executable).with_name("uv"))
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        python = ["--python", environment / "bin" / "python"]
        subprocess.run([uv, "pip", "install", "--quiet", *python, "--require-hashes", "-r", lock], check=True)
        made_from.write_text(digest)
    return environment / "bin"


@contextlib.contextmanager
def metadata() -> Iterator[str]:
    """A database and role of Superset's own on the warehouse's server, gone afterwards; yields its URL."""
    password, name = secrets.token_urlsafe(24), sql.Identifier(DATABASE)
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:

        def remove() -> None:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            connection.execute(sql.SQL("drop role if exists {}").format(name))

        remove()
        connection.execute(sql.SQL("create role {} login password {}").format(name, sql.Literal(password)))
        connection.execute(sql.SQL("create database {} owner {}").format(name, name))
        connection.execute(sql.SQL("revoke all on database {} from public").format(name))
        try:
            address = urlsplit(postgres.superuser_url())
            yield f"postgresql+psycopg2://{DATABASE}:{password}@{address.hostname}:{address.port}/{DATABASE}"
        finally:
            remove()


def commands() -> dict[str, list[str]]:
    """The command of each service, as the engine would run it."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {
        name: [word.replace("$$", "$") for word in services[name]["command"]] for name in ("superset-init", "superset")
    }


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], address: str) -> Iterator[None]:
    """The web server, until the block ends."""
    with (HOME / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=SUPERSET, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(300):
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{address}/health").text == "OK":
                        break
                assert process.poll() is None, f"Superset ended: {HOME / 'server.log'}"
                time.sleep(1)
            yield
        finally:
            process.terminate()
            process.wait()


def signed_in(address: str, user: str, password: str) -> httpx.Client:
    """A client with the user's token."""
    client = httpx.Client(base_url=address, timeout=120)
    body = {"username": user, "password": password, "provider": "db"}
    token = client.post("/api/v1/security/login", json=body).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    csrf = client.get("/api/v1/security/csrf_token/").raise_for_status().json()["result"]
    client.headers.update({"X-CSRFToken": csrf, "Referer": address})
    return client


def make_reader(admin: httpx.Client, password: str) -> None:
    """A user with the roles that docs/how-to/bi.md gives to a reader."""
    roles = admin.get("/api/v1/security/roles/", params={"q": "(page_size:100)"}).raise_for_status().json()["result"]
    body = {
        "username": READER,
        "first_name": "A",
        "last_name": "Reader",
        "email": "reader@example.invalid",
        "password": password,
        "active": True,
        "roles": [role["id"] for role in roles if role["name"] in READER_ROLES],
    }
    assert len(body["roles"]) == len(READER_ROLES)
    admin.post("/api/v1/security/users/", json=body).raise_for_status()


def refused(client: httpx.Client, database: int, statement: str) -> str:
    """Why a statement was refused; fails when it was not."""
    answer = client.post("/api/v1/sqllab/execute/", json={"database_id": database, "sql": statement, "runAsync": False})
    assert answer.status_code >= 400, f"was run: {statement}"
    return answer.text


def open_dashboard(page: Page, address: str, slug: str) -> dict[int, dict]:
    """Opens a dashboard and waits for it; the answers to its charts' own questions, by chart."""
    answers: dict[int, dict] = {}

    def note(response: Response) -> None:
        if "/api/v1/chart/data" in response.url and "form_data" in response.url:
            chart = json.loads(parse_qs(urlsplit(response.url).query)["form_data"][0])["slice_id"]
            answers[chart] = {"status": response.status, **response.json()}

    page.on("response", note)
    page.goto(f"{address}/superset/dashboard/{slug}/")
    page.wait_for_selector(".dashboard-component-chart-holder", timeout=120_000)
    charts = page.locator(".dashboard-component-chart-holder").count()
    for _ in range(180):
        if len(answers) == charts and not page.locator(".loading").count():
            break
        page.wait_for_timeout(1000)
    assert len(answers) == charts, f"{slug}: {len(answers)} of {charts} charts asked for their data"
    page.wait_for_timeout(3000)  # charts move into place
    page.screenshot(path=HOME / f"{slug}.png")
    page.remove_listener("response", note)
    return answers


def check_dashboards(address: str, password: str, names: dict[int, str]) -> dict[str, dict]:
    """Both dashboards as a reader; the first row of each chart, by the chart's name."""
    first_rows: dict[str, dict] = {}
    asked_elsewhere: set[str] = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 3000})
        answered_elsewhere: list[str] = []
        page.on(
            "request", lambda r: asked_elsewhere.add(r.url) if not r.url.startswith((address, "data:", "blob:")) else 0
        )
        page.on(
            "response",
            lambda r: None if r.url.startswith((address, "data:", "blob:")) else answered_elsewhere.append(r.url),
        )
        blocked: list[str] = []
        page.on("console", lambda m: blocked.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(f"{address}/login/")
        page.fill("#username", READER)
        page.fill("#password", password)
        page.press("#password", "Enter")
        page.wait_for_url(lambda url: "login" not in url)
        for slug in DASHBOARDS:
            answers = open_dashboard(page, address, slug)
            for chart, answer in answers.items():
                assert answer["status"] == 200, f"{names[chart]}: {answer}"
                [result] = answer["result"]
                assert result["error"] is None, f"{names[chart]}: {result['error']}"
                assert result["rowcount"] > 0, f"{names[chart]} is empty"
                first_rows[f"{slug}: {names[chart]}"] = result["data"][0]
            assert not page.locator(".ant-alert-error").count(), f"{slug} shows an error"
            proved(f"{slug}: {len(answers)} charts, each with rows and no error; {HOME / f'{slug}.png'}")
        browser.close()
    assert not answered_elsewhere, answered_elsewhere
    assert all(any(url in text for text in blocked) for url in asked_elsewhere), asked_elsewhere - set(blocked)
    stopped = ", ".join(sorted({urlsplit(url).netloc for url in asked_elsewhere}))
    proved(f"nothing was fetched from another address; the policy stopped {stopped or 'nothing'}")
    return first_rows


def same_figures(first_rows: dict[str, dict]) -> None:
    """The figures on the dashboards are the mart's."""
    _, [(share, pounds)] = show.query(
        "select value, total_amount from kpi_scorecard inner join kpi_definition using (kpi_id) "
        "where kpi_id = 'local_spend_pct' and definition_id = headline_definition and institution_id = 'partnership' "
        "order by financial_year desc limit 1"
    )
    shown = first_rows["executive: Local share"]["local_share"], first_rows["executive: Spend, £m"]["pounds_m"]
    assert round(Decimal(shown[0]), 6) == round(share, 6), (shown, share)
    assert round(Decimal(shown[1]), 6) == round(pounds / 1_000_000, 6), (shown, pounds)
    proved(f"local share {share:.4f} and £{pounds:,.2f} are the scorecard's")


def saved(python: str, environment: dict[str, str]) -> Path:
    """What Superset holds, written as files."""
    folder = HOME / "saved"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [python, "assets.py", "save", folder], cwd=SUPERSET, env=environment, check=True, capture_output=True
    )
    return folder


def differences(folder: Path) -> list[str]:
    """Files that differ between the repository's assets and what Superset saved."""
    ours, theirs = (
        {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.yaml")}
        for root in (SUPERSET / "assets", folder)
    )
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def main() -> None:
    """Raises `AssertionError` at the first thing that does not hold."""
    HOME.mkdir(parents=True, exist_ok=True)
    started = postgres.start()
    try:
        prove()
    finally:
        if started:
            postgres.stop()


def prove() -> None:
    """Everything, in order."""
    programs = install()
    proved("the locked packages install")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    password, reader_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    with metadata() as metadata_url:
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(HOME),
            "SUPERSET_HOME": str(HOME / "home"),
            "SUPERSET_CONFIG_PATH": str(SUPERSET / "superset_config.py"),
            "SUPERSET_METADATA_URL": metadata_url,
            "SUPERSET_SECRET_KEY": secrets.token_hex(32),
            "SUPERSET_PUBLIC_URL": address,
            "PYTHONDONTWRITEBYTECODE": "1",
            "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{port} --workers=2 --worker-class=gthread --threads=8",
        }
        first = environment | {
            "SUPERSET_ADMIN_USERNAME": ADMIN,
            "SUPERSET_ADMIN_EMAIL": "admin@example.invalid",
            "SUPERSET_ADMIN_PASSWORD": password,
            "SUPERSET_WAREHOUSE_URL": warehouse.reader_url().replace("postgresql://", "postgresql+psycopg2://"),
        }
        with (HOME / "init.log").open("w") as log:
            subprocess.run(commands()["superset-init"], cwd=SUPERSET, env=first, check=True, stdout=log, stderr=log)
        proved("the commands of superset-init end well")
        with running(commands()["superset"], environment, address):
            admin = signed_in(address, ADMIN, password)
            listed = admin.get("/api/v1/chart/", params={"q": "(page_size:100)"}).raise_for_status().json()["result"]
            names = {chart["id"]: chart["slice_name"] for chart in listed}
            make_reader(admin, reader_password)
            same_figures(check_dashboards(address, reader_password, names))

            [database] = admin.get("/api/v1/database/").raise_for_status().json()["result"]
            assert "DML" in refused(admin, database["id"], "delete from marts.release")
            assert "permission denied for schema warehouse" in refused(
                admin, database["id"], "select * from warehouse.fct_spend"
            )
            assert refused(signed_in(address, READER, reader_password), database["id"], "select 1")
            proved("SQL Lab refuses to change data, to read another schema than marts, and a reader altogether")

            [chart, *_] = names
            renamed = admin.put(f"/api/v1/chart/{chart}", json={"slice_name": "renamed by hand"})
            renamed.raise_for_status()
            python = str(programs / "python")
            subprocess.run([python, "assets.py", "load"], cwd=SUPERSET, env=first, check=True, capture_output=True)
            result = admin.get(f"/api/v1/chart/{chart}").raise_for_status().json()["result"]
            assert result["slice_name"] == names[chart]
            again = admin.get("/api/v1/chart/", params={"q": "(page_size:100)"}).json()["result"]
            assert {one["id"] for one in again} == names.keys()
            proved("a second load overwrites what was changed by hand and doubles nothing")
        differing = differences(saved(python, first))
        assert not differing, f"saved in {HOME / 'saved'}, differing: {differing}"
        proved("what Superset saves is what the repository holds")


if __name__ == "__main__":
    main()
