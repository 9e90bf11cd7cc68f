"""Sources: what a contract may say of where files come from, what it must not, and the credentials beside it."""

import copy
import itertools
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from anchorspend import fetch, settings
from anchorspend.contract import Api, Calendar, Folder, Web, load_institution, windows
from anchorspend.errors import UserError

FEED = {
    "kind": "ledger",
    "description": "Payments",
    "source": {"folder": "a_college/ledger"},
    "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
    "vat": "net",
    "calendar": {"every": "month", "starts": date(2017, 4, 1)},
    "layouts": [{"columns": {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}}],
}
URLS = {"urls": ["https://council.example/2017-04.csv"]}
URL = {"url": "https://council.example/{year}-{month:02}.csv"}
API = {"api": "https://council.example/notices", "parameters": {"updatedFrom": "{from}"}, "pages": {}}


def load(folder: Path, source: Any, **feed: Any) -> Any:
    content = copy.deepcopy(FEED) | {"source": source} | feed
    path = folder / "a_college.yml"
    whole = {"id": "a_college", "name": "A College", "type": "college", "feeds": {"ledger": content}}
    path.write_text(yaml.safe_dump({**whole, "feeds": {"ledger": {k: v for k, v in content.items() if v is not None}}}))
    return load_institution(path).feeds["ledger"].source


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"folder": "a_college"}, Folder),
        ({"folder": "s3://bucket/prefix"}, Folder),
        ({"folder": "s3://bucket/prefix", "connection": "college_s3"}, Folder),
        ({"folder": "sftp://files.example/out", "connection": "college"}, Folder),
        (URLS, Web),
        (URL, Web),
        ({**URL, "connection": "college", "max_mb": 5}, Web),
        (API, Api),
        ({**API, "pages": None, "records": "releases", "cursor": {"path": "links.next"}}, Api),
    ],
)
def test_the_key_says_which_source_it_is(tmp_path: Path, source: dict[str, Any], kind: type) -> None:
    assert type(load(tmp_path, {key: value for key, value in source.items() if value is not None})) is kind


@pytest.mark.parametrize(
    ("source", "place", "fix"),
    [
        ({}, "source", "one of `folder`, `urls`, `url` and `api`"),
        ("inbox", "source", "one of `folder`, `urls`, `url` and `api`"),
        ({"folder": "a", **URL}, "source", "one of `folder`, `urls`, `url` and `api`"),
        ({"folder": "a", "file": "*.csv"}, "source.file", "did you mean 'files'?"),
        ({**URLS, "max_mbs": 1}, "source.max_mbs", "did you mean 'max_mb'?"),
        ({**API, "parameter": {}}, "source.parameter", "did you mean 'parameter"),
        ({**API, "pages": {"star": 1}}, "source.pages.star", "did you mean 'starts'?"),
        ({**API, "pages": {"starts": -1}}, "source.pages.starts", "given: -1"),
        ({"folder": "a", "max_mb": 1}, "source", "`max_mb` does not go with `folder`, which takes `connection`,"),
        ({**URLS, "records": "a"}, "source", "`records` does not go with `urls`"),
        ({**URLS, **URL}, "source", "either `urls`, a list, or `url`"),
        ({"urls": []}, "source", "either `urls`, a list, or `url`"),
        ({"urls": URLS["urls"] * 2}, "source", "names one address twice"),
        ({"urls": ["council.example/a.csv"]}, "source", "is no web address; start it with https://"),
        ({"urls": ["file:///etc/passwd"]}, "source", "is no web address"),
        ({"url": "https://council{year}.example/{month}.csv"}, "source", "a placeholder cannot be part of the host"),
        ({"url": "https://council.example/{yaer}.csv"}, "source", "{yaer} is no placeholder; known: {year}, {month}"),
        ({"url": "https://council.example/{}.csv"}, "source", "{} is no placeholder"),
        ({"url": "https://council.example/{year.real}.csv"}, "source", "{year.real} is no placeholder"),
        ({"url": "https://council.example/{year:{x}}.csv"}, "source", "`url`:"),
        ({"url": "https://council.example/{year.csv"}, "source", "`url`:"),
        ({"url": "https://council.example/{month_name:02d}.csv"}, "source", "`url`:"),
        ({"url": "https://council.example/{year}.csv"}, "ledger", "asks for the same in two periods"),
        ({**API, "parameters": {}}, "ledger", "asks for the same in two periods"),
        ({**API, "parameters": {"a": "{b}"}}, "source", "{b} is no placeholder"),
        ({**API, "pages": None}, "source", "either `cursor` or `pages`"),
        ({**API, "cursor": {"path": "next"}}, "source", "either `cursor` or `pages`"),
        ({**API, "pages": {"total": "pages"}}, "source", "a bare list has no place for `cursor` or `total`"),
        ({**API, "pages": None, "cursor": {"path": "next"}}, "source", "a bare list has no place"),
        ({"folder": "https://council.example/spend"}, "source", "write `url` or `urls`"),
        ({"folder": "sftp://files.example/out"}, "source", "name the Airflow connection"),
        ({"folder": "a", "connection": "college"}, "source", "starts with s3:// or sftp://"),
        (
            {"urls": ["http://council.example/a.csv"], "connection": "college"},
            "source",
            "would send its password in the clear; write https://",
        ),
        (
            {"urls": ["https://a.example/a.csv", "https://b.example/b.csv"], "connection": "college"},
            "source",
            "is for one host",
        ),
    ],
)
def test_a_source_that_may_not_be_is_refused_with_the_place_and_the_fix(
    tmp_path: Path, source: Any, place: str, fix: str
) -> None:
    with pytest.raises(UserError) as told:
        load(tmp_path, {k: v for k, v in source.items() if v is not None} if isinstance(source, dict) else source)
    (line,) = str(told.value).splitlines()
    assert line.startswith(f"{tmp_path}/a_college.yml: feeds.ledger")
    assert f"{place}: " in line
    assert fix in line


@pytest.mark.parametrize(
    ("source", "feed", "fix"),
    [
        (URL, {"calendar": None}, "`url` is filled in for each period; say which by `calendar`"),
        (API, {"calendar": None}, "`api` is filled in for each period; say which by `calendar`"),
        (URLS, {"control_total": {"sidecar": "{stem}.ctl", "amount": "Total"}}, "a sidecar goes with a folder only"),
        (API, {"control_total": {"sidecar": "{stem}.ctl", "amount": "Total"}}, "a sidecar goes with a folder only"),
    ],
)
def test_a_source_that_does_not_fit_its_feed_is_refused(
    tmp_path: Path, source: dict[str, Any], feed: dict[str, Any], fix: str
) -> None:
    with pytest.raises(UserError) as told:
        load(tmp_path, source, **feed)
    assert fix in str(told.value)


@pytest.mark.parametrize(
    "source",
    [
        {"folder": "sftp://bob:s3cret@files.example/out", "connection": "college"},
        {"folder": "s3://s3cret@bucket/out"},
        {"urls": ["https://bob:s3cret@council.example/a.csv"]},
        {"urls": "https://bob:s3cret@council.example/a.csv"},
        {"url": "https://council.example/{year}-{month}.csv?api_key=s3cret"},
        {"url": "https://council.example/{year}-{month}.csv?a=b&Token=s3cret"},
        {**API, "api": "https://council.example/?sig=s3cret"},
        {**API, "parameters": {"access_token": "s3cret"}},
        {**API, "parameters": {"callback": "https://bob:s3cret@council.example"}},
        {**URLS, "connection": "https://bob:s3cret@council.example"},
        {**URLS, "connection": '{"password": "s3cret"}'},
        {"folder": {"a": "sftp://bob:s3cret@files.example/out"}},
        "sftp://bob:s3cret@files.example/out",
        ["sftp://bob:s3cret@files.example/out"],
    ],
)
def test_a_secret_in_a_contract_is_refused_and_not_repeated(tmp_path: Path, source: Any) -> None:
    with pytest.raises(UserError, match=r"feeds\.ledger\.source: ") as told:
        load(tmp_path, source)
    assert "s3cret" not in str(told.value)


# Periods


@pytest.mark.parametrize(
    ("every", "template", "filled"),
    [
        (
            "month",
            "{year} {month:02} {month_name} {quarter} {fy}",
            ["2017 11 November 3 2017-18", "2018 02 February 4 2017-18"],
        ),
        ("quarter", "{year} Q{quarter} {month}", ["2017 Q3 11", "2017 Q4 2"]),
        ("year", "{fy} {year} {from} {to}", ["2017-18 2017 2017-11-01 2018-10-31"]),
    ],
)
def test_a_period_fills_a_template(every: Any, template: str, filled: list[str]) -> None:
    calendar = Calendar(every=every, starts=date(2017, 11, 1))
    found = [window.fill(template) for window in windows(calendar, 4, date(2018, 2, 1))]
    assert (found[0], found[-1]) == (filled[0], filled[-1])


def test_a_year_from_january_is_one_number() -> None:
    (window,) = windows(Calendar(every="year", starts=date(2017, 1, 1)), 1, date(2017, 5, 1))
    assert window.fill("{fy} {from:%d/%m/%Y}") == "2017 01/01/2017"


@pytest.mark.parametrize(
    ("until", "ends", "count"),
    [
        (date(2017, 3, 31), None, 0),
        (date(2017, 4, 1), None, 1),
        (date(2018, 3, 31), None, 12),
        (date(2018, 4, 1), None, 13),
        (date(2018, 4, 1), date(2017, 6, 30), 3),
    ],
)
def test_periods_are_counted_up_to_the_day_and_the_calendars_end(until: date, ends: date | None, count: int) -> None:
    found = list(windows(Calendar(every="month", starts=date(2017, 4, 1), ends=ends), 4, until))
    assert len(found) == count
    assert all((b.first - a.last).days == 1 for a, b in itertools.pairwise(found))


# Credentials

VALUES = [
    (
        "http://bob:s3cret@council.example:8443/path?region_name=eu-west-2&host_key=ssh-rsa%20AAAA",
        ("council.example", "bob", "s3cret", 8443, {"region_name": "eu-west-2", "host_key": "ssh-rsa AAAA"}),
    ),
    ("http://https://bob:s%2F3%40cret@council.example/", ("council.example", "bob", "s/3@cret", None, {})),
    ("sftp://bob@files.example", ("files.example", "bob", None, None, {})),
    (
        "aws://AKIA:s%2F3cret%2B@/?endpoint_url=http%3A%2F%2F127.0.0.1%3A9000",
        (None, "AKIA", "s/3cret+", None, {"endpoint_url": "http://127.0.0.1:9000"}),
    ),
    ("http://:s3cret@council.example", ("council.example", "", "s3cret", None, {})),
    (
        "ssh://bob@files.example:2222/?__extra__=%7B%22headers%22%3A+%7B%22X-Key%22%3A+%22k3y%22%7D%7D",
        ("files.example", "bob", None, 2222, {"headers": {"X-Key": "k3y"}}),
    ),
    (
        json.dumps({"conn_type": "http", "host": "council.example", "login": "bob", "password": "p", "port": "8443"}),
        ("council.example", "bob", "p", 8443, {}),
    ),
    (
        json.dumps({"conn_type": "aws", "login": "AKIA", "extra": {"headers": {"a": "b"}}}),
        (None, "AKIA", None, None, {"headers": {"a": "b"}}),
    ),
    (json.dumps({"extra": '{"region_name": "eu-west-2"}'}), (None, None, None, None, {"region_name": "eu-west-2"})),
]


@pytest.mark.parametrize(("value", "read"), VALUES)
def test_connections_of_the_environment_are_read_as_airflow_reads_them(
    monkeypatch: pytest.MonkeyPatch, value: str, read: tuple[Any, ...]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COLLEGE_SFTP", value)
    found = fetch.from_environment("college_sftp")
    assert (found.host, found.login, found.password, found.port, found.extra) == read


@pytest.mark.parametrize(
    "value", ["s3cret", "{s3cret", '{"port": "s3cret"}', "http://h:s3cret/", "http://[s3cret", "[]"]
)
def test_a_connection_that_cannot_be_read_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COLLEGE", value)
    with pytest.raises(UserError, match="AIRFLOW_CONN_COLLEGE is neither") as told:
        fetch.from_environment("college")
    assert "s3cret" not in str(told.value)


def test_a_connection_that_is_not_there_is_told_where_to_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_COLLEGE", raising=False)
    with pytest.raises(UserError, match="no connection 'college': set AIRFLOW_CONN_COLLEGE"):
        fetch.from_environment("college")


def test_credentials_show_no_secret() -> None:
    one = fetch.Credentials("college", "h", "bob", "s3cret", extra={"private_key": "s3cret"})
    assert "s3cret" not in f"{one!r} {one}"


def test_the_examples_of_the_guide_are_valid(tmp_path: Path) -> None:
    text = (settings.home() / "docs" / "reference" / "sources.md").read_text()
    examples = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    kinds = {type(load(tmp_path, yaml.safe_load(one)["source"])) for one in examples}
    assert kinds == {Folder, Web, Api}
