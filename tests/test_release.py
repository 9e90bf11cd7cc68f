"""Release: a county of three small institutions, its figures worked out by hand, from its files to what readers see.

The county is made once for the whole run; whoever changes it works on a copy of its database.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anchorspend import contract, ingest, model, publish, release, warehouse
from anchorspend.errors import UserError
from anchorspend.server import postgres
from psycopg import sql

INSTITUTIONS = {
    "alpha_council": ("local_authority", 4, ("ledger", "observatory")),
    "beta_police": ("police", 4, ("ledger",)),
    "gamma_college": ("college", 8, ("observatory",)),
}
FEEDS = {
    "ledger": r"""
  ledger:
    kind: ledger
    description: Payments to suppliers
    source: {{folder: {id}/ledger}}
    period: '(?P<year>\d{{4}})-(?P<month>\d{{2}})(_revised)?\.csv$'
    vat: net
    quarantine_limit: 0.5
    layouts:
      - columns:
          payment_date: Paid
          supplier_ref: Ref
          supplier_name: Supplier
          supplier_postcode: Postcode
          amount: Amount
          category_code: Code
""",
    "observatory": r"""
  observatory:
    kind: observatory
    description: Yearly spend per supplier
    source: {{folder: {id}/observatory}}
    period: '(?P<year>\d{{4}})-\d{{2}}\.csv$'
    vat: net
    layouts:
      - columns: {{supplier_name: Supplier, supplier_postcode: Postcode, amount: Amount}}
""",
}
# Postcode, authority, easting, northing. LU6 2ZZ has a Luton postcode and lies in Dacorum, outside Bedfordshire.
POSTCODES = [
    ("LU11AA", "E06000032", 509000, 221000),
    ("LU29LY", "E06000032", 512000, 221000),
    ("LU62ZZ", "E07000096", 505000, 217000),
    ("MK401AA", "E06000055", 505000, 249000),
    ("M11AE", "E08000003", 384000, 398000),
]
FILES = {
    "alpha_council/ledger/2017-04.csv": """\
Paid,Ref,Supplier,Postcode,Amount,Code
03/04/2017,A1,Luton Paper Ltd,LU1 1AA,1000.10,311000
04/04/2017,A2,Bedford Bolts Ltd,MK40 1AA,500.20,311000
05/04/2017,A3,Manchester Machines Ltd,M1 1AE,2000.30,311000
06/04/2017,A4,Nowhere Known Ltd,ZZ9 9ZZ,300.05,311000
07/04/2017,A5,Credit Notes Ltd,,-50.02,311000
10/04/2017,A6,Mrs Zebedee Quux,LU6 2ZZ,77.77,311000
31/04/2017,A2,Bedford Bolts Ltd,MK40 1AA,10.00,311000
""",
    "alpha_council/ledger/2017-05.csv": """\
Paid,Ref,Supplier,Postcode,Amount,Code
02/05/2017,A1,Luton Paper Ltd,LU1 1AA,100.00,
""",
    "alpha_council/observatory/2017-18.csv": "Supplier,Postcode,Amount\nLuton Paper,LU1 1AA,9999.00\n",
    "beta_police/ledger/2017-04.csv": """\
Paid,Ref,Supplier,Postcode,Amount,Code
03/04/2017,A1,Luton Paper Ltd,LU1 1AA,50.00,311000
04/04/2017,A2,Manchester Machines Ltd,M1 1AE,150.00,311000
""",
    "gamma_college/observatory/2017-18.csv": """\
Supplier,Postcode,Amount
Bedford Bolts,MK40 1AA,400.00
Manchester Machines,M1 1AE,600.00
""",
}
REVISED = {
    "alpha_council/ledger/2017-05_revised.csv": (
        "Paid,Ref,Supplier,Postcode,Amount,Code\n02/05/2017,A1,Luton Paper Ltd,LU1 1AA,250.00,\n"
    )
}
# Local pounds of Alpha Council in the first release, line by line, under each definition.
LOCAL = {
    "primary": "1000.10 77.77 100.00",
    "secondary": "1000.10 500.20 100.00",
    "strategy": "1000.10 500.20 77.77 100.00",
    "luton_borough": "1000.10 100.00",
    "airport_25_miles": "1000.10 500.20 77.77 100.00",
    "same_region": "1000.10 500.20 77.77 100.00",
}
KNOWN, TOTAL = Decimal("3678.37"), Decimal("3928.40")
UNKNOWN_DEBIT, UNKNOWN_CREDIT = Decimal("300.05"), Decimal("-50.02")


@dataclass(frozen=True)
class County:
    """The county's database and folders, with what each attempt to make a release gave."""

    url: str
    folder: Path
    first: publish.Published | None
    unchanged: publish.Published | None
    second: publish.Published | None
    warnings: list[str]

    @contextmanager
    def used(self, url: str | None = None) -> Iterator[str]:
        """The county, or a copy of it, as what the package works on."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANCHORSPEND_WAREHOUSE_URL", url or self.url)
            patch.setenv("ANCHORSPEND_INSTITUTIONS", str(self.folder / "institutions"))
            patch.setenv("ANCHORSPEND_INBOX", str(self.folder / "inbox"))
            patch.setenv("ANCHORSPEND_LANDING", str(self.folder / "landing"))
            yield url or self.url

    @contextmanager
    def copied(self) -> Iterator[str]:
        """A copy of the county's database, both releases published, to do anything with."""
        name, source = f"copy_{secrets.token_hex(4)}", self.url.rpartition("/")[2]
        with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [source])
            connection.execute(
                sql.SQL("create database {} template {} owner {}").format(
                    *map(sql.Identifier, (name, source, postgres.OWNER))
                )
            )
        with self.used(self.url.rpartition("/")[0] + f"/{name}") as url:
            warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])  # rights on a database are not copied
            yield url


def little_county(url: str, folder: Path) -> County:
    """The county, with two releases published."""
    (folder / "institutions").mkdir()
    for name, (kind, year_start, feeds) in INSTITUTIONS.items():
        head = f"id: {name}\nname: {name}\ntype: {kind}\nfinancial_year_start: {year_start}\nfeeds:"
        text = head + "".join(FEEDS[feed].format(id=name) for feed in feeds)
        (folder / "institutions" / f"{name}.yml").write_text(text)
    said: list[str] = []
    county = County(url, folder, None, None, None, said)
    with county.used():
        warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.executemany("insert into reference.postcode values (%s, %s, %s, %s)", POSTCODES)
        load(folder, FILES)
        first = release.make(said.append)
        unchanged = release.make()
        load(folder, REVISED)
        second = release.make()
    return County(url, folder, first, unchanged, second, said)


def load(folder: Path, files: dict[str, str]) -> None:
    """Write files to the inbox and ingest whatever is new there."""
    for name, text in files.items():
        path = folder / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for institution in contract.load_institutions().values():
        for feed_id in institution.feeds:
            list(ingest.land_feed(institution, feed_id))
            assert {batch.status for batch in ingest.load_feed(institution, feed_id)} <= {"loaded"}


@pytest.fixture(scope="module")
def database(county: County) -> Iterator[psycopg.Connection]:
    """The published county, to be read and not changed."""
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        yield connection


@pytest.fixture
def copy(county: County) -> Iterator[psycopg.Connection]:
    """A copy of the county for one test to change."""
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


def score(connection: psycopg.Connection, institution: str, definition: str, kpi: str, schema: str = "marts") -> Any:
    found = warehouse.rows(
        connection,
        f"select * from {schema}.kpi_scorecard where (kpi_id, institution_id, definition_id, financial_year)"
        f" = ('{kpi}', '{institution}', '{definition}', '2017-18')",
    )
    assert len(found) == 1
    return found[0]


def one(connection: psycopg.Connection, query: str) -> Any:
    (value,) = connection.execute(query.encode()).fetchone() or (None,)
    return value


def share(part: Decimal, whole: Decimal) -> Decimal:
    return round(part / whole, 8)


def relations(connection: psycopg.Connection, schema: str) -> list[str]:
    found = connection.execute("select table_name from information_schema.tables where table_schema = %s", [schema])
    return sorted(name for (name,) in found)


def test_what_was_loaded_is_published(county: County) -> None:
    assert county.first is not None
    assert (county.first.batches, county.first.lines, county.first.is_sample) == (5, 11, False)


def test_a_release_of_nothing_new_is_not_made(county: County, database: psycopg.Connection) -> None:
    assert county.unchanged is None
    assert one(database, "select count(*) from ops.release") == 2


@pytest.mark.parametrize("definition", LOCAL)
def test_a_share_is_the_hand_computed_one_under_every_definition(database: psycopg.Connection, definition: str) -> None:
    found = score(database, "alpha_council", definition, "local_spend_pct", "release_0001")
    local = sum(map(Decimal, LOCAL[definition].split()), Decimal(0))
    assert (found["numerator"], found["denominator"], found["total_amount"]) == (local, KNOWN, TOTAL)
    assert found["value"] == share(local, KNOWN)
    assert found["value_low"] == share(local + UNKNOWN_CREDIT, TOTAL)
    assert found["value_high"] == share(local + UNKNOWN_DEBIT, TOTAL)
    assert found["coverage"] == share(KNOWN, TOTAL)


@pytest.mark.parametrize("definition", LOCAL)
def test_the_pounds_are_the_hand_computed_ones_with_their_bounds(database: psycopg.Connection, definition: str) -> None:
    found = score(database, "alpha_council", definition, "local_spend_gbp", "release_0001")
    local = sum(map(Decimal, LOCAL[definition].split()), Decimal(0))
    assert (found["value"], found["value_low"], found["value_high"]) == (
        local,
        local + UNKNOWN_CREDIT,
        local + UNKNOWN_DEBIT,
    )


def test_bounds_hold_whatever_the_unknown_places_turn_out_to_be(database: psycopg.Connection) -> None:
    found = score(database, "alpha_council", "strategy", "local_spend_pct", "release_0001")
    local = sum(map(Decimal, LOCAL["strategy"].split()), Decimal(0))
    for debit in (Decimal(0), UNKNOWN_DEBIT):
        for credit in (Decimal(0), UNKNOWN_CREDIT):
            assert found["value_low"] <= share(local + debit + credit, TOTAL) <= found["value_high"]


def test_the_partnership_is_the_sum_of_its_institutions(database: psycopg.Connection) -> None:
    found = score(database, "partnership", "strategy", "local_spend_pct", "release_0001")
    local, known = Decimal("1678.07") + 50 + 400, KNOWN + 200 + 1000
    assert (found["numerator"], found["denominator"], found["total_amount"]) == (local, known, TOTAL + 1200)
    assert found["value"] == share(local, known)
    assert found["basis"] == "ledger+observatory"


def test_an_institution_without_a_ledger_counts_on_its_observatory(database: psycopg.Connection) -> None:
    found = score(database, "gamma_college", "strategy", "local_spend_pct")
    assert (found["value"], found["basis"]) == (Decimal("0.4"), "observatory")
    assert one(
        database, "select array_agg(distinct spend_date::text) from marts.fct_spend where basis <> 'ledger'"
    ) == [
        "2018-07-31"  # the last day of the college's year, which begins in August
    ]


def test_an_observatory_beside_a_ledger_is_shown_and_not_added(database: psycopg.Connection) -> None:
    second_opinion = database.execute(
        "select is_counted, amount, difference_from_ledger from release_0001.spend_basis"
        " where institution_id = 'alpha_council' and basis = 'observatory'"
    ).fetchall()
    assert second_opinion == [(False, Decimal("9999.00"), Decimal("9999.00") - TOTAL)]
    counted = "select count(*) from marts.fct_spend where institution_id = 'alpha_council' and basis = 'observatory'"
    assert one(database, counted) == 0


@pytest.mark.parametrize("schema", ["release_0001", "release_0002", "marts"])
def test_every_published_pound_is_a_loaded_one(database: psycopg.Connection, schema: str) -> None:
    apart = database.execute(
        f"""
        select batch_id, batch.amount_loaded, spent.amount, batch.lines_loaded, spent.lines
        from (select * from {schema}.dim_batch inner join {schema}.spend_basis using (institution_id)
              where is_counted and basis = kind) as batch
        full join (
            select batch_id, sum(amount) as amount, count(*) as lines from {schema}.fct_spend group by batch_id
        ) as spent using (batch_id)
        where batch.amount_loaded is distinct from spent.amount or batch.lines_loaded is distinct from spent.lines
        """.encode()
    ).fetchall()
    assert apart == []
    assert one(database, f"select sum(amount) from {schema}.fct_spend") == {
        "release_0001": TOTAL + 1200,
    }.get(schema, TOTAL + 1350)


def test_a_line_that_could_not_be_read_is_counted_in_its_batch_and_month(database: psycopg.Connection) -> None:
    batch = database.execute(
        "select lines_read, lines_loaded, lines_quarantined, amount_quarantined from marts.dim_batch"
        " where institution_id = 'alpha_council' and period_label = '2017-04'"
    ).fetchall()
    assert batch == [(7, 6, 1, Decimal("10.00"))]
    month = database.execute(
        "select line_count, lines_located, lines_quarantined, amount_quarantined from marts.feed_coverage"
        " where (institution_id, feed_id, month_first) = ('alpha_council', 'ledger', '2017-04-01')"
    ).fetchall()
    assert month == [(6, 4, 1, Decimal("10.00"))]


def test_a_supplier_of_two_books_is_one_by_name_and_place_and_never_by_a_book_s_own_number(
    database: psycopg.Connection,
) -> None:
    suppliers = "select count(distinct supplier_id), count(*) from marts.dim_supplier where {} = '{}'"
    for column, value, expected in (
        ("supplier_ref", "A2", (2, 2)),
        ("record_name", "Luton Paper Ltd", (1, 2)),
        ("record_name", "Manchester Machines Ltd", (1, 2)),
    ):
        assert database.execute(suppliers.format(column, value)).fetchone() == expected


def test_a_superseding_file_changes_the_figures(county: County, database: psycopg.Connection) -> None:
    assert county.second is not None
    assert (county.second.schema_name, county.second.batches, county.second.lines) == ("release_0002", 5, 11)
    found = score(database, "alpha_council", "strategy", "local_spend_gbp")
    assert found["value"] == Decimal("1678.07") + 150
    assert score(database, "beta_police", "strategy", "local_spend_gbp")["value"] == 50


def test_an_earlier_release_still_gives_its_own_figures(database: psycopg.Connection) -> None:
    found = score(database, "alpha_council", "strategy", "local_spend_gbp", "release_0001")
    assert found["value"] == Decimal("1678.07")
    query = "select amount from {}.fct_spend where institution_id = 'alpha_council' and spend_date = '2017-05-02'"
    assert one(database, query.format("release_0001")) == 100
    assert one(database, query.format("marts")) == 250


def test_each_release_says_which_batches_it_counted(database: psycopg.Connection) -> None:
    counted = "select array_agg(batch_id order by batch_id) from ops.release_batch where release_id = {}"
    revised = one(database, "select max(batch_id) from ops.batch")
    first, second = one(database, counted.format(1)), one(database, counted.format(2))
    assert set(second) - set(first) == {revised}
    assert len(set(first) - set(second)) == 1


def test_facts_are_kept_for_superseded_batches_too(database: psycopg.Connection) -> None:
    may = "select array_agg(amount order by batch_id) from warehouse.fct_spend where spend_date = '2017-05-02'"
    assert one(database, may) == [Decimal(100), Decimal(250)]


@pytest.mark.parametrize("secret", ["Zebedee", "Quux", "LU62ZZ", "LU6 2ZZ"])
def test_a_private_person_is_nowhere_in_the_marts(database: psycopg.Connection, secret: str) -> None:
    assert one(database, "select count(*) from raw.ledger where supplier_name = 'Mrs Zebedee Quux'") == 1
    tables = relations(database, "marts")
    assert {"dim_supplier", "fct_spend", "supplier_local", "release"} <= set(tables)
    telling = [
        name
        for name in tables
        if one(database, f"select count(*) from marts.{name} as row where row::text ilike '%{secret}%'")
    ]
    assert telling == []


def test_a_private_persons_pounds_are_counted(database: psycopg.Connection) -> None:
    paid = database.execute(
        "select amount, supplier_name, record_name, supplier_ref, supplier_postcode, postcode_district, is_individual"
        " from marts.fct_spend inner join marts.dim_supplier using (supplier_record_id) where amount = 77.77"
    ).fetchall()
    assert paid == [(Decimal("77.77"), "(name withheld)", "(name withheld)", None, None, "LU6", True)]


def test_a_warning_is_told_and_does_not_hold_a_release(county: County, database: psycopg.Connection) -> None:
    told = [said for said in county.warnings if said.startswith("warning: dim_batch")]
    assert len(told) == 1
    assert "2017-04.csv" in told[0]
    assert one(database, "select status from ops.release where release_id = 1") == "published"
    assert one(database, "select count(*) from ops.audit where release_id = 1 and not passed") == 1


def test_a_build_that_fails_leaves_the_release_before_it(
    copy: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.execute("insert into reference.register values ('r', '1', 's', 'l', 0)")  # something new to make one of

    def fail() -> None:
        raise UserError("dbt build failed:\nfct_spend: no such column")

    monkeypatch.setattr(model, "build", fail)
    before = copy.execute("select * from marts.kpi_scorecard").fetchall()
    with pytest.raises(UserError, match="no such column"):
        release.make()
    assert copy.execute("select status, reason from ops.release where release_id = 3").fetchall() == [
        ("failed", "dbt build failed:\nfct_spend: no such column")
    ]
    assert copy.execute("select * from marts.kpi_scorecard").fetchall() == before


def test_dbt_names_the_model_that_failed(copy: psycopg.Connection) -> None:
    copy.execute("alter table reference.postcode rename column easting to eastings")
    with pytest.raises(UserError, match=r'(?s)stg_reference__postcode: .*column "easting" does not exist'):
        model.build("stg_reference__postcode")


def test_every_rule_of_the_models_does_as_its_unit_tests_say(copy: psycopg.Connection) -> None:
    model.build()  # what a rule's unit test mocks must stand, for its columns
    model.test_rules()


def test_a_new_version_of_a_register_calls_for_a_release(copy: psycopg.Connection) -> None:
    assert publish.open_release() is None
    copy.execute("insert into reference.register values ('ons_postcodes', '2', 's', 'l', 0)")
    assert publish.open_release() == 3


def test_a_release_left_unfinished_is_closed_by_the_next(copy: psycopg.Connection) -> None:
    copy.execute("insert into reference.register values ('ons_postcodes', '2', 's', 'l', 0)")
    assert [publish.open_release(), publish.open_release()] == [3, 4]
    closed = copy.execute("select status, reason from ops.release where release_id = 3").fetchall()
    assert closed == [("failed", "left unfinished")]


def test_an_empty_warehouse_says_what_to_do_first(warehouse_url: str) -> None:
    with pytest.raises(UserError, match="nothing is loaded yet; run an ingest DAG"):
        publish.open_release()
