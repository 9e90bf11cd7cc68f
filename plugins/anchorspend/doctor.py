"""Doctor: looks an installation over and says, check by check, whether it is as it should be and what to do.

It starts nothing and changes nothing. A check that cannot be made is a warning that says why, never a silent pass.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
import psycopg
import requests
from packaging.requirements import Requirement

from anchorspend import contract, ingest, model, pages, publish, settings, warehouse
from anchorspend.errors import UserError
from anchorspend.server import airflow, postgres

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
OLDEST_POSTGRES = 16
LOW_DISK_GB, FULL_DISK_GB = 5.0, 1.0
OLD_RELEASE_DAYS = 45
"""A county's slowest feeds are monthly, and a month's file is due within some weeks of its end."""

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What one check found. `to_do` is one sentence, empty where nothing is to be done."""

    check: str
    status: Status
    found: str
    to_do: str = ""


Told = tuple[Status, str, str]
Found = Iterator[Told]


def examine() -> list[Finding]:
    """Every check, in the order in which a person would put things right."""
    findings = [
        Finding(name, *told)
        for name, check in (
            ("python", _python),
            ("packages", _packages),
            ("disk", _disk),
            ("secrets", _secrets),
            ("institution files", _institution_files),
            ("dbt project", _dbt_project),
        )
        for told in check()
    ]
    try:
        with warehouse.connect(autocommit=True) as connection:
            findings.append(Finding("database", *_version(connection)))
            for name, look in (
                ("roles", _roles),
                ("schema", _schema),
                ("feeds", _feeds),
                ("held files", _held),
                ("release", _release),
            ):
                findings += [Finding(name, *told) for told in _looked(look, connection)]
    except UserError as problem:
        to_do = "Start it with `anchorspend up`." if postgres.is_ours() else "Start that server, or correct its URL."
        findings.append(Finding("database", "problem", f"{problem} Roles, feeds and releases are not checked.", to_do))
    findings += [
        Finding(name, *told)
        for name, check in (("review pages", _pages), ("airflow", _airflow), ("addresses", _addresses))
        for told in check()
    ]
    return findings


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status of all."""
    found = {one.status for one in findings}
    return "problem" if "problem" in found else "warning" if "warning" in found else "ok"


def _looked(
    look: Callable[[psycopg.Connection], Found], connection: psycopg.Connection
) -> list[tuple[Status, str, str]]:
    """A check in the database; one that a missing table or right cuts short is told as that."""
    try:
        return list(look(connection))
    except psycopg.Error as problem:
        said = str(problem).strip().splitlines()[0]
        return [("problem", f"could not be checked: {said}", "Run `anchorspend setup`.")]


def _python() -> Found:
    version = platform.python_version()
    if OLDEST_PYTHON <= tuple(map(int, platform.python_version_tuple()[:2])) <= NEWEST_PYTHON:
        yield "ok", version, ""
    else:
        yield "problem", version, "Make the environment anew with Python 3.11, 3.12 or 3.13."


def _packages() -> Found:
    lock = settings.home() / "requirements.txt"
    if not lock.exists():
        yield "warning", f"there is no {lock} to compare with", "Set ANCHORSPEND_HOME to the checkout."
        return
    locked = list(_locked(lock.read_text(encoding="utf-8")))
    wrong = [
        f"{name} {version or 'missing'}, locked {wanted}"
        for name, wanted in locked
        if (version := _installed(name)) != wanted
    ]
    if wrong:
        yield "problem", f"{len(wrong)} of {len(locked)} differ: {_few(wrong)}", "Run `make setup`."
    else:
        yield "ok", f"{len(locked)} are as locked", ""


def _locked(text: str) -> Iterator[tuple[str, str]]:
    """Name and version of each package that the lock has for this Python and system."""
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            wanted = Requirement(line.removesuffix("\\"))
            if wanted.marker is None or wanted.marker.evaluate():
                yield wanted.name, str(wanted.specifier).removeprefix("==")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _disk() -> Found:
    folders = {settings.state(), *([Path(settings.landing())] if "://" not in settings.landing() else [])}
    for folder in sorted(folders):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(there).free / 1e9
        status: Status = "problem" if free < FULL_DISK_GB else "warning" if free < LOW_DISK_GB else "ok"
        yield (
            status,
            f"{free:.1f} GB free for {folder}",
            "" if status == "ok" else "Make room, or move the state folder.",
        )


def _secrets() -> Found:
    state, home = settings.state(), settings.home()
    files = [
        *(state / "postgres" / name for name in ("passwords.json", "addresses.json")),
        *(state / "airflow" / name for name in ("passwords.json", "running.json", "airflow.cfg")),
        home / ".env",
    ]
    there = [path for path in files if _exists(path)]
    open_to_others = [path for path in there if path.stat().st_mode & 0o077]
    for path in open_to_others:
        yield (
            "problem",
            f"{path} can be read by others (mode {path.stat().st_mode & 0o777:o})",
            f"Run `chmod 600 {path}`.",
        )
    if not open_to_others:
        yield "ok", f"{len(there)} files with passwords are their owner's alone", ""


def _exists(path: Path) -> bool:
    with contextlib.suppress(PermissionError):
        return path.exists()
    return False


def _institution_files() -> Found:
    paths = sorted(settings.institutions().glob("*.yml"))
    wrong = []
    for path in paths:
        try:
            contract.load_institution(path)
        except UserError as problem:
            wrong.append(str(problem))
    for told in wrong:
        yield "problem", told, "Correct the file; `anchorspend check` reads it again."
    if not paths:
        yield "problem", f"{settings.institutions()} holds none", "Write one with `anchorspend inspect FILE --draft`."
    elif not wrong:
        yield "ok", f"{len(paths)} are valid", ""


def _dbt_project() -> Found:
    made = [path for path in (model.manifest(), model.graph()) if path.exists()]
    if len(made) < 2:
        yield "problem", "it is not parsed, so the release DAG cannot be drawn", "Run `anchorspend prepare`."
        return
    changed = max(path.stat().st_mtime for path in publish.sources(settings.dbt_project()))
    if min(path.stat().st_mtime for path in made) < changed:
        yield "warning", "it was changed after it was parsed", "Run `anchorspend prepare`."
    else:
        yield "ok", "parsed as it stands", ""


def _version(connection: psycopg.Connection) -> Told:
    version = connection.info.server_version
    found = f"PostgreSQL {version // 10000}.{version % 10000} at {connection.info.host}:{connection.info.port}"
    if version // 10000 < OLDEST_POSTGRES:
        return "problem", found, f"Move to PostgreSQL {OLDEST_POSTGRES} or later."
    return "ok", found, ""


# What a reader may do beyond reading the views of marts. System catalogues are everybody's.
_TOO_MUCH = """
with relation as (
    select class.oid, namespace.oid as namespace_oid, nspname, format('%%I.%%I', nspname, relname) as name
    from pg_class as class inner join pg_namespace as namespace on relnamespace = namespace.oid
    where relkind in ('r', 'v', 'm', 'p', 'f') and nspname not in ('pg_catalog', 'information_schema')
        and nspname not like 'pg\\_t%%'
)
select 'is a superuser or may bypass, create roles or databases, or replicate' as what from pg_roles
where rolname = %(reader)s and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
union all
select 'is a member of ' || string_agg(granted.rolname, ', ') from pg_auth_members
inner join pg_roles as granted on roleid = granted.oid inner join pg_roles as reader on member = reader.oid
where reader.rolname = %(reader)s having count(*) > 0
union all
select 'may create in the database or schema ' || string_agg(name, ', ') from (
    select nspname as name from pg_namespace where has_schema_privilege(%(reader)s, oid, 'create')
    union all
    select datname from pg_database
    where datname = current_database() and has_database_privilege(%(reader)s, oid, 'create')
) as place having count(*) > 0
union all
select format('may read %%s outside marts: %%s', count(*), (array_agg(name order by name))[1]) from relation
where nspname <> 'marts' and has_schema_privilege(%(reader)s, namespace_oid, 'usage')
    and has_any_column_privilege(%(reader)s, oid, 'select') having count(*) > 0
union all
select format('may change %%s tables: %%s', count(*), (array_agg(name order by name))[1]) from relation
where has_schema_privilege(%(reader)s, namespace_oid, 'usage')
    and (has_table_privilege(%(reader)s, oid, 'insert, update, delete, truncate')
        or has_any_column_privilege(%(reader)s, oid, 'insert, update')) having count(*) > 0
"""
_TOO_LITTLE = """
select format('%%I.%%I', nspname, relname) from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
where nspname = 'marts' and relkind = 'v' and not (has_schema_privilege(%(reader)s, pg_namespace.oid, 'usage')
    and has_table_privilege(%(reader)s, pg_class.oid, 'select')) order by 1
"""


def _roles(connection: psycopg.Connection) -> Found:
    reader = {"reader": warehouse.READER}
    (there,) = connection.execute(
        "select exists (select from pg_roles where rolname = %(reader)s and rolcanlogin)", reader
    ).fetchone() or (False,)
    if not there:
        yield "problem", f"there is no role {warehouse.READER} that may log in", "Run `anchorspend setup`."
        return
    try:
        with warehouse.connect(warehouse.reader_url()):
            pass
    except UserError as problem:
        yield "problem", f"{warehouse.READER} cannot log in: {problem}", "Set its password with `anchorspend setup`."
    wrong = [what for (what,) in connection.execute(_TOO_MUCH, reader)]
    for what in wrong:
        yield (
            "problem",
            f"{warehouse.READER} {what}",
            f"Take that right from {warehouse.READER} (`revoke`, `alter role`).",
        )
    unread = [name for (name,) in connection.execute(_TOO_LITTLE, reader)]
    if unread:
        yield "problem", f"{warehouse.READER} may not read {_few(unread)}", "Grant select on them, or publish again."
    if not wrong and not unread:
        yield "ok", f"{warehouse.READER} reads marts and nothing else", ""


def _schema(connection: psycopg.Connection) -> Found:
    if warehouse.is_up_to_date(connection):
        yield "ok", "the warehouse's own tables are of this version", ""
    else:
        yield "problem", "the warehouse's own tables are of another version", "Run `anchorspend setup`."


def _feeds(connection: psycopg.Connection) -> Found:
    if not _published(connection):
        yield "ok", "none was judged, for nothing is published", ""
        return
    late = warehouse.rows(
        connection,
        """
        select institution_id || '.' || feed_id as feed, count(*) as months, max(month_first) as newest
        from marts.feed_coverage
        where status in ('missing', 'empty') or (status = 'not_due' and due_on < current_date)
        group by institution_id, feed_id order by 1
        """,
    )
    for one in late:
        found = f"{one['feed']}: {one['months']} months missing, empty or due since, newest {one['newest']:%Y-%m}"
        yield "warning", found, "Ask the institution for its files, or correct the feed's calendar."
    if not late:
        yield "ok", "every month that is due is there", ""


def _held(connection: psycopg.Connection) -> Found:
    held = []
    for path in sorted(settings.institutions().glob("*.yml")):
        with contextlib.suppress(UserError):  # told by the check of institution files
            institution = contract.load_institution(path)
            # A reason can quote a line of the file, and so stays with those who look for it.
            held += [f"{institution.id}.{one.split(': ')[0]}" for one in ingest.refused(connection, institution)]
    if held:
        found = f"{len(held)} files or sources are held: {_few(sorted(set(held)))}"
        yield "warning", found, "Read why in the task `report` of their DAGs, and put it right."
    else:
        yield "ok", "no file is held", ""


def _release(connection: psycopg.Connection) -> Found:
    published = _published(connection)
    if published is None:
        yield "warning", "nothing is published yet", "Load a file, then run `anchorspend release`."
        return
    release_id, closed_at = published
    age = (datetime.now(UTC) - closed_at).days
    failed = connection.execute(
        "select release_id from ops.release where status = 'failed' and release_id > %s order by 1 desc limit 1",
        [release_id],
    ).fetchone()
    found = f"release {release_id} of {closed_at:%Y-%m-%d}"
    wrong: list[tuple[str, str]] = []
    if failed:
        wrong.append((f"{found}; release {failed[0]} after it failed", "Read why with `anchorspend releases`."))
    if not publish.is_current(connection):
        wrong.append((f"{found} is not of what is loaded now", "Run `anchorspend release`, or the DAG `release`."))
    if age > OLD_RELEASE_DAYS:
        wrong.append((f"{found} is {age} days old", "See whether files still come (feeds, held files)."))
    yield from (("warning", *one) for one in wrong)
    if not wrong:
        yield "ok", found, ""


def _published(connection: psycopg.Connection) -> tuple[int, datetime] | None:
    row = connection.execute(
        "select release_id, closed_at from ops.release where status = 'published' order by 1 desc limit 1"
    ).fetchone()
    return (row[0], row[1]) if row else None


def _pages() -> Found:
    folder = pages.current().parent
    if pages.current().is_file():
        yield "ok", f"{folder.resolve().name} in {folder.parent}", ""
    else:
        yield "warning", f"there are none in {folder}", "Publishing a release writes them; so does `anchorspend pages`."


def _airflow() -> Found:
    address = _airflow_address()
    if address is None:
        yield "warning", "it does not run, so nothing is fetched or released by itself", "Start it: `anchorspend up`."
        return
    try:
        sick = airflow.unhealthy(airflow.ask_health(address))
        version = requests.get(f"{address}/api/v2/version", timeout=10).json()["version"]
    except (requests.RequestException, ValueError, KeyError):
        yield "problem", f"no Airflow answers at {address}", "Start it: `anchorspend up`, or its service."
        return
    if sick:
        yield (
            "problem",
            f"Airflow {version} at {address}: not healthy: {_few(sick)}",
            "Read its log, and start it again.",
        )
    if version != _installed("apache-airflow"):
        found = f"Airflow {version} runs at {address}, {_installed('apache-airflow')} is installed"
        yield "problem", found, "Start it again: `anchorspend down`, then `anchorspend up`."
    elif not sick:
        yield "ok", f"Airflow {version} at {address}", ""


def _airflow_address() -> str | None:
    """Where Airflow ought to answer: in a container at the service tasks talk to, else where `up` started it."""
    if served := os.environ.get("AIRFLOW__CORE__EXECUTION_API_SERVER_URL"):
        return served.rstrip("/").removesuffix("/execution")
    return airflow.started_at()


def _addresses() -> Found:
    """What `up` started listens on this machine alone."""
    started = [*_started()]
    listening = {
        (name, connection.laddr.ip, connection.laddr.port)
        for name, process in started
        for connection in _connections(process)
        if connection.status == psutil.CONN_LISTEN
    }
    reached = sorted(one for one in listening if one[1] not in {"127.0.0.1", "::1"})
    for name, ip, port in reached:
        found = f"{name} can be reached from other machines: it listens on {ip}:{port}"
        yield "problem", found, "Stop it with `anchorspend down`, and bind it to 127.0.0.1."
    if not started:
        yield "ok", "nothing that `up` starts is running here", ""
    elif not reached:
        told = ", ".join(sorted({f"{name} {port}" for name, _, port in listening}))
        yield "ok", f"listening on this machine alone: {told}", ""


def _started() -> Iterator[tuple[str, psutil.Process]]:
    places: tuple[tuple[str, Path, Callable[[str], str]], ...] = (
        ("PostgreSQL", settings.state() / "postgres" / "data" / "postmaster.pid", lambda text: text.split()[0]),
        ("Airflow", airflow.process_file(), lambda text: str(json.loads(text)["pid"])),
    )
    for name, path, read in places:
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError, psutil.Error):
            leader = psutil.Process(int(read(path.read_text())))
            # A recycled process id is somebody else's program.
            if any(name.lower()[:7] in word for word in leader.cmdline()):
                yield name, leader
                yield from ((name, child) for child in leader.children(recursive=True))


def _connections(process: psutil.Process) -> list[Any]:
    with contextlib.suppress(psutil.Error):
        return list(process.net_connections(kind="inet"))
    return []


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
