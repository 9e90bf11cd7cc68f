"""Review pages in Debian's Chromium: every page and link, accessibility rules, keyboard, narrow screens, sorting.

Skips where there is no Chromium; `apt-get install chromium` brings it, `.ci/run` does so by itself.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend.pages import formats
from anchorspend.pages.serve import server as server_of
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def origin(sample_site: Path) -> Iterator[str]:
    with server_of(sample_site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def slugs(sample_site: Path) -> list[str]:
    found = sorted(path.stem for path in (sample_site / "current").glob("*.html"))
    assert len(found) > 15
    return found


class Watched:
    """A page that notes what it asks of anybody else, what it says in the console, and what is not found."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page: Page = context.new_page()
        self.origin = origin
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on(
            "response", lambda answer: answer.status >= 400 and self.wrong.append(f"{answer.status} {answer.url}")
        )

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.wrong.append(f"asks {request.url}")

    def _answered(self, answer: Any) -> None:
        if answer.status >= 400:
            self.wrong.append(f"{answer.status} {answer.url}")

    def open(self, slug: str) -> Page:
        self.page.goto(f"{self.origin}/current/{slug}.html")
        return self.page


@pytest.fixture
def desktop(browser: Browser, origin: str) -> Iterator[Watched]:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    yield Watched(context, origin)
    context.close()


def screenshots() -> Path:
    folder = Path(os.environ.get("ANCHORSPEND_SCREENSHOTS") or ROOT / ".state" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_accessibility(browser: Browser, origin: str, slugs: list[str], scheme: str) -> None:
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme)  # type: ignore[arg-type]
    watched, axe, broken = Watched(context, origin), Axe(), []
    for slug in slugs:
        page = watched.open(slug)
        found = axe.run(page, options={"runOnly": RULES}).response
        assert len(found["passes"]) > 20
        broken += [(slug, one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found["violations"]]
    context.close()
    assert broken == []
    assert watched.wrong == []


def test_the_rules_would_find_a_fault(desktop: Watched) -> None:
    page = desktop.open("index")
    page.evaluate("document.querySelector('h1').outerHTML = '<img src=\"style.css\">'")
    found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    assert {"image-alt", "page-has-heading-one"} <= {one["id"] for one in found}


def test_every_link_opens_and_no_page_asks_anybody_else(desktop: Watched, slugs: list[str]) -> None:
    links: set[str] = set()
    for slug in slugs:
        page = desktop.open(slug)
        assert page.locator("main h1").count() == 1
        links |= set(page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"))
    assert desktop.wrong == []
    assert all(link.startswith(f"{desktop.origin}/current/") for link in links)
    for link in sorted({link.partition("#")[0] for link in links}):
        assert desktop.page.request.get(link).ok, link
    assert {f"{desktop.origin}/current/{slug}.html" for slug in slugs} <= {link.partition("#")[0] for link in links}


def test_no_page_scrolls_sideways_and_screenshots_are_kept(browser: Browser, origin: str, slugs: list[str]) -> None:
    for name, size in (("desktop", DESKTOP), ("telephone", TELEPHONE)):
        context = browser.new_context(viewport=size)  # type: ignore[arg-type]
        watched = Watched(context, origin)
        for slug in slugs:
            page = watched.open(slug)
            page.screenshot(path=screenshots() / f"{slug}_{name}.png")
            if name == "telephone":
                page.set_viewport_size({"width": 320, "height": 640})
                assert page.evaluate("document.documentElement.scrollWidth") == 320, slug
                page.set_viewport_size(size)  # type: ignore[arg-type]
        context.close()
        assert watched.wrong == []


def test_a_keyboard_reaches_the_figures_first_and_sees_where_it_is(desktop: Watched) -> None:
    page = desktop.open("index")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    seen, places = set(), []
    page = desktop.open("index")
    for _ in range(400):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
                if (one === document.body) return null;
                const all = [...document.querySelectorAll('*')];
                return [all.indexOf(one), one.outerHTML.slice(0, 80),
                    style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0];
            }"""
        )
        if focus is None or focus[0] in seen:
            break
        seen.add(focus[0])
        places.append(focus)
    assert len(places) > 40
    assert [html for _, html, visible in places if not visible] == []
    assert [at for at, _, _ in places] == sorted(seen), "focus goes down the page"


def column(page: Page, table: str, heading: str) -> list[str]:
    return page.evaluate(
        """([name, heading]) => {
            const table = document.querySelector(`table[data-name="${name}"]`);
            const at = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.trim() === heading);
            return [...table.tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[at].textContent.trim());
        }""",
        [table, heading],
    )


def test_a_table_is_sorted_by_its_headings(desktop: Watched) -> None:
    page = desktop.open("institutions")
    before = column(page, "institutions", "Pounds")
    table = page.locator('table[data-name="institutions"]')
    assert table.locator("[aria-sort]").count() == 0
    button = table.get_by_role("button", name="Pounds")
    button.focus()
    page.keyboard.press("Enter")
    assert table.locator("[aria-sort=ascending]").inner_text().strip().startswith("Pounds")

    def amounts() -> list[int]:
        told = column(page, "institutions", "Pounds")
        assert sorted(told) == sorted(before)
        return [int(one.replace(",", "").lstrip("£")) for one in told if one.startswith("£")]

    assert amounts() == sorted(amounts())
    assert len(set(amounts())) > 4
    button.click()
    assert table.locator("[aria-sort=descending]").count() == 1
    assert amounts() == sorted(amounts(), reverse=True)


def test_a_table_is_filtered_by_what_is_typed(desktop: Watched) -> None:
    page = desktop.open("method")
    rows = column(page, "targets", "Measure")
    box = page.locator('.table:has(table[data-name="targets"])').get_by_label("Filter rows")
    box.fill("SAVED")
    kept = column(page, "targets", "Measure")
    assert 0 < len(kept) < len(rows)
    assert set(kept) == {"Pounds saved"}
    assert page.locator(".filter [role=status]", has_text=f"{len(kept)} of {len(rows)} rows").count() == 1
    box.fill("")
    assert column(page, "targets", "Measure") == rows


def test_a_long_table_stands_folded_until_it_is_asked_for(desktop: Watched) -> None:
    page = desktop.open("method")
    table = page.locator('.table:has(table[data-name="targets"])')
    rows = table.locator("tbody tr")
    whole = rows.count()
    assert rows.filter(visible=True).count() == 25 < whole
    table.get_by_role("button", name="Measure").click()
    assert rows.filter(visible=True).count() == 25
    assert rows.last.is_hidden()
    table.get_by_role("button", name=f"Show {whole} rows").click()
    assert rows.filter(visible=True).count() == whole
    table.get_by_role("button", name="Show 25 rows").click()
    page.emulate_media(media="print")
    assert rows.filter(visible=True).count() == whole
    page.emulate_media(media="screen")


def test_without_its_script_a_page_says_the_same(browser: Browser, origin: str) -> None:
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)  # type: ignore[arg-type]
    page = Watched(context, origin).open("institutions")
    assert page.locator("tbody tr").count() > 5
    assert page.locator("button, input").count() == 0
    context.close()


@pytest.mark.parametrize(
    ("slug", "shown", "query"),
    [
        (
            "index",
            ".card:has(h3:text-is('Share of spend that is local')) .value",
            """
            select sum(amount) filter (where local_status = 'local') / sum(amount) from supplier_spend
            where institution_id = 'luton_council' and financial_year = '2019-20' and local_status <> 'unknown'
            """,
        ),
        (
            "sme_vcs",
            ".card:has(h3:text-is('Share of spend with small and medium enterprises')) .value",
            """
            select sum(amount) filter (where sme_status = 'sme') / sum(amount) from supplier_spend
            where scope <> 'between_anchors' and financial_year = '2019-20' and sme_status <> 'unknown'
            """,
        ),
        (
            "institution_bedfordshire_police",
            ".card:has(h3:text-is('Share of spend with the voluntary and community sector')) .value",
            """
            select sum(amount) filter (where vcs_status = 'voluntary') / sum(amount) from supplier_spend
            where institution_id = 'bedfordshire_police' and financial_year = '2019-20' and vcs_status <> 'unknown'
            """,
        ),
    ],
)
def test_a_figure_on_the_page_is_that_of_the_marts_by_another_road(
    desktop: Watched, bi_reader: psycopg.Connection, slug: str, shown: str, query: str
) -> None:
    (value,) = bi_reader.execute(query.encode()).fetchone() or (None,)
    assert value is not None
    assert 0 < value < 1
    assert desktop.open(slug).locator(shown).first.inner_text() == formats.share(Decimal(value))
