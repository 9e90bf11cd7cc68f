"""The contract: what an institution file may say, and how one that may not be is refused."""

import calendar
import copy
import datetime as dt
import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from anchorspend.contract import Feed, Institution, Period, load_institution, load_institutions, pick
from anchorspend.errors import UserError
from hypothesis import given, settings
from hypothesis import strategies as st

FOLDER = Path(__file__).resolve().parents[1] / "dags" / "institutions"
quick = settings(deadline=None, max_examples=60)

CONTENT: dict[str, Any] = {
    "id": "a_college",
    "name": "A College",
    "type": "college",
    "feeds": {
        "ledger": {
            "kind": "ledger",
            "description": "Payments",
            "source": {"folder": "a_college/ledger"},
            "period": r"(?P<year>\d{4})-(?P<month>\d\d)\.csv$",
            "vat": "net",
            "layouts": [{"columns": {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}}],
        }
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The content above with one key, by its dotted path, set; removed when the value is `...`."""
    content = copy.deepcopy(CONTENT)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = content
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


def write(folder: Path, content: dict[str, Any] | str, name: str = "a_college") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def feed(**changes: Any) -> Feed:
    return Feed.model_validate({**CONTENT["feeds"]["ledger"], **changes})


LAYOUT = "feeds.ledger.layouts.0"
COLUMNS = CONTENT["feeds"]["ledger"]["layouts"][0]["columns"]


def test_every_institution_file_of_the_repository_loads_under_its_own_name() -> None:
    found = load_institutions()
    assert list(found) == sorted(path.stem for path in FOLDER.glob("*.yml"))
    assert all(institution.id == name for name, institution in found.items())


def test_the_least_a_file_must_say_is_enough(tmp_path: Path) -> None:
    institution = load_institution(write(tmp_path, CONTENT))
    assert (institution.id, list(institution.feeds)) == ("a_college", ["ledger"])


@pytest.mark.parametrize(
    ("path", "value", "place", "fix"),
    [
        ("financial_year_begins", 4, "financial_year_begins", "did you mean 'financial_year_start'?"),
        ("feeds.ledger.layout", [], "feeds.ledger.layout", "did you mean 'layouts'?"),
        (f"{LAYOUT}.colums", {}, f"{LAYOUT}.colums", "did you mean 'columns'?"),
        ("feeds.ledger.source.file", "*.csv", "feeds.ledger.source.file", "did you mean 'files'?"),
        ("feeds.ledger.kind", "leger", "feeds.ledger.kind", "did you mean 'ledger'?"),
        (f"{LAYOUT}.columns.supplier_post_code", "PC", "feeds.ledger", "did you mean 'supplier_postcode'?"),
        ("name", ..., "name", "is missing; add it"),
        ("feeds.ledger.vat", ..., "feeds.ledger.vat", "is missing; add it"),
        ("feeds", {}, "feeds", "at least 1"),
        ("id", "A College", "id", "given: 'A College'"),
        ("type", "colege", "type", "'college'"),
        ("gss_code", "E6000032", "gss_code", "given: 'E6000032'"),
        ("financial_year_start", 13, "financial_year_start", "given: 13"),
        (f"{LAYOUT}.columns.amount", ..., "feeds.ledger", "a ledger layout must map 'amount' (pounds paid"),
        (f"{LAYOUT}.columns.supplier_name", ..., "feeds.ledger", "a ledger layout must map 'supplier_name'"),
        (f"{LAYOUT}.ignore", [" supplier "], LAYOUT, "is mapped to 'supplier_name' and to 'ignore'; keep one"),
        (f"{LAYOUT}.columns.supplier_ref", "SUPPLIER", LAYOUT, "'supplier_name' and to 'supplier_ref'; keep one"),
        (f"{LAYOUT}.columns.amount", "", LAYOUT, "at least 1 character"),
        (
            f"{LAYOUT}.fallback",
            {"supplier_postcode": 3},
            "feeds.ledger",
            "'supplier_postcode', which `columns` does not",
        ),
        (f"{LAYOUT}.fallback", {"supplier_name": 0}, f"{LAYOUT}.fallback", "0"),
        (f"{LAYOUT}.sheets", "[", f"{LAYOUT}.sheets", "regular expression"),
        (f"{LAYOUT}.dates", ["%d/%m"], f"{LAYOUT}.dates", "a year (%Y or %y)"),
        (f"{LAYOUT}.dates", [], f"{LAYOUT}.dates", "at least 1"),
        (f"{LAYOUT}.encoding", "utf8-with-bom", f"{LAYOUT}.encoding", "write utf-8, cp1252, utf-16 or detect"),
        (f"{LAYOUT}.starts", "31/02/2017", f"{LAYOUT}.starts", "date"),
        ("feeds.ledger.period", "(", "feeds.ledger.period", "not a regular expression"),
        (
            "feeds.ledger.period",
            r"(?P<month>\d\d)",
            "feeds.ledger.period",
            "must name one of the groups year and financial_year",
        ),
        ("feeds.ledger.period", r"(?P<year>\d)(?P<week>\d)", "feeds.ledger.period", "'week' is not one of year"),
        ("feeds.ledger.period", r"(?P<year>1)(?P<month>1)(?P<quarter>1)", "feeds.ledger.period", "at most one"),
        ("feeds.ledger.quarantine_limit", 2, "feeds.ledger.quarantine_limit", "given: 2"),
        ("feeds.ledger.control_total", {"sidecar": "c_{name}.csv", "amount": "T"}, "feeds.ledger", "{stem}"),
    ],
)
def test_what_may_not_be_is_refused_with_file_place_and_fix(
    tmp_path: Path, path: str, value: Any, place: str, fix: str
) -> None:
    file = write(tmp_path, changed(path, value))
    with pytest.raises(UserError) as refused:
        load_institution(file)
    message = str(refused.value)
    assert message.startswith(f"{file}: {place}")
    assert fix in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty or no mapping; start with `id: a_college`"),
        ("- a\n- b\n", "is empty or no mapping"),
        ("id: [", "not YAML"),
        ("id: a_college\nname: One\nname: Two\n", "key 'name' is written twice"),
        ("id: a_college\nfeeds:\n  ledger: {vat: net, vat: gross}\n", "key 'vat' is written twice"),
        ("? [id, name]\n: a_college\n", "a_college.yml: "),
    ],
)
def test_what_is_not_one_mapping_of_keys_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=r"a_college\.yml") as refused:
        load_institution(write(tmp_path, text))
    assert message in str(refused.value)


def test_a_key_written_twice_is_shown_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 3"):
        load_institution(write(tmp_path, "id: a_college\nname: One\nname: Two\n"))


def test_a_file_that_is_not_utf_8_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a_college.yml").write_bytes("name: Café".encode("cp1252"))
    with pytest.raises(UserError, match="not YAML"):
        load_institution(tmp_path / "a_college.yml")
    with pytest.raises(UserError, match="cannot be read"):
        load_institution(tmp_path / "nowhere.yml")


def test_an_id_must_be_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b_college.yml: id: must be the file's name, 'b_college'"):
        load_institution(write(tmp_path, CONTENT, "b_college"))


@pytest.mark.parametrize("starts", [["2018-04-01", "2017-04-01"], ["2017-04-01", "2017-04-01"], ["2017-04-01", None]])
def test_layouts_stand_in_the_order_of_their_dates(tmp_path: Path, starts: list[str | None]) -> None:
    layouts = [{"starts": start, "columns": COLUMNS} for start in starts]
    with pytest.raises(UserError, match="layouts must be in the order of their `starts`"):
        load_institution(write(tmp_path, changed("feeds.ledger.layouts", layouts)))


def test_a_layout_holds_from_its_date_until_the_next_one() -> None:
    two = feed(layouts=[{"starts": "2017-04-01", "columns": COLUMNS}, {"starts": "2018-10-01", "columns": COLUMNS}])
    for first, expected in (
        (dt.date(2017, 3, 1), None),
        (dt.date(2017, 4, 1), two.layouts[0]),
        (dt.date(2018, 9, 1), two.layouts[0]),
        (dt.date(2018, 10, 1), two.layouts[1]),
    ):
        assert two.layout_for(Period("x", first, first)) is expected


def test_a_predecessor_must_be_an_institution(tmp_path: Path) -> None:
    write(tmp_path, {**CONTENT, "predecessors": ["a_colege"]})
    with pytest.raises(
        UserError, match=r"a_college.yml: predecessors: no institution 'a_colege'; did you mean 'a_coll"
    ):
        load_institutions(tmp_path)


def test_a_predecessor_with_a_fault_of_its_own_is_not_called_unknown(tmp_path: Path) -> None:
    write(tmp_path, {**CONTENT, "id": "b_college", "predecessors": ["a_college"]}, "b_college")
    write(tmp_path, changed("name", ...))
    with pytest.raises(UserError) as refused:
        load_institutions(tmp_path)
    assert str(refused.value) == f"{tmp_path / 'a_college.yml'}: name: is missing; add it"


def test_the_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    first = changed("name", ...)
    first["feeds"]["ledger"]["vatt"] = "net"
    write(tmp_path, first)
    write(tmp_path, "", "b_college")
    write(tmp_path, {**CONTENT, "id": "c_college", "predecessors": ["nobody"]}, "c_college")
    with pytest.raises(UserError) as refused:
        load_institutions(tmp_path)
    lines = str(refused.value).splitlines()
    assert len(lines) == 4
    for name, word in (("a", "name: is missing"), ("a", "vatt"), ("b", "is empty"), ("c", "nobody")):
        assert any(line.startswith(f"{tmp_path}/{name}_college.yml: ") and word in line for line in lines)


def test_a_folder_without_institutions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no institution files \(\*\.yml\)"):
        load_institutions(tmp_path)


def test_a_file_copied_from_the_repository_loads_anywhere(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "luton_council.yml", tmp_path)
    assert load_institutions(tmp_path)["luton_council"] == load_institutions()["luton_council"]


def test_institutions_and_feeds_are_picked_by_id_with_a_suggestion() -> None:
    found = load_institutions()
    assert pick(found, "luton_council", "ledger")[0].gss_code == "E06000032"
    with pytest.raises(UserError, match="no institution 'luton_counsil'; did you mean 'luton_council'"):
        pick(found, "luton_counsil", "ledger")
    with pytest.raises(UserError, match="luton_council has no feed 'leger'; did you mean 'ledger'"):
        pick(found, "luton_council", "leger")


@quick
@given(st.integers(1990, 2100), st.integers(1, 12), st.booleans(), st.booleans(), st.booleans())
def test_every_month_is_read_from_a_file_name(year: int, month: int, by_name: bool, short: bool, lower: bool) -> None:
    names = calendar.month_abbr if short else calendar.month_name
    word = names[month] if by_name else f"{month:02}"
    pattern = r"(?P<month>[A-Za-z]+|\d\d)[ _](?P<year>\d{4})\.csv$"
    period = feed(period=pattern).period_of(f"spend {word.lower() if lower else word}_{year}.csv", 4)
    last = calendar.monthrange(year, month)[1]
    assert period == Period(f"{year}-{month:02}", dt.date(year, month, 1), dt.date(year, month, last))


@quick
@given(st.integers(1990, 2100), st.integers(1, 12))
def test_the_quarters_of_a_financial_year_are_its_twelve_months_one_after_the_other(year: int, start: int) -> None:
    by_quarter = feed(period=r"(?P<year>\d{4})-Q(?P<quarter>\d)")
    by_year = feed(period=r"FY(?P<year>\d{4})")
    quarters = [by_quarter.period_of(f"{year}-Q{number}.csv", start) for number in (1, 2, 3, 4)]
    whole = by_year.period_of(f"FY{year}.csv", start)
    assert whole.first == quarters[0].first == dt.date(year, start, 1)
    assert whole.last == quarters[3].last
    for one, following in itertools.pairwise(quarters):
        assert one.last + dt.timedelta(days=1) == following.first
    assert [one.label for one in quarters] == [f"{year}-Q{number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("pattern", "name", "start", "period"),
    [
        (
            r"(?P<month>\w+)-(?P<to_month>\w+)-(?P<year>\d{4})",
            "oct-dec-2016",
            4,
            ("2016-10..2016-12", (2016, 10, 1), (2016, 12, 31)),
        ),
        (
            r"(?P<month>\d+)-(?P<to_month>\d+) (?P<year>\d{4})",
            "11-02 2016",
            4,
            ("2016-11..2017-02", (2016, 11, 1), (2017, 2, 28)),
        ),
        (
            r"(?P<financial_year>\d{4})-\d\d (?P<month>\w+)",
            "2020-21 March",
            4,
            ("2021-03", (2021, 3, 1), (2021, 3, 31)),
        ),
        (
            r"(?P<financial_year>\d{4})-\d\d (?P<month>\w+)",
            "2020-21 April",
            4,
            ("2020-04", (2020, 4, 1), (2020, 4, 30)),
        ),
        (r"(?P<financial_year>\d\d) (?P<month>\w+)", "20 July", 8, ("2021-07", (2021, 7, 1), (2021, 7, 31))),
        (r"Q(?P<quarter>\d) (?P<year>\d{4})", "Q4 2017.csv", 4, ("2017-Q4", (2018, 1, 1), (2018, 3, 31))),
        (r"Q(?P<quarter>\d) (?P<year>\d{4})", "Q1 2017.csv", 8, ("2017-Q1", (2017, 8, 1), (2017, 10, 31))),
        (r"Q(?P<quarter>\d) (?P<year>\d{4})", "Q1 2017.csv", 1, ("2017-Q1", (2017, 1, 1), (2017, 3, 31))),
        (r"(?P<year>\d{4})-\d\d", "2017-18.csv", 4, ("2017-18", (2017, 4, 1), (2018, 3, 31))),
        (r"(?P<year>\d{4})-\d\d", "1999-00.csv", 8, ("1999-00", (1999, 8, 1), (2000, 7, 31))),
        (r"(?P<year>\d{4})", "2017.csv", 1, ("2017", (2017, 1, 1), (2017, 12, 31))),
        (r"(?P<month>\w{3})-(?P<year>\d\d)", "feb-16.csv", 4, ("2016-02", (2016, 2, 1), (2016, 2, 29))),
        (
            r"(?P<year>\d{4})(?P<month>\d\d)_(?P<part>\w+)",
            "201704_B.csv",
            4,
            ("2017-04/b", (2017, 4, 1), (2017, 4, 30)),
        ),
    ],
)
def test_a_period_is_what_the_file_name_says(
    pattern: str, name: str, start: int, period: tuple[str, tuple[int, int, int], tuple[int, int, int]]
) -> None:
    label, first, last = period
    assert feed(period=pattern).period_of(name, start) == Period(label, dt.date(*first), dt.date(*last))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"(?P<year>\d{4})-(?P<month>\d\d)", "spend.csv"),
        (r"(?P<year>\d{4})-(?P<month>\d\d)", "2017-13.csv"),
        (r"(?P<year>\d{4})-(?P<month>\d\d)", "2017-00.csv"),
        (r"(?P<month>[a-z]+) (?P<year>\d{4})", "Brumaire 2017.csv"),
        (r"(?P<year>\d{4})-Q(?P<quarter>\d)", "2017-Q5.csv"),
        (r"(?P<year>\d{4})-Q(?P<quarter>\d+)", "2017-Q12.csv"),
        (r"FY(?P<year>\d{4})", "FY9999.csv"),
    ],
)
def test_a_name_without_a_real_period_is_refused_with_the_name_and_the_fix(pattern: str, name: str) -> None:
    with pytest.raises(UserError, match=r"Rename the file or correct `period`") as refused:
        feed(period=pattern).period_of(name, 4)
    assert name in str(refused.value)


def digest(**changes: Any) -> str:
    of_layout = {key.removeprefix("layout_"): value for key, value in changes.items() if key.startswith("layout_")}
    of_feed = {key: value for key, value in changes.items() if not key.startswith("layout_")}
    one = feed(layouts=[{"columns": COLUMNS, **of_layout}], **of_feed)
    return one.terms("spend-2017-04.csv", 4).digest


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "observatory", "layout_columns": {"supplier_name": "Supplier", "amount": "Amount"}},
        {"vat": "gross"},
        {"quarantine_limit": 0.5},
        {"control_total": {"published": {"2017-04": "1.00"}}},
        {"control_total": {"sidecar": "control_{stem}.csv", "amount": "Total"}},
        {"layout_columns": {**COLUMNS, "description": "Text"}},
        {"layout_columns": {**COLUMNS, "amount": ["Amount", "Net"]}},
        {"layout_ignore": ["Body"]},
        {"layout_fallback": {"supplier_name": 7}},
        {"layout_dates": ["%Y-%m-%d"]},
        {"layout_dates": ["%d/%m/%Y", "%Y-%m-%d"]},
        {"layout_format": "workbook"},
        {"layout_sheets": "Data"},
        {"layout_encoding": "cp1252"},
        {"layout_delimiter": ";"},
        {"layout_header_within": 5},
        {"layout_payments_are": "negative"},
        {"layout_vat": "gross"},
    ],
    ids=str,
)
def test_a_file_is_read_anew_when_what_reading_depends_on_changes(change: dict[str, Any]) -> None:
    assert digest(**change) != digest()


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Other words"},
        {"calendar": {"every": "month", "starts": "2017-04-01"}},
        {"publishes_over": 500},
        {"source": {"folder": "elsewhere", "files": "*.txt"}},
        {},
    ],
    ids=str,
)
def test_a_file_is_not_read_anew_for_anything_else(change: dict[str, Any]) -> None:
    assert digest(**change) == digest()


def test_a_layout_of_another_time_does_not_count() -> None:
    one = feed()
    two = feed(layouts=[{"columns": COLUMNS}, {"starts": "2019-04-01", "columns": COLUMNS, "delimiter": ";"}])
    digests = [of.terms(f"spend-{year}-04.csv", 4).digest for of, year in ((one, 2017), (two, 2017), (two, 2019))]
    assert digests[0] == digests[1] != digests[2]


def test_a_year_that_begins_in_another_month_is_read_anew() -> None:
    assert feed().terms("spend-2017-04.csv", 4).digest != feed().terms("spend-2017-04.csv", 8).digest


def test_an_institution_cannot_be_changed_after_it_was_checked() -> None:
    institution = Institution.model_validate(CONTENT)
    with pytest.raises(ValueError, match="frozen"):
        institution.name = "Another"  # type: ignore[misc]
