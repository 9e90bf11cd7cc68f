"""The command line: what it prints, where, and the exit code, for what a person gets right and wrong."""

import csv
import io
import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from anchorspend import cli, settings, show
from anchorspend.kinds import KINDS

FILE = "Paid,Ref,Supplier,Postcode,Amount,Code\n{},B1,Luton Paper Ltd,LU1 1AA,50.00,\n"


@dataclass(frozen=True)
class Outcome:
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str

    def is_plain_refusal(self, *words: str) -> bool:
        """Whether it ended as something to put right: exit 2, told on stderr alone, without a traceback."""
        said = " ".join(self.err.split())
        return self.code == 2 and not self.out and "Traceback" not in said and all(word in said for word in words)


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, as its entry point does."""

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["anchorspend", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            sys.exit(0)
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return command


@pytest.fixture
def institutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the file of one institution, as the only one there is."""
    folder = tmp_path / "institutions"
    folder.mkdir()
    text = (settings.institutions() / "bedfordshire_police.yml").read_text()
    (folder / "bedfordshire_police.yml").write_text(text)
    monkeypatch.setenv("ANCHORSPEND_INSTITUTIONS", str(folder))
    return folder


INSTALLED = Path(sys.executable).with_name("anchorspend")


def commands() -> dict[str, typer.core.TyperCommand]:
    return typer.main.get_command(cli.app).commands


# As one comes to need them; the help shows them in this order.
PANELS = [cli.FIRST, cli.LOAD, cli.LOOK, cli.REVIEW, cli.PUBLISH, cli.OPERATE]


def test_the_panels_of_the_help_stand_in_the_order_in_which_one_needs_them() -> None:
    assert list(dict.fromkeys(command.rich_help_panel for command in commands().values())) == PANELS


@pytest.mark.parametrize("name", commands())
def test_every_command_stands_at_a_stage_and_has_examples_that_it_understands(name: str) -> None:
    command = commands()[name]
    assert command.rich_help_panel in PANELS
    heading, *examples = [line.strip() for line in (command.epilog or "").split("\n\n")]
    assert (heading, bool(examples)) == ("Examples:", True)
    for example in examples:
        words = shlex.split(example.partition(" > ")[0].partition(" || ")[0])
        if "anchorspend" in words:
            _, called, *arguments = words[words.index("anchorspend") :]
            assert called == name
            command.make_context(name, arguments)
        else:
            assert words[0] == "make"


@pytest.mark.parametrize("name", commands())
def test_every_json_says_its_keys_in_the_help(name: str) -> None:
    command = commands()[name]
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert has_json == ("Keys of --json:" in (command.help or ""))


def test_what_reads_has_json() -> None:
    reading = {"inspect", "kinds", "check", "ingest", "scorecard", "compare-definitions", "sql", "review"}
    reading |= {"evaluate-resolution", "release", "releases", "doctor"}
    assert {n for n, one in commands().items() if any("--json" in p.opts for p in one.params)} >= reading


def test_completion_offers_the_commands_that_begin_so() -> None:
    environment = {
        **os.environ,
        "_ANCHORSPEND_COMPLETE": "complete_bash",
        "COMP_WORDS": "anchorspend rel",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([INSTALLED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["release", "releases"]


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_a_terminal_that_wants_it(tmp_path: Path, variables: dict[str, str], coloured: bool) -> None:
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    environment = {key: value for key, value in environment.items() if key != "NO_COLOR" or variables}
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", 0) as screen:
        subprocess.run([INSTALLED, "check", tmp_path / "none.yml"], env=environment, stderr=theirs, check=False)
        os.close(theirs)
        said = screen.read(4096)
    assert b"none.yml" in said
    assert (b"\x1b[31m" in said) == coloured


def test_a_fault_of_the_program_exits_3_with_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.first_steps, "KINDS", None)
    done = run("kinds")
    assert (done.code, done.out) == (3, "")
    assert "Traceback" in done.err


def test_kinds_as_json(run: Run) -> None:
    assert [one["kind"] for one in json.loads(run("kinds", "--json").out)] == list(KINDS)
    fields = json.loads(run("kinds", "exemption", "--json").out)
    assert [one["field"] for one in fields] == list(KINDS["exemption"].fields)
    assert {one["required"] for one in fields} == {True, False}


def test_a_cell_with_brackets_is_shown_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    cli.out.print(show.table(("cell",), [("[red]not markup[/red]",)]))
    assert "[red]not markup[/red]" in capsys.readouterr().out


def test_doctor_exits_by_the_gravest_finding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHORSPEND_WAREHOUSE_URL", "postgresql://someone:hidden-word@127.0.0.1:1/nowhere")
    done = run("doctor", "--json")
    found = json.loads(done.out)
    assert (done.code, {tuple(one) for one in found}) == (2, {("check", "status", "found", "to_do")})
    assert "hidden-word" not in done.out
    assert run("doctor").code == 2


def test_kinds_are_listed_and_the_fields_of_one_told(run: Run) -> None:
    listed = run("kinds")
    assert listed.code == 0
    assert all(f" {name} " in listed.out for name in KINDS)
    fields = run("kinds", "exemption")
    assert all(name in fields.out for name in KINDS["exemption"].fields)
    assert "money" in fields.out
    assert run("kinds", "exemptoin").is_plain_refusal("did you mean 'exemption'?")


def test_check_lists_every_feed_of_every_institution_file(run: Run) -> None:
    done = run("check")
    assert (done.code, done.err) == (0, "")
    listed = {line.split()[0] for line in done.out.splitlines()[1:] if line.strip()}
    assert listed == {path.stem for path in settings.institutions().glob("*.yml")}


def test_check_of_one_file_lists_that_one(run: Run, institutions: Path) -> None:
    done = run("check", institutions / "bedfordshire_police.yml")
    assert done.code == 0
    assert "local_authority" not in done.out
    assert done.out.split()[-5:] == ["bedfordshire_police", "police", "ledger", "ledger", "1"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("delimiter", "delimeter", ["delimeter", "did you mean 'delimiter'?"]),
        ("type: police", "type: [police", ["not YAML"]),
        ("id: bedfordshire_police", "id: other", ["must be the file's name"]),
        ("type: police", "type: polise", ["type"]),
    ],
)
def test_a_wrong_institution_file_is_told_with_its_name_and_the_fix(
    run: Run, institutions: Path, before: str, after: str, words: list[str]
) -> None:
    path = institutions / "bedfordshire_police.yml"
    path.write_text(path.read_text().replace(before, after))
    assert run("check").is_plain_refusal("bedfordshire_police.yml", *words)
    assert run("check", path).is_plain_refusal("bedfordshire_police.yml", *words)


def test_checking_a_file_that_is_not_there_is_refused_plainly(run: Run, tmp_path: Path) -> None:
    assert run("check", tmp_path / "nobody.yml").is_plain_refusal("nobody.yml", "No such file")


def test_a_refusal_of_the_installed_command_has_no_traceback_and_exits_2(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("anchorspend")
    done = subprocess.run([command, "check", tmp_path / "nobody.yml"], capture_output=True, text=True, check=False)
    assert Outcome(done.returncode, done.stdout, done.stderr).is_plain_refusal("nobody.yml")


def test_an_unknown_institution_is_refused_with_the_nearest_name(run: Run, published: None, tmp_path: Path) -> None:
    file = tmp_path / "2017-06.csv"
    file.write_text(FILE.format("01/06/2017"))
    done = run("ingest", file, "--institution", "beta_polise", "--feed", "ledger")
    assert done.is_plain_refusal("no institution 'beta_polise'", "did you mean 'beta_police'?")


def test_an_unknown_feed_is_refused_with_the_nearest_name(run: Run, published: None, tmp_path: Path) -> None:
    file = tmp_path / "2017-06.csv"
    file.write_text(FILE.format("01/06/2017"))
    done = run("ingest", file, "--institution", "beta_police", "--feed", "leger")
    assert done.is_plain_refusal("has no feed 'leger'", "did you mean 'ledger'?")


def test_a_missing_file_is_refused_by_its_name(run: Run, published: None, tmp_path: Path) -> None:
    done = run("ingest", tmp_path / "2017-06.csv", "--institution", "beta_police", "--feed", "ledger")
    assert done.is_plain_refusal("2017-06.csv: no such file")


def test_a_file_is_ingested_once(run: Run, published: None, tmp_path: Path) -> None:
    file = tmp_path / "2017-06.csv"
    file.write_text(FILE.format("01/06/2017"))
    command = ("ingest", file, "--institution", "beta_police", "--feed", "ledger")
    first, second = run(*command), run(*command)
    assert (first.code, second.code) == (0, 0)
    assert "1 lines, £50.00; 0 lines in quarantine" in first.out
    assert second.out == "2017-06.csv: the same bytes were loaded before; nothing to do\n"


def test_what_was_ingested_is_told_as_json(run: Run, published: None, tmp_path: Path) -> None:
    file = tmp_path / "2017-06.csv"
    file.write_text(FILE.format("01/06/2017"))
    command = ("ingest", file, "--institution", "beta_police", "--feed", "ledger", "--json")
    first, second = (json.loads(run(*command).out) for _ in range(2))
    assert (first["status"], first["lines_read"], first["amount_read"]) == ("loaded", 1, "50.00")
    assert second == {"file": "2017-06.csv", "status": "known"}
    file.write_text("Paid,Supplier,Amount\n01/06/2017,Luton Paper Ltd,50.00\n")
    refused = run(*command)
    assert (refused.code, json.loads(refused.out)["status"]) == (1, "refused")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("2017-06.csv", "Paid,Supplier,Amount\n01/06/2017,Luton Paper Ltd,50.00\n", "Postcode"),
        ("2017-06.csv", FILE.format("31/06/2017"), "1 of 1 lines could not be read"),
        ("june.csv", FILE.format("01/06/2017"), "its name holds no period"),
    ],
)
def test_a_refused_file_exits_1_with_the_reason(
    run: Run, published: None, tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_text(text)
    done = run("ingest", tmp_path / name, "--institution", "beta_police", "--feed", "ledger")
    assert (done.code, done.out) == (1, "")
    assert f"{name}: refused: " in done.err
    assert reason in done.err


def test_sql_as_csv_is_read_back_as_it_was(run: Run, published: None) -> None:
    done = run(
        "sql",
        "--csv",
        "select 'a \"quoted\", one' as name, 1.50 as pounds, null as nothing union all select 'é', 2, 'x'",
    )
    assert (done.code, done.err) == (0, "")
    assert list(csv.reader(io.StringIO(done.out))) == [
        ["name", "pounds", "nothing"],
        ['a "quoted", one', "1.50", ""],
        ["é", "2", "x"],
    ]


def test_sql_as_json_keeps_every_digit(run: Run, published: None) -> None:
    done = run(
        "sql", "--json", "select 12345678901234567.89::numeric as pounds, date '2017-06-01' as day, null as nothing"
    )
    assert json.loads(done.out) == [{"pounds": "12345678901234567.89", "day": "2017-06-01", "nothing": None}]
    assert run("sql", "--json", "select 1 as a, 2 as a").is_plain_refusal("two columns have one name")
    assert run("sql", "--json", "--csv", "select 1").is_plain_refusal("not both")


def test_sql_as_a_table_has_its_headings_and_rows(run: Run, published: None) -> None:
    done = run("sql", "select institution_id from kpi_scorecard where institution_id = 'beta_police' limit 1")
    assert (done.code, done.out.split()) == (0, ["institution_id", "beta_police"])


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("select * frm kpi_scorecard", "syntax error"),
        ("select * from no_such_table", 'relation "no_such_table" does not exist'),
        ("select * from raw.ledger", "permission denied for schema raw"),
        ("create temporary table mine (a integer)", "the database says"),
        ("delete from marts.kpi_scorecard", "the database says"),
        ("set search_path = marts", "write a SELECT"),
        ("", "write a SELECT"),
        ("select '%s %d'::integer", "invalid input syntax"),
    ],
)
def test_a_wrong_statement_is_refused_with_the_databases_words(
    run: Run, published: None, statement: str, words: str
) -> None:
    assert run("sql", statement).is_plain_refusal(words)


def test_a_percent_sign_in_a_statement_is_only_a_percent_sign(run: Run, published: None) -> None:
    done = run("sql", "--csv", "select kpi_id from kpi_definition where kpi_id like 'local%gbp'")
    assert (done.code, done.out) == (0, "kpi_id\nlocal_spend_gbp\n")


def test_the_scorecard_is_printed_as_published(run: Run, published: None) -> None:
    done = run("scorecard", "--json")
    assert (done.code, done.err) == (0, "")
    scores = json.loads(done.out)
    gamma = [one for one in scores if (one["institution_name"], one["definition_id"]) == ("gamma_college", "strategy")]
    assert len(scores) == 4 * 3
    assert [(one["value"], one["financial_year"], one["is_sample"]) for one in gamma] == [(0.4, "2017-18", False)]
    assert "gamma_college" in run("scorecard").out


@pytest.mark.parametrize("arguments", [["scorecard", "--json"], ["scorecard"]])
def test_a_scorecard_before_anything_is_published_says_what_to_do(
    run: Run, warehouse_url: str, arguments: list[str]
) -> None:
    assert run(*arguments).is_plain_refusal("nothing is published yet")


def test_a_release_of_nothing_says_what_to_do(run: Run, warehouse_url: str) -> None:
    assert run("release").is_plain_refusal("nothing is loaded yet")


def test_a_release_of_nothing_new_says_so(run: Run, published: None) -> None:
    assert run("release") == Outcome(0, "nothing changed since the published release\n", "")


def test_releases_are_listed_newest_first(run: Run, published: None) -> None:
    found = json.loads(run("releases", "--json").out)
    assert [(one["release_id"], one["status"]) for one in found] == [(2, "published"), (1, "published")]
    assert found[0]["checks"] > found[0]["failed_critical"] == 0
    assert [one["release_id"] for one in json.loads(run("releases", "--limit", "1", "--json").out)] == [2]
    assert "published" in run("releases").out
    assert run("release", "--json").out == "null\n"


def test_before_any_release_the_list_says_what_to_do(run: Run, warehouse_url: str) -> None:
    assert run("releases").is_plain_refusal("run `anchorspend release`")
    assert run("releases", "--json").out == "[]\n"


def test_no_server_at_the_address_is_told_plainly_and_without_the_password(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORSPEND_WAREHOUSE_URL", "postgresql://someone:hidden-word@127.0.0.1:1/nowhere")
    done = run("scorecard")
    assert done.is_plain_refusal("no connection to the database at 127.0.0.1:1/nowhere")
    assert "hidden-word" not in done.err


def test_a_sample_is_not_written_over_anything(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run("sample", tmp_path).is_plain_refusal("is not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_command_exits_2_with_its_usage(run: Run) -> None:
    done = run("publisch")
    assert done.code == 2
    assert "No such command" in done.err


SPEND = "Date Paid,Supplier Name,Amount\n13/04/2023,Luton Paper Ltd,10.50\n14/04/2023,Bedford Bricks Ltd,20.00\n"


@pytest.fixture
def spend(tmp_path: Path) -> Path:
    """A file nobody has a contract for."""
    path = tmp_path / "beds council spend 2023-04.csv"
    path.write_text(SPEND)
    return path


def test_inspect_prints_the_columns_and_a_draft_that_loads(run: Run, spend: Path) -> None:
    done = run("inspect", spend)
    assert (done.code, done.err) == (0, "")
    assert "supplier_name: Supplier Name" in done.out
    assert "£30.50" in done.out
    assert max(map(len, done.out.splitlines())) <= 120


def test_a_draft_is_written_and_checked_with_the_file_it_came_from(run: Run, spend: Path, tmp_path: Path) -> None:
    draft = tmp_path / "beds_council.yml"
    done = run("inspect", spend, "--draft", draft)
    assert done.code == 0
    assert f"--contract {draft}" in " ".join(done.err.split())
    told = run("check", "--data", spend, "--contract", draft, "--json")
    assert told.code == 0
    assert json.loads(told.out)["pounds"] == {"total": "30.50", "loaded": "30.50", "quarantined": "0"}
    assert run("check", draft).code == 0
    assert run("inspect", spend, "--draft", draft).is_plain_refusal("exists already")


def test_inspect_as_json_holds_the_draft(run: Run, spend: Path) -> None:
    told = json.loads(run("inspect", spend, "--json", "--institution", "beds_council").out)
    assert (told["kind"], told["lines"], told["totals"]["sum"]) == ("ledger", 2, "30.50")
    assert told["draft"].splitlines()[1] == "id: beds_council"


def test_a_file_without_a_draft_exits_1_and_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.csv").write_text("<html></html>")
    done = run("inspect", tmp_path / "page.csv")
    assert done.code == 1
    assert "HTML page called .csv" in done.out


def test_checking_data_that_would_be_refused_exits_1_with_the_reason(run: Run, institutions: Path, spend: Path) -> None:
    done = run("check", "--data", spend, "--institution", "bedfordshire_police")
    assert done.code == 1
    assert "would be refused" in done.out
    assert "its name holds no period" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "nothing.csv"], "no such file"),
        (["inspect", "{file}", "--kind", "leger"], "did you mean 'ledger'"),
        (["inspect", "{file}", "--institution", "Beds Council"], "write 'beds_council'"),
        (["inspect", "{file}", "--draft", "{folder}/draft.txt"], "ends in .yml"),
        (["inspect", "{file}", "--draft", "{folder}/none/beds.yml"], "cannot be written"),
        (["inspect", "{file}", "--draft", "{folder}/beds.yml", "--institution", "herts"], "called by its id"),
        (["check", "--data", "{file}"], "--institution ID, or --contract FILE.yml"),
        (["check", "--data", "{file}", "--institution", "nobody"], "no institution 'nobody'"),
        (["check", "--data", "{file}", "--institution", "bedfordshire_police", "--feed", "leger"], "'ledger'"),
        (["check", "--data", "{file}", "--contract", "{file}"], "no mapping"),
        (["check", "--data", "nothing.csv", "--institution", "bedfordshire_police"], "no such file"),
        (["check", "--feed", "ledger"], "go with --data"),
    ],
)
def test_what_a_person_can_put_right_has_no_traceback(
    run: Run, institutions: Path, spend: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    told = run(*(one.format(file=spend, folder=tmp_path) for one in arguments))
    assert told.code == 2
    assert words in " ".join(told.err.split())
    assert "Traceback" not in told.err
