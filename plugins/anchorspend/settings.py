"""Where things are. Every path and address comes from here; the environment may override each.

| variable | what it sets | default |
|---|---|---|
| `ANCHORSPEND_HOME` | the checkout | the folder above `plugins/` |
| `ANCHORSPEND_STATE` | what this installation makes and keeps | `.state` in the checkout |
| `ANCHORSPEND_INBOX` | where relative feed folders start | `inbox` in the state folder |
| `ANCHORSPEND_LANDING` | the landing store, a folder or an fsspec URL | `landing` in the state folder |
| `ANCHORSPEND_WAREHOUSE_URL` | a PostgreSQL server of your own, as its owner role | the embedded server |
| `ANCHORSPEND_INSTITUTIONS` | the institution files | `dags/institutions` |
"""

import os
from pathlib import Path


def _path(variable: str, default: Path) -> Path:
    return Path(os.environ[variable]).expanduser().absolute() if os.environ.get(variable) else default


def home() -> Path:
    """The checkout: the folder that holds `dags/`, `dbt_project/` and `expectations/`."""
    return _path("ANCHORSPEND_HOME", Path(__file__).resolve().parents[2])


def state() -> Path:
    """The folder of everything this installation makes; `make clean` removes it."""
    return _path("ANCHORSPEND_STATE", home() / ".state")


def inbox() -> Path:
    """Where a feed's relative folder starts."""
    return _path("ANCHORSPEND_INBOX", state() / "inbox")


def landing() -> str:
    """The landing store as an fsspec URL or path."""
    return os.environ.get("ANCHORSPEND_LANDING") or str(state() / "landing")


def institutions() -> Path:
    """The folder of institution files."""
    return _path("ANCHORSPEND_INSTITUTIONS", home() / "dags" / "institutions")


def dbt_project() -> Path:
    """The dbt project."""
    return home() / "dbt_project"


def expectations() -> Path:
    """The Great Expectations file context."""
    return home() / "expectations"
