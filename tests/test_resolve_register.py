"""The names of registers made comparable: what stands in `reference.register_name`, and when it is made anew."""

import csv
import shutil
from pathlib import Path

import psycopg
import pytest
from anchorspend import ingest
from anchorspend.contract import load_institutions
from anchorspend.resolve import names, register
from anchorspend.sample import write_county


@pytest.fixture(scope="session")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registers of a small county, a folder for each."""
    folder = tmp_path_factory.mktemp("registers_of_names")
    write_county(folder / "inbox", folder / "truth", scale=0.02)
    return folder / "inbox" / "registers"


def load(feed_id: str, path: Path) -> None:
    ingest.ingest_file(load_institutions()["registers"], feed_id, path)


def load_companies(registers: Path, folder: Path, month: str, added: str = "") -> None:
    """The companies as published in another month, with further lines."""
    (path,) = (registers / "companies").iterdir()
    copied = folder / f"BasicCompanyDataAsOneFile-2020-{month}-01.csv"
    shutil.copy(path, copied)
    with copied.open("a", encoding="utf-8") as stream:
        stream.write(added)
    load("companies", copied)


def tables(connection: psycopg.Connection) -> dict[str, int]:
    """The partitions, by register."""
    rows = connection.execute(
        """
        select inhrelid::regclass::text, inhrelid from pg_inherits
        where inhparent = 'reference.register_name'::regclass
        """
    ).fetchall()
    return {name.removeprefix("reference.register_name_"): oid for name, oid in rows}


def test_every_name_of_every_company_stands_comparable_and_indexed(
    warehouse_url: str, registers: Path, connection: psycopg.Connection
) -> None:
    (path,) = (registers / "companies").iterdir()
    load("companies", path)
    register.refresh(connection)
    expected = set()
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            number, postcode = row[" CompanyNumber"], row["RegAddress.PostCode"].replace(" ", "") or None
            previous = [row[f" PreviousName_{nth}.CompanyName"] for nth in range(1, 11)]
            for name in filter(None, [row["CompanyName"], *previous]):
                for one in names.names(name)[:1]:
                    expected.add((number, name, one.core, one.form, one.qualifier, postcode))
    stored = connection.execute(
        "select register_number, name, core, form, qualifier, postcode from reference.register_name"
    ).fetchall()
    assert set(stored) == expected
    assert connection.execute(
        "select names from reference.compared_register where register = 'company'"
    ).fetchone() == (len(stored),)
    indexes = connection.execute(
        "select count(*) from pg_index where indisvalid and indrelid = 'reference.register_name_company'::regclass"
    ).fetchone()
    assert indexes == (3,)


def test_only_the_register_that_changed_is_made_anew(
    warehouse_url: str, registers: Path, tmp_path: Path, connection: psycopg.Connection
) -> None:
    (charities,) = (registers / "charities").iterdir()
    load("charities", charities)
    load_companies(registers, tmp_path, "03")
    register.refresh(connection)
    first, told = tables(connection), register.version(connection)
    load_companies(registers, tmp_path, "02")  # older: what stands stays
    register.refresh(connection)
    assert (tables(connection), register.version(connection)) == (first, told)
    columns = len(
        (registers / "companies" / "BasicCompanyDataAsOneFile-2020-03-01.csv").read_text().split("\n")[0].split(",")
    )
    line = ['"BACK\\SLASH\tWORKS LIMITED"', '"09999998"', *['""'] * (columns - 2)]
    load_companies(registers, tmp_path, "04", ",".join(line) + "\n")
    register.refresh(connection)
    second = tables(connection)
    assert {one for one in first if first[one] != second[one]} == {"company"}
    assert register.version(connection) != told
    assert connection.execute(
        "select register_number, core, postcode, is_current from reference.register_name where core like 'back slash%'"
    ).fetchall() == [("09999998", "back slash works", None, True)]


def test_changed_rules_are_another_version(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    register.refresh(connection)
    first, told = tables(connection), register.version(connection)
    monkeypatch.setattr(register, "digest", lambda: "other rules")
    register.refresh(connection)
    second = tables(connection)
    assert register.version(connection) != told
    assert len(first) == len(second) == len(register.REGISTERS)
    assert not set(first.values()) & set(second.values())
