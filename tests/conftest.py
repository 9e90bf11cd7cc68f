"""Fixtures: one embedded PostgreSQL for the run, a fresh warehouse for each test that asks, and the real files."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from test_release import County

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

# The same examples on every run: a failure is of the change that brought it. HYPOTHESIS_PROFILE=search looks on.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("search", derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of the run's own, so that tests never touch what a person made with `make demo`."""
    folder = tmp_path_factory.mktemp("state")
    # PostgreSQL runs as an unprivileged account where we are root, which pytest's private folders keep out.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    os.environ["ANCHORSPEND_STATE"] = str(folder)
    for variable in ("ANCHORSPEND_WAREHOUSE_URL", "ANCHORSPEND_INBOX", "ANCHORSPEND_LANDING"):
        os.environ.pop(variable, None)
    yield folder


@pytest.fixture(scope="session")
def server(state: Path) -> Iterator[Callable[[], str]]:
    """Makes databases on a running embedded PostgreSQL: each call gives the owner's URL of a fresh one."""
    from anchorspend import warehouse
    from anchorspend.server import postgres

    postgres.start()
    owner, superuser = warehouse.url(), postgres.superuser_url()
    # A role belongs to the whole server, so every database's bi_reader has the one password the server made.
    os.environ["ANCHORSPEND_BI_READER_PASSWORD"] = urlsplit(warehouse.reader_url()).password or ""

    def database() -> str:
        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(postgres.OWNER))
            )
        return owner.rpartition("/")[0] + f"/{name}"

    yield database
    for variable in ("ANCHORSPEND_WAREHOUSE_URL", "ANCHORSPEND_BI_READER_PASSWORD"):
        os.environ.pop(variable, None)
    postgres.stop()


@pytest.fixture
def warehouse_url(server: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A fresh warehouse, set up, that the package takes for its own; inbox and landing store are fresh too."""
    from anchorspend import warehouse

    url = server()
    monkeypatch.setenv("ANCHORSPEND_WAREHOUSE_URL", url)
    monkeypatch.setenv("ANCHORSPEND_INBOX", str(tmp_path / "inbox"))
    monkeypatch.setenv("ANCHORSPEND_LANDING", str(tmp_path / "landing"))
    warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
    return url


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to the fresh warehouse."""
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def real_files() -> Path:
    """The folder of real published files; the test skips, saying so, where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real published files are not here: {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> "County":
    """The little county of test_release.py, two releases of it published, to be copied by who would change it."""
    from test_release import little_county

    return little_county(server(), tmp_path_factory.mktemp("county"))


@pytest.fixture
def published(county: "County") -> Iterator[None]:
    """A copy of the county is the warehouse."""
    with county.copied():
        yield


@pytest.fixture(scope="session")
def sample_release(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The sample county, small, with its registers, brought to a release: its warehouse, and its truth's folder."""
    from anchorspend import contract, ingest, reference, release, warehouse
    from anchorspend.resolve import evaluate
    from anchorspend.sample import write_county

    folder, url = tmp_path_factory.mktemp("sample"), server()
    write_county(folder / "inbox", folder / "truth", scale=0.05)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", url)
        patch.setenv("ANCHORSPEND_INBOX", str(folder / "inbox"))
        patch.setenv("ANCHORSPEND_LANDING", str(folder / "landing"))
        warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
        evaluate.learn_truth(folder / "truth")
        reference.load_postcodes()
        for institution in contract.load_institutions().values():
            for feed_id in institution.feeds:
                list(ingest.land_feed(institution, feed_id))
                list(ingest.load_feed(institution, feed_id))
        assert release.make()
    return url, folder / "truth"


@pytest.fixture
def sample_truth(sample_release: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sample county's truth; the package takes its warehouse for its own."""
    url, truth = sample_release
    monkeypatch.setenv("ANCHORSPEND_WAREHOUSE_URL", url)
    return truth


@pytest.fixture(scope="session")
def sample_site(sample_release: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the review pages of the sample county."""
    from anchorspend.pages import site

    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", sample_release[0])
        site.write(folder, print)
    return folder


@pytest.fixture
def bi_reader(sample_truth: Path) -> Iterator[psycopg.Connection]:
    """`bi_reader` on the sample county."""
    from anchorspend import warehouse

    with psycopg.connect(warehouse.reader_url(), autocommit=True) as connection:
        yield connection
