"""The registers of the outside world: loaded through `registers.yml`, and read here by roads of their own."""

import csv
import random
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from anchorspend import ingest, resolve
from anchorspend.contract import load_institutions
from anchorspend.load import Batch
from anchorspend.resolve import evaluate
from anchorspend.sample import write_county
from test_resolve_run import store

FEEDS = {
    "companies": "company",
    "charities": "charity",
    "mutuals": "mutual",
    "living_wage_employers": "living_wage_employer",
    "public_bodies": "public_body",
    "deprivation": "deprivation",
    "group_parents": "company_parent",
}
COMPANIES = "BasicCompanyDataAsOneFile-2020-03-01.csv"
Take = Callable[[str, Path], Batch]


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small county: `inbox` and `truth`."""
    folder = tmp_path_factory.mktemp("registers")
    write_county(folder / "inbox", folder / "truth", scale=0.05)
    return folder


@pytest.fixture
def take(warehouse_url: str) -> Take:  # there must be a warehouse
    """Loads a file of a register."""

    def taken(feed_id: str, path: Path) -> Batch:
        _, batch = ingest.ingest_file(load_institutions()["registers"], feed_id, path)
        assert batch
        return batch

    return taken


def published(county: Path, feed_id: str) -> Path:
    (path,) = (county / "inbox/registers" / feed_id).iterdir()
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a register file, headers as they stand, without the product's reader."""
    if path.suffix == ".txt":
        header, *lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        return [dict(zip(header, line, strict=True)) for line in lines]
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def truth(county: Path) -> list[dict[str, str]]:
    with (county / "truth/suppliers.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_there_is_a_feed_for_every_register_kind() -> None:
    registers = load_institutions()["registers"]
    assert registers.type == "register"
    assert {feed_id: feed.kind for feed_id, feed in registers.feeds.items()} == FEEDS
    assert all(feed.definition.is_register for feed in registers.feeds.values())


@pytest.mark.parametrize("feed_id", FEEDS)
def test_every_row_of_a_register_is_loaded(
    take: Take, county: Path, connection: psycopg.Connection, feed_id: str
) -> None:
    path = published(county, feed_id)
    batch = take(feed_id, path)
    assert (batch.status, batch.lines_quarantined, batch.lines_read) == ("loaded", 0, len(rows_of(path)))
    layout = load_institutions()["registers"].feeds[feed_id].layouts[0]
    headers = {" ".join(header.split()): header for header in rows_of(path)[0]}
    fields = {
        field: headers[next(one for one in spellings if one in headers)]
        for field, spellings in layout.spellings().items()
    }
    texts = [
        field
        for field in fields
        if load_institutions()["registers"].feeds[feed_id].definition.fields[field].type == "text"
    ]
    stored = connection.execute(
        f"select {', '.join(texts)} from raw.{FEEDS[feed_id]} order by line_no".encode()
    ).fetchall()
    expected = [tuple(row[fields[field]].strip() or None for field in texts) for row in rows_of(path)]
    assert stored == expected


def test_headers_of_companies_house_begin_with_a_space_and_old_companies_have_old_dates(
    take: Take, county: Path, connection: psycopg.Connection
) -> None:
    path = published(county, "companies")
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert len(header) == 55
    assert {" CompanyNumber", " RegAddress.AddressLine2", " PreviousName_10.CompanyName"} <= set(header)
    take("companies", path)
    days = dict(connection.execute("select company_number, incorporation_date from raw.company").fetchall())
    assert days == {
        row[" CompanyNumber"]: day_of(row["IncorporationDate"]) if row["IncorporationDate"] else None
        for row in rows_of(path)
    }
    assert min(day for day in days.values() if day) < date(1990, 1, 1)


def day_of(written: str) -> date:
    day, month, year = map(int, written.split("/"))
    return date(year, month, day)


def test_a_zip_as_companies_house_ships_it_gives_the_same_rows(
    take: Take, county: Path, tmp_path: Path, connection: psycopg.Connection
) -> None:
    path = published(county, "companies")
    packed = tmp_path / "BasicCompanyDataAsOneFile-2020-03-01.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        package.write(path, path.name)
    assert take("companies", packed).lines_read == len(rows_of(path))
    assert connection.execute("select count(distinct company_number) from raw.company").fetchone() == (
        len(rows_of(path)),
    )


def test_the_real_companies_are_loaded(take: Take, real_files: Path, tmp_path: Path, connection) -> None:
    path = tmp_path / COMPANIES
    shutil.copy(real_files / "companies_house/BasicCompanyData-sample.csv", path)
    batch = take("companies", path)
    assert (batch.status, batch.lines_read, batch.lines_quarantined) == ("loaded", 31, 0)
    assert connection.execute(
        "select company_name, postcode, sic_1, previous_name_1 from raw.company where company_number = '07687209'"
    ).fetchone() == (
        *("!OBAC UK LIMITED", "RG26 5AT"),
        *("70229 - Management consultancy activities other than financial management", "!OBAC FITTINGS LIMITED"),
    )


def test_charities_lost_the_zeros_of_their_company_numbers(
    take: Take, county: Path, connection: psycopg.Connection
) -> None:
    take("charities", published(county, "charities"))
    take("companies", published(county, "companies"))
    (short,) = connection.execute(
        "select count(*) from raw.charity where company_number ~ '^[0-9]+$' and length(company_number) < 8"
    ).fetchone()
    assert short > 20
    (orphans,) = connection.execute(
        """
        select count(*) from raw.charity as charity where company_number ~ '^[0-9]+$' and not exists (
            select from raw.company where company.company_number = lpad(charity.company_number, 8, '0'))
        """
    ).fetchone()
    assert orphans == 0
    kinds = connection.execute(
        """
        select count(*) filter (where linked_charity_number <> '0'), count(*) filter (where is_cio),
            count(*) filter (where registration_status = 'Removed' and removal_date is not null)
        from raw.charity
        """
    ).fetchone()
    assert min(kinds) > 0


def test_the_version_of_the_latest_period_counts_whenever_it_came(
    take: Take, county: Path, tmp_path: Path, connection: psycopg.Connection
) -> None:
    lines = published(county, "companies").read_text(encoding="utf-8").splitlines(keepends=True)
    for month, count in (("2020-02", 5), ("2020-04", 7), ("2020-03", 6)):
        path = tmp_path / f"BasicCompanyDataAsOneFile-{month}-01.csv"
        path.write_text("".join(lines[: count + 1]), encoding="utf-8")
        assert take("companies", path).status == "loaded"
        assert connection.execute("select count(*) from raw.company").fetchone() == ({5: 5}.get(count, 7),)
    again = tmp_path / "again" / "BasicCompanyDataAsOneFile-2020-04-01.csv"
    again.parent.mkdir()
    again.write_text("".join(lines[:9]), encoding="utf-8")
    take("companies", again)
    assert connection.execute("select count(*) from raw.company").fetchone() == (8,)


def test_a_column_that_is_gone_is_named(take: Take, county: Path, tmp_path: Path) -> None:
    path = tmp_path / COMPANIES
    text = published(county, "companies").read_text(encoding="utf-8")
    path.write_text(text.replace("Accounts.AccountCategory", "Accounts.Kind", 1), encoding="utf-8")
    batch = take("companies", path)
    assert batch.status == "refused"
    assert "'Accounts.AccountCategory'" in str(batch)
    assert COMPANIES in str(batch)


def test_a_row_that_cannot_be_read_is_named_with_its_column(
    take: Take, county: Path, tmp_path: Path, connection: psycopg.Connection
) -> None:
    path = tmp_path / "SocietyList-2020-03.csv"
    lines = published(county, "mutuals").read_text(encoding="utf-8").splitlines(keepends=True)
    cells = lines[3].split(",")
    number = cells[2]
    lines[3] = lines[3].replace(f",{number},", ",,", 1)
    path.write_text("".join(lines[:21]), encoding="utf-8")
    batch = take("mutuals", path)
    assert batch.status == "refused"  # one in fifty is the limit, and there are twenty
    assert connection.execute("select file, source_row, column_name, reason from ops.quarantine").fetchall() == [
        (path.name, 4, "Full Registation Number", "is empty")
    ]


def test_a_name_without_a_date_is_refused_with_what_to_do(take: Take, county: Path, tmp_path: Path) -> None:
    path = tmp_path / "publicextract.charity.txt"
    shutil.copy(published(county, "charities"), path)
    batch = take("charities", path)
    assert batch.status == "refused"
    assert "Rename the file" in str(batch)


def test_every_supplier_is_in_its_registers_under_its_number(county: Path) -> None:
    companies = {row[" CompanyNumber"]: row for row in rows_of(published(county, "companies"))}
    charities = {row["registered_charity_number"]: row for row in rows_of(published(county, "charities"))}
    main = {n for n, r in charities.items() if r["linked_charity_number"] is not None}
    societies = {row["Full Registation Number"]: row for row in rows_of(published(county, "mutuals"))}
    bodies = Counter(row["Body ID"] for row in rows_of(published(county, "public_bodies")))
    parents = {row["Company Number"]: row for row in rows_of(published(county, "group_parents"))}
    seen = Counter()
    for row in truth(county):
        if number := row["company_number"]:
            entry = companies[number]
            assert entry["CompanyName"] == row["registered_name"].upper()
            assert entry["RegAddress.PostCode"] == row["registered_postcode"]
            assert entry["Accounts.AccountCategory"] == row["accounts_category"]
            if row["previous_name"]:
                assert entry[" PreviousName_1.CompanyName"] == row["previous_name"].upper()
                seen["previous"] += row["previous_name"] == row["legal_name"]
            assert (number in parents) == bool(row["parent_name"])
            seen["company"] += 1
        if row["charity_number"]:
            assert row["charity_number"] in main
            seen["charity"] += 1
        if row["society_number"]:
            assert societies[row["society_number"]]["Society Address"].endswith(row["postcode"])
            seen["society"] += 1
        if row["public_body_id"]:
            trading = [one for one in row["trading_names"].split("|") if one]
            assert bodies[row["public_body_id"]] == 1 + len(trading)
            seen["body"] += 1
        seen["parent"] += row["parent_is_large"] == "yes"
    assert all(seen[what] > 0 for what in ("previous", "company", "charity", "society", "body", "parent")), seen
    assert all(
        companies[row["Parent Number"]]["Accounts.AccountCategory"] in {"GROUP", "TOTAL EXEMPTION FULL"}
        for row in parents.values()
        if row["Parent Number"].isdigit()
    )


def test_registers_hold_many_who_are_nobodys_supplier(county: Path) -> None:
    known = {row["company_number"] for row in truth(county)}
    rows = rows_of(published(county, "companies"))
    strangers = [row for row in rows if row[" CompanyNumber"] not in known]
    assert len(strangers) > len(rows) / 2
    assert {row[" CompanyNumber"][:2] for row in strangers} >= {"SC", "NI", "OC", "CE"}
    dissolved = {row["CompanyName"] for row in strangers if row["DissolutionDate"]}
    assert dissolved & {row["registered_name"].upper() for row in truth(county)}
    assert Counter(row["RegAddress.PostCode"] for row in rows).most_common(1)[0][1] > 30
    in_force = Counter(row["CompanyName"] for row in strangers if not row["DissolutionDate"])
    assert max(in_force.values()) == 1


def test_deprivation_is_of_every_luton_postcode_and_says_it_is_a_sample(county: Path) -> None:
    rows = rows_of(published(county, "deprivation"))
    assert len(rows) > 10_000
    assert all(row["Postcode"].startswith("LU") and row["LSOA Name"].startswith("Sample") for row in rows)
    for row in random.Random(1).sample(rows, 200):
        rank, decile = (int(row[f"Index of Multiple Deprivation {one}"]) for one in ("Rank", "Decile"))
        assert (rank - 1) * 10 // 32_844 + 1 == decile


def test_suppliers_are_linked_to_the_entries_they_are(take: Take, county: Path, connection: psycopg.Connection) -> None:
    for feed_id in ("companies", "charities", "mutuals", "public_bodies"):
        take(feed_id, published(county, feed_id))
    records = evaluate.records_of(county / "truth")
    store(connection, records)
    resolve.resolve()
    columns = {
        "company": "company_number",
        "charity": "charity_number",
        "mutual": "society_number",
        "public_body": "public_body_id",
    }
    right = {
        row["supplier_id"]: {(register, row[column]) for register, column in columns.items() if row[column]}
        | {("company", f"CE{row['supplier_id'][1:]}")}
        for row in truth(county)
    }
    found = pd.DataFrame(
        connection.execute(
            "select supplier_record_id, register, register_number from reference.supplier_link"
        ).fetchall(),
        columns=["supplier_record_id", "register", "number"],
    ).merge(records[~records.is_private], on="supplier_record_id")
    linked = found[found.register.notna()]
    is_right = [(row.register, row.number) in right[row.truth] for row in linked.itertuples()]
    registered = sum(len(right[one]) > 1 for one in found.truth)
    assert sum(is_right) / len(is_right) > 0.99
    assert sum(is_right) / registered > 0.9
