"""Site: every page of a release as files that need nothing else, and the switch of readers to them.

`<state>/pages/release_NNNN` and `<state>/pages/current` are links to folders that are written whole before a link
points at them, so readers see the old site or the new one.
"""

import csv
import fcntl
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from anchorspend.pages import (
    charts,
    drawing,
    formats,
    institutions,
    joint,
    leakage,
    local,
    method,
    procurement,
    quality,
    releases,
    sme_vcs,
    summary,
)
from anchorspend.pages.marts import Marts, published
from anchorspend.pages.parts import Chart, Page, Table

B = TypeVar("B")


def write(folder: Path, progress: Callable[[str], None]) -> None:
    """Write the pages of the published release into the folder of all releases' pages."""
    started = time.monotonic()
    with published() as marts:
        release, pages = marts.release, _pages(marts)
    name = release.schema_name
    progress(f"review pages: {len(pages)} pages of release {release.release_id}, drawing")
    with _alone(folder) as shelf:
        built = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=shelf))
        _fill(built, pages, release)
        built.chmod(0o755)
        _point(folder / name, Path(shelf.name) / built.name)
        _point(folder / "current", Path(name))
        for left in shelf.glob(f"{name}.*"):
            if left != built:
                shutil.rmtree(left)
    size = sum(path.stat().st_size for path in built.rglob("*") if path.is_file())
    progress(f"review pages: {size / 1e6:.1f} MB in {time.monotonic() - started:.1f} s")


def _pages(marts: Marts) -> list[Page]:
    """Every page, in the order of the menu."""
    return [
        *(module.page(marts) for module in (summary, local, sme_vcs, joint, leakage, procurement)),
        *institutions.pages(marts),
        *(module.page(marts) for module in (quality, method, releases)),
    ]


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The folder that pages are built in, for one writer at a time; a second waits."""
    shelf = folder / ".built"
    shelf.mkdir(parents=True, exist_ok=True)
    with (shelf / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shelf


def _point(link: Path, target: Path) -> None:
    """Make a relative link, or lead an existing one elsewhere, at one stroke."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target, target_is_directory=True)
    fresh.replace(link)


def _fill(target: Path, pages: Sequence[Page], release: Any) -> None:
    """Write pages, their tables as CSV, style sheet and script into an empty folder."""
    environment = Environment(
        loader=PackageLoader("anchorspend.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": formats.cell, "raw": formats.raw, "day": formats.day, "count": formats.count}
    environment.globals |= {"drawings": _drawings(pages)}
    template = environment.get_template("page.html.j2")
    menu = [page for page in pages if not page.parent]
    by_slug = {page.slug: page for page in pages}
    for page in pages:
        text = template.render(page=page, parent=by_slug.get(page.parent), menu=menu, release=release)
        (target / f"{page.slug}.html").write_text(text, encoding="utf-8")
    (target / "data").mkdir()
    for table in _tables(pages):
        # Two tables of one name would be one file.
        with (target / "data" / f"{table.name}.csv").open("x", encoding="utf-8", newline="") as file:
            file.write(_as_csv(table))
    source = environment.loader
    assert source
    for name in ("style.css", "tables.js"):
        text, _, _ = source.get_source(environment, name)
        head = charts.colours() if name == "style.css" else ""
        (target / name).write_text(head + text, encoding="utf-8")


def _blocks(pages: Sequence[Page], kind: type[B]) -> Iterator[B]:
    for page in pages:
        for section in page.sections:
            yield from (block for block in section.blocks if isinstance(block, kind))


def _tables(pages: Sequence[Page]) -> Iterator[Table]:
    yield from _blocks(pages, Table)
    yield from (chart.table for chart in _blocks(pages, Chart))


def _as_csv(table: Table) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.heading for column in table.columns)
    writer.writerows([formats.raw(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def _drawings(pages: Sequence[Page]) -> dict[str, dict[str, Markup]]:
    """By the name of its table, each chart's drawing for every width; a narrow place has room for the narrow one."""
    wanted = {
        (chart.table.name, width): charts.specification(chart.figure, charts.WIDTHS[width])
        for chart in _blocks(pages, Chart)
        for width in (["narrow"] if chart.beside else charts.WIDTHS)
    }
    drawn = drawing.draw([(f"{name}_{width}", chart) for (name, width), chart in wanted.items()])
    drawings: dict[str, dict[str, Markup]] = {}
    for (name, width), svg in zip(wanted, drawn, strict=True):
        drawings.setdefault(name, {})[width] = Markup(svg)  # noqa: S704  # Vega escapes the words in it
    return drawings
