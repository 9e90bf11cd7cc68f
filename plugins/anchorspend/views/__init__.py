"""Views: small HTML pages on releases, their checks, batches and lines in quarantine, for Airflow's plugin to serve.

Each takes whether its reader may see what can hold a payee's name; without it those cells are never put into the page.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from anchorspend import history
from anchorspend.errors import UserError

_AT_MOST = 1000

_templates = Environment(
    loader=PackageLoader("anchorspend.views"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["count"] = lambda number: "" if number is None else f"{number:,}"
_templates.filters["pounds"] = lambda amount: "" if amount is None else f"£{amount:,.2f}"
_templates.filters["moment"] = lambda when: "" if when is None else f"{when:%Y-%m-%d %H:%M}"


def releases(*, personal: bool) -> str:
    """The page of every release."""
    return _page("releases.html", rows=_shown(history.releases(), personal), personal=personal)


def release(release_id: int, *, personal: bool) -> str:
    """The page of one release and its checks. Raises `UserError` when there is none of that number."""
    found = [one for one in history.releases() if one["release_id"] == release_id]
    if not found:
        raise UserError(f"there is no release {release_id}")
    (one,) = _shown(found, personal)
    return _page("release.html", one=one, checks=_shown(history.checks(release_id), personal), personal=personal)


def batches(ids: Sequence[int], *, personal: bool) -> str:
    """The page of one batch or several. Raises `UserError` when none of them is there."""
    return _page("batches.html", rows=_shown(_batches(ids), personal), ids=_path(ids), personal=personal)


def quarantine(ids: Sequence[int], *, personal: bool) -> str:
    """The page of what could not be read of one batch or several. Raises `UserError` when none of them is there."""
    found = _batches(ids)
    rows = history.quarantine(ids, _AT_MOST + 1)
    return _page(
        "quarantine.html",
        rows=_shown(rows[:_AT_MOST], personal),
        lines=sum(one["lines_quarantined"] or 0 for one in found),
        amount=sum(one["amount_quarantined"] or 0 for one in found),
        at_most=_AT_MOST if len(rows) > _AT_MOST else None,
        ids=_path(ids),
        personal=personal,
    )


def data_docs(folder: Path) -> str:
    """The page that leads to Great Expectations' pages in a folder; their own index is empty without its scripts."""
    audits = [
        (f"{run[:4]}-{run[4:6]}-{run[6:8]} {run[9:11]}:{run[11:13]}", suite, path.relative_to(folder).as_posix())
        for path in folder.glob("validations/*/*/*/*.html")
        for suite, run in [(path.parts[-4], path.parts[-2])]
    ]
    if not audits:
        raise UserError("There are no Data Docs yet; auditing a release writes them.")
    suites = [(path.stem, path.relative_to(folder).as_posix()) for path in sorted(folder.glob("expectations/*.html"))]
    return _page("data_docs.html", suites=suites, audits=sorted(audits, reverse=True))


def message(heading: str, text: str, root: str) -> str:
    """A page that says one thing. `root` is the address of the views."""
    return _page("message.html", heading=heading, text=text, root=root)


def _batches(ids: Sequence[int]) -> history.Rows:
    found = history.batches(ids)
    if not found:
        raise UserError(f"there is no batch {_path(ids)}")
    return found


def _shown(rows: history.Rows, personal: bool) -> history.Rows:
    return rows if personal else history.without_personal(rows)


def _path(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))


def _page(template: str, **given: Any) -> str:
    return _templates.get_template(template).render(**given)
