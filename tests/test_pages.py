"""Review pages: how figures are written, that pages say what the marts say, and that readers never see half a site."""

import csv
import html
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from anchorspend import pages
from anchorspend.errors import UserError
from anchorspend.pages import charts, drawing, formats, site
from anchorspend.pages.marts import published
from anchorspend.pages.parts import Column, Link, Page, Section, Status, Table
from anchorspend.pages.serve import server as server_of
from test_release import County

FIRST_PAGE_LIMIT = 150_000


@pytest.fixture
def little(county: County) -> Iterator[County]:
    """Two releases of a county that sends payments only, as what the package works on."""
    with county.used():
        yield county


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formats.share(Decimal("0.29495")), "29.5%"),
        (formats.share(Decimal("0.9996")), ">99.9%"),
        (formats.share(Decimal("0.0004")), "<0.1%"),
        (formats.share(Decimal(1)), "100.0%"),
        (formats.share(Decimal(0)), "0.0%"),
        (formats.pounds(Decimal("-1234.50")), "−£1,235"),
        (formats.pounds(Decimal("-0.40")), "−£0"),
        (formats.short_pounds(Decimal(833_241_000)), "£833.2m"),
        (formats.short_pounds(Decimal(2_455_390_114)), "£2.46bn"),
        (formats.short_pounds(Decimal(962_500)), "£963k"),
        (formats.short_pounds(Decimal(512)), "£512"),
        (formats.in_unit(Decimal("12.50"), "days"), "12.5 days"),
        (formats.in_unit(None, "share"), "unknown"),
        (formats.between(Decimal("0.2949"), Decimal("0.2951"), "share"), "29.5% either way"),
        (formats.between(Decimal("0.11"), Decimal("0.16"), "share"), "11.0% to 16.0%"),
        (formats.between(None, Decimal(1), "share"), "unknown"),
        (formats.cell(date(2017, 4, 3), "date"), "3 April 2017"),
        (formats.cell(None, "pounds"), "unknown"),
        (formats.cell("none", "pounds"), "none"),
    ],
)
def test_figures_are_written_for_a_person(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        (Decimal("0.294950"), "0.29495"),
        (Decimal(1000), "1000"),
        (date(2017, 4, 3), "2017-04-03"),
        (Link("Luton", "local.html"), "Luton"),
        (Status("Met", "good"), "Met"),
    ],
)
def test_a_csv_holds_figures_as_they_are(cell: Any, expected: str) -> None:
    assert formats.raw(cell) == expected


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_drawings_stand_out_from_the_page(mode: int) -> None:
    paper = charts.COLOURS["paper"][mode]
    for name, colours in charts.COLOURS.items():
        if name in {"ink", "quiet", "target"}:
            assert contrast(colours[mode], paper) >= 4.5, name
        elif name not in {"paper", "rule", "band"}:  # a grid, and an area between two lines of the first colour
            assert contrast(colours[mode], paper) >= 3, name
    light = [colour for colour, _ in charts.COLOURS.values()]
    assert len(set(light)) == len(light)


def test_a_drawing_is_hidden_from_no_one_and_asks_for_nothing() -> None:
    figure = charts.bars([charts.Bar("A & B <Ltd>", Decimal("0.2"), Decimal("0.1"), Decimal("0.3"), "20.0%")])
    (drawn,) = drawing.draw([("one", charts.specification(figure, 330))])
    assert "A &amp; B &lt;Ltd&gt;" in drawn
    assert "aria-" not in drawn
    assert not re.search(r"(href|url\(h|@import)", drawn)


def test_a_table_shows_its_first_rows_and_the_file_has_all(tmp_path: Path) -> None:
    rows = [[f"row {number}", Decimal(number)] for number in range(105)]
    table = Table("numbers", "Numbers", [Column("Name"), Column("Pounds", "pounds")], rows)
    release = published_row()
    site._fill(tmp_path, [Page("index", "Title", "Lead", [Section("s", "Section", [table])])], release)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "row 99" in text
    assert "row 100" not in text
    assert "First 100 of 105 rows" in text
    with (tmp_path / "data" / "numbers.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["Name", "Pounds"], *([f"row {n}", str(n)] for n in range(105))]


def published_row() -> Any:

    return SimpleNamespace(release_id=1, published_at=date(2020, 1, 2), is_sample=False, lines=3, batches=1)


def cards(text: str) -> list[dict[str, str]]:
    found = []
    for card in re.findall(r'<li class="card">(.*?)</li>', text, re.DOTALL):
        texts = {
            "label": re.search(r"<h3>(.*?)</h3>", card, re.DOTALL),
            "value": re.search(r'<p class="value">(.*?)</p>', card, re.DOTALL),
            "definition": re.search(r"#definition-([^\"]+)", card),
            "status": re.search(r'class="status \w+">(.*?)<', card),
        }
        found.append({name: html.unescape(match[1]) for name, match in texts.items() if match})
    return found


WORDS = {
    "met": "Met",
    "missed": "Missed",
    "uncertain": "Cannot be told",
    "no_target": "No target",
    "no_data": "No data",
    "tbc": "Target not set yet",
}


def test_every_card_is_the_figure_of_the_marts(sample_site: Path, bi_reader: psycopg.Connection) -> None:
    """By another road: a share is its numerator over its denominator."""
    compared = 0
    for path in (sample_site / "current").glob("*.html"):
        institution = path.stem.removeprefix("institution_")
        if path.stem == institution:
            institution = {"index": "luton_council", "sme_vcs": "partnership"}.get(path.stem, "")
        for card in cards(path.read_text(encoding="utf-8")):
            row = bi_reader.execute(
                """
                select kpi.unit, score.numerator, score.denominator, score.value, score.status
                from kpi_scorecard as score inner join kpi_definition as kpi using (kpi_id)
                where (kpi.kpi_name, score.institution_id, score.definition_id) = (%s, %s, %s)
                    and score.financial_year = (
                        select max(financial_year) from kpi_scorecard
                        where institution_id = score.institution_id and kpi_id = 'local_spend_pct'
                    )
                """,
                [card["label"], institution, card["definition"]],
            ).fetchone()
            if row is None and path.stem not in {"index", "sme_vcs"} and not path.stem.startswith("institution_"):
                continue  # other pages' cards are theirs to test
            assert row, (path.name, card)
            unit, numerator, denominator, value, status = row
            if unit == "share" and denominator:
                figure, told = numerator / denominator, card["value"]
                shown = Decimal(told.strip("<>%")) / 100
                near = 0 < figure < shown if told[0] == "<" else abs(figure - shown) <= Decimal("0.0006")
                assert near, (path.name, card, figure)
            elif value is not None:
                assert card["value"] == formats.in_unit(value, unit)
            assert card["status"] == WORDS[status]
            compared += 1
    assert compared > 40


def test_the_first_page_is_light_and_every_page_stands_alone(sample_site: Path) -> None:
    found = list((sample_site / "current").glob("*.html"))
    assert len(found) > 15
    assert (sample_site / "current" / "index.html").stat().st_size < FIRST_PAGE_LIMIT
    for path in found:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\"' <)]+", text)) <= {"http://www.w3.org/2000/svg"}, path.name
        assert "Sample data." in text
        assert len(re.findall(r"<h1>", text)) == 1


def test_every_link_inside_the_site_leads_somewhere(sample_site: Path) -> None:
    root = sample_site / "current"
    targets = {
        path.name: set(re.findall(r' id="([^"]+)"', path.read_text(encoding="utf-8"))) for path in root.glob("*.html")
    }
    followed = 0
    for path in root.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r' id="([^"]+)"', text)) == len(targets[path.name]), f"an id stands twice in {path.name}"
        for href in set(re.findall(r' (?:href|src)="([^"]+)"', text)) - {"data:,"}:
            file, _, anchor = html.unescape(href).partition("#")
            # As a browser does: `..` is taken off the address, whatever `current` leads to.
            assert not file or Path(os.path.normpath(root / file)).exists(), (path.name, href)
            assert not anchor or anchor in targets[file or path.name], (path.name, href)
            followed += 1
    assert followed > 200


def test_no_private_person_is_named_in_any_file(sample_site: Path, sample_truth: Path) -> None:
    with (sample_truth / "individuals.csv").open(encoding="utf-8", newline="") as stream:
        people = {row[column].casefold() for row in csv.DictReader(stream) for column in ("name", "name_as_written")}
    assert len(people) > 5
    files = [path for path in (sample_site / "release_0001").rglob("*") if path.is_file()]
    assert len(files) > 40
    for path in files:
        text = html.unescape(path.read_text(encoding="utf-8")).casefold()
        assert [name for name in people if name in text] == [], path.name


def test_a_planted_person_is_in_no_page_of_a_little_county(little: County, tmp_path: Path) -> None:
    site.write(tmp_path, print)
    files = [path for path in (tmp_path / "current").rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"zebedee|quux|LU6 ?2ZZ", text, re.IGNORECASE), path.name


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("where", ["_fill", "_point", "_point twice"])
def test_a_writer_killed_in_the_middle_leaves_the_site_that_was(
    little: County, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(site, "_pages", lambda marts: [])
    site.write(tmp_path, lambda message: None)
    was = {path.name: path.read_bytes() for path in (tmp_path / "current").iterdir() if path.is_file()}
    assert set(was) >= {"style.css", "tables.js"}
    name, _, twice = where.partition(" ")
    real, calls = getattr(site, name), []

    def killed(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) > bool(twice):
            raise Killed
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(site, name, killed)
        with pytest.raises(Killed):
            site.write(tmp_path, lambda message: None)
    assert {path.name: path.read_bytes() for path in (tmp_path / "current").iterdir() if path.is_file()} == was
    site.write(tmp_path, lambda message: None)
    assert len([path for path in (tmp_path / ".built").iterdir() if path.is_dir()]) == 1, "what was left is cleared"


def test_every_release_keeps_its_pages(sample_site: Path, little: County, tmp_path: Path) -> None:
    assert (sample_site / "current").readlink() == Path("release_0001")
    with published() as marts:
        assert marts.release.release_id == 2
    (tmp_path / ".built" / "release_0001.old").mkdir(parents=True)
    (tmp_path / ".built" / "release_0001.old" / "index.html").write_text("old")
    (tmp_path / "release_0001").symlink_to(Path(".built") / "release_0001.old")
    site.write(tmp_path, print)
    assert (tmp_path / "release_0001" / "index.html").read_text() == "old"
    assert (tmp_path / "current").resolve() == (tmp_path / "release_0002").resolve()


def test_without_a_release_there_are_no_pages(warehouse_url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is published yet"):
        site.write(tmp_path, print)
    assert not (tmp_path / "current").exists()


def test_the_pages_are_served_on_loopback_alone(sample_site: Path) -> None:
    with server_of(sample_site, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        assert running.server_address[0] == "127.0.0.1"
        address = f"http://127.0.0.1:{running.server_port}"
        with urllib.request.urlopen(f"{address}/") as answer:
            assert answer.url == f"{address}/current/"
            assert b"<h1>Summary</h1>" in answer.read()
        for path in ("/.built/", "/current/data/", "/../conftest.py"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{address}{path}")
        with pytest.raises(UserError, match="--port"):
            server_of(sample_site, running.server_port)
        running.shutdown()


def test_there_is_nothing_to_serve_before_pages_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "folder", lambda: tmp_path)
    with pytest.raises(UserError, match="anchorspend pages"):
        pages.serve(0)
