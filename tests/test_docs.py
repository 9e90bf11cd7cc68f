"""The documentation: the site builds, every link leads somewhere, every command is one, the tutorial is as it says."""

import functools
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import typer
import yaml
from anchorspend import cli, dictionary
from markdown import markdown

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
LOOSE = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "expectations/README.md")
]
PAGES = sorted(DOCS.rglob("*.md"))
TUTORIAL = DOCS / "tutorial" / "first_figures.md"
GROUP = typer.main.get_command(cli.app)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SHELL = {"", "bash", "sh"}


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "mkdocs", "build", "--strict", "--config-file", config, "--site-dir", site],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


class Loaded(HTMLParser):
    """What a page has a browser load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            self.found += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data"}]


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr
    made = sorted(tmp_path.rglob("*.html"))
    assert len(made) >= len(PAGES)
    elsewhere = {one for page in made for one in Loaded(page.read_text()).found if re.match(r"\w+:|//", one)}
    assert {one for one in elsewhere if not one.startswith("data:")} == set()
    styles = "".join(path.read_text() for path in tmp_path.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", styles)


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("# A\n\n[b](no_such_page.md)\n", False),
        ("# A\n\n[b](#no-such-heading)\n", False),
        ("# A\n\n[b](/absolute.md)\n", False),
        ("# A\n\n[b](../outside/)\n", False),
        ("# A\n", True),
    ],
)
def test_a_link_to_nowhere_or_a_page_nobody_lists_fails_the_build(tmp_path: Path, text: str, extra: bool) -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    config |= {"docs_dir": "docs", "site_dir": "site", "nav": [{"A": "index.md"}], "theme": {"name": "mkdocs"}}
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(text)
    if extra:
        (tmp_path / "docs" / "forgotten.md").write_text("# Forgotten\n")
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config))
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    assert "Aborted with 1 warnings in strict mode" in done.stdout + done.stderr


@functools.cache
def anchors(page: Path) -> set[str]:
    return set(re.findall(r'<h\d id="([^"]+)"', markdown(page.read_text(), extensions=["toc", "fenced_code"])))


@pytest.mark.parametrize("page", LOOSE, ids=lambda path: path.name)
def test_every_link_of_the_pages_outside_the_site_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text()))
    for link in links:
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_that_a_file_names_is_there() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    texts = [
        ROOT / name for name in tracked if Path(name).suffix in {".py", ".sql", ".yml", ".csv", ".md", ".json", ""}
    ]
    named = {
        (name, str(path.relative_to(ROOT)))
        for path in texts
        if path.is_file() and path != Path(__file__)
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|yml|json)\b", path.read_text(errors="ignore"))
    }
    assert len(named) > 40
    assert [one for one in sorted(named) if not (ROOT / one[0]).exists()] == []


def shell_commands(text: str) -> Iterator[list[str]]:
    """The words of each command line in a page's blocks; one that goes over lines by quotes or a backslash is one."""
    for _, language, block in FENCE.findall(text):
        if language not in SHELL:
            continue
        waiting = ""
        for line in block.splitlines():
            waiting += line.removesuffix("\\") + ("" if line.endswith("\\") else "\n")
            try:
                words = shlex.split(waiting, comments=True)
            except ValueError:
                continue
            waiting = ""
            yield words


def ours(page: Path) -> Iterator[list[str]]:
    """What each `anchorspend` of a page is followed by, in its blocks and its sentences."""
    text = page.read_text()
    inline = re.findall(r"`((?:\.venv/bin/)?anchorspend\s[^`]+)`", FENCE.sub("", text))
    for words in [*shell_commands(text), *(shlex.split(re.sub(r"[\[\]]", "", one)) for one in inline)]:
        for place, word in enumerate(words):
            rest = words[place + 1 :]
            end = next((n for n, one in enumerate(rest) if one in {">", "<", "|", "||", "&&", ";"}), len(rest))
            if word in {"anchorspend", ".venv/bin/anchorspend"} and rest[:end]:
                yield rest[:end]


def problem_of(words: list[str]) -> str | None:
    """Why a command line is none of ours, or None."""
    name, *given = words
    if name.startswith("--"):
        options = GROUP.get_params(typer.Context(GROUP))
        return None if any(name in one.opts for one in options) else f"no option {name}"
    command = GROUP.commands.get(name)  # type: ignore[attr-defined]  # it is a group
    if command is None:
        return f"no command {name}"
    if not given:  # the command as a name
        return None
    context = typer.Context(command, info_name=name)
    try:
        values, left, _ = command.make_parser(context).parse_args(args=list(given))
    except Exception as problem:
        return str(problem)
    if left:
        return f"too many words: {left}"
    missing = [one.name for one in command.params if one.required and values.get(one.name) is None]
    return f"missing: {missing}" if missing else None


@pytest.mark.parametrize("page", [*LOOSE, *PAGES], ids=lambda path: path.name)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    targets = set(re.findall(r"^([\w./()$-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {one.replace("$(VENV)", ".venv") for one in targets}
    assert [(words, told) for words in ours(page) if (told := problem_of(words))] == []
    made = {words[1] for words in shell_commands(page.read_text()) if words[:1] == ["make"] and len(words) > 1}
    made |= set(re.findall(r"`make ([^`\s]+)`", page.read_text()))
    assert made <= targets


def test_the_commands_of_the_pages_are_found() -> None:
    named = {words[0] for page in [*LOOSE, *PAGES] for words in ours(page) if not words[0].startswith("--")}
    known = set(GROUP.commands)  # type: ignore[attr-defined]  # it is a group
    assert named <= known
    assert len(named) > len(known) / 2


@pytest.mark.parametrize(
    "words",
    [
        "publisch",
        "sign 1",
        "sign 1 --by A --nto B",
        "rollback --by A --reason B",
        "undo 1 2",
        "export X --format",
        "--versoin",
    ],
)
def test_a_command_that_is_none_is_told(words: str) -> None:
    assert problem_of(words.split())


@pytest.fixture(scope="module")
def queries() -> list[str]:
    return [
        words[1]
        for page in [*LOOSE, *PAGES]
        for words in ours(page)
        if words[0] == "sql" and len(words) == 2 and words[1] != "..."
    ]


def test_every_query_on_the_command_line_can_be_asked(bi_reader: psycopg.Connection, queries: list[str]) -> None:
    assert len(queries) >= 8
    for query in queries:
        bi_reader.execute(f"explain {query}".encode())


def tutorial() -> list[tuple[str, str]]:
    """The commands of the tutorial in order, each with the output that it prints, if it prints one."""
    blocks = FENCE.findall(TUTORIAL.read_text())
    steps: list[tuple[str, str]] = []
    for _, language, block in blocks:
        if language == "output":
            steps[-1] = (steps[-1][0], block)
        else:
            steps.append((block, ""))
    return steps


def test_the_tutorial_is_as_it_says(sample_truth: Path, tmp_path: Path) -> None:
    (first, _), *steps = tutorial()
    assert first == "make demo\n"  # which CI runs
    assert len(steps) == 9
    assert sum(bool(output) for _, output in steps) == 3
    (tmp_path / ".venv").symlink_to(BIN.parent)
    (tmp_path / ".state").symlink_to(sample_truth.parent)
    for command, output in steps:
        done = subprocess.run(["bash", "-euc", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        if output:
            assert [line.split() for line in done.stdout.splitlines()] == [line.split() for line in output.splitlines()]
        if "anchorspend scorecard" in command:
            (row,) = [
                line.split("│") for line in done.stdout.splitlines() if "Luton Council" in line and "2017-18" in line
            ]
            assert [cell.strip() for cell in row[2:5]] == ["2017-18", "238.0", "25.0"]
    manifest = json.loads((tmp_path / "first_figures" / "manifest.json").read_text())
    assert all((tmp_path / "first_figures" / one["file"]).exists() for one in manifest["tables"])


SCHEMA = json.loads((DOCS / "reference" / "institution.schema.json").read_text())
FILES = sorted([*(ROOT / "dags" / "institutions").glob("*.yml"), *(DOCS / "reference" / "examples").glob("*.yml")])


def errors_of(content: Any) -> list[str]:
    # An editor sees a date as the text it is.
    plain = json.loads(json.dumps(content, default=str))
    return [one.json_path for one in jsonschema.Draft202012Validator(SCHEMA).iter_errors(plain)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_institution_file_fits_the_schema_that_it_names(path: Path) -> None:
    hint = path.read_text().partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / hint).resolve() == DOCS / "reference" / "institution.schema.json"
    assert errors_of(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["type"], "polise"),
        (["feeds", "ledger", "kind"], "leger"),
        (["feeds", "ledger", "calender"], {}),
        (["feeds", "ledger", "vat"], "nett"),
        (["feeds", "ledger", "source"], {"url": "https://a.example/{year}", "folder": "a"}),
        (["feeds", "ledger", "layouts", 0, "columns", "amuont"], "Amount"),
        (["feeds", "ledger", "layouts", 0, "columns"], {"supplier_name": "Supplier"}),
    ],
)
def test_what_the_schema_refuses(place: list[Any], value: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    content = yaml.safe_load((ROOT / "dags" / "institutions" / "bedfordshire_police.yml").read_text())
    at = functools.reduce(lambda part, step: part[step], place[:-1], content)
    at[place[-1]] = value
    assert errors_of(content)


def test_the_schema_is_the_models() -> None:
    assert dictionary.institution_schema() == SCHEMA


def test_the_version_is_told_and_stands_in_one_place() -> None:
    told = subprocess.run([BIN / "anchorspend", "--version"], capture_output=True, text=True, check=True).stdout
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert told == f"anchorspend {version}\n"
    assert version in subprocess.run([BIN / "anchorspend", "--help"], capture_output=True, text=True, check=True).stdout
    assert f"## {version}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_hooks_call_tools_that_are_here() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repository["repo"] for repository in hooks} == {"local"}
    for hook in hooks[0]["hooks"]:
        assert (BIN / Path(hook["entry"].split()[0]).name).exists()
        re.compile(hook.get("files", ""))
