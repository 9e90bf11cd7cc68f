"""Credentials: from Airflow's connections, by the environment variable `AIRFLOW_CONN_<ID>` or handed in by a DAG."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from anchorspend.errors import UserError


@dataclass(frozen=True)
class Credentials:
    """One Airflow connection. Its secrets are in no `repr`, so in no log."""

    id: str
    host: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    port: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


Lookup = Callable[[str], Credentials]
"""Gives the credentials of a connection's id. Raises `UserError` when there are none."""


def from_environment(connection_id: str) -> Credentials:
    """The connection in `AIRFLOW_CONN_<ID>`, as a URI or as JSON, read as Airflow reads it."""
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    text = os.environ.get(variable, "").strip()
    if not text:
        raise UserError(f"no connection {connection_id!r}: set {variable}, to a URI or JSON as Airflow defines it")
    try:
        return _of_json(connection_id, text) if text.startswith("{") else _of_uri(connection_id, text)
    except (ValueError, TypeError, AttributeError):
        # Not the problem's own words: they hold pieces of the value.
        raise UserError(f"{variable} is neither a connection URI nor JSON; write it as Airflow defines it") from None


def _of_json(connection_id: str, text: str) -> Credentials:
    content = json.loads(text)
    extra, port = content.get("extra") or {}, content.get("port")
    return Credentials(
        connection_id,
        content.get("host"),
        content.get("login"),
        content.get("password"),
        int(port) if port else None,
        dict(json.loads(extra) if isinstance(extra, str) else extra),
    )


def _of_uri(connection_id: str, text: str) -> Credentials:
    if "://" not in text:
        raise ValueError
    # `http://https://host` names the type of the connection and then the protocol of its host.
    rest = text.partition("://")[2]
    parts = urlsplit(rest if "://" in rest.partition("?")[0] else f"//{rest}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    return Credentials(
        connection_id,
        unquote(parts.hostname or "") or None,
        unquote(parts.username) if parts.username is not None else None,
        unquote(parts.password) if parts.password is not None else None,
        parts.port,
        dict(extra),
    )
