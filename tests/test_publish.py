"""Publish: readers see one release, whole, and nothing but it; what was not audited is not published."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from anchorspend import publish, settings, warehouse
from anchorspend.errors import UserError
from anchorspend.server import postgres
from psycopg import errors
from test_release import County, one, relations

MADE = {one.name for one in publish.MADE}
PUBLISHED = {path.stem for path in (settings.dbt_project() / "models" / "marts").glob("*.sql")}
# The little county has one year of payments, no registers of how it buys and no strategy; the sample county has all.
EMPTY = {
    *("likely_double_payment", "line_twin", "line_scope_decided", "kpi_change", "alert"),
    *("kpi_target", "strategy_finding", "contract_window", "joint_terms", "procurement_cycle", "procurement_local"),
    *("fct_contract", "fct_procurement", "fct_exemption", "fct_saving", "fct_event", "fct_social_value"),
}
KEPT_FROM_READERS = [
    *("landing.file", "raw.ledger", "raw.quarantine", "raw.supplier_record", "reference.postcode"),
    *("reference.postcode_district", "ops.quarantine"),
    *("ops.batch", "ops.release", "ops.audit", "ops.published_scorecard", "warehouse.fct_spend"),
    *("warehouse.line_key", "warehouse.spend_total"),
    *("staging.stg_raw__ledger", "intermediate.int_supplier__resolved", "seeds.individual_pattern"),
    *("release_0001.dim_supplier", "release_0002.dim_supplier", "candidate.dim_supplier"),
]


@pytest.fixture
def copy(county: County) -> Iterator[psycopg.Connection]:
    """A copy of the county for one test to change."""
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def reader(county: County) -> Iterator[psycopg.Connection]:
    """`bi_reader` on the county, where a next release is being built."""
    with county.copied() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            open_candidate(connection)
        with psycopg.connect(warehouse.reader_url(), autocommit=True) as connection:
            yield connection


def open_candidate(connection: psycopg.Connection) -> int:
    """A new release with a candidate like the published one, its figures told apart by its number."""
    release_id = one(
        connection, "insert into ops.release (status, inputs_digest) values ('building', 'x') returning release_id"
    )
    connection.execute("create schema candidate")
    newest = one(connection, "select schema_name from ops.release where status = 'published' order by 1 desc limit 1")
    for name in relations(connection, newest):
        connection.execute(f"create table candidate.{name} as select * from {newest}.{name}".encode())
    connection.execute(f"update candidate.kpi_scorecard set line_count = {release_id}".encode())
    connection.execute(f"update candidate.dim_supplier set resolution_rule = '{release_id}'".encode())
    return int(release_id)


def judge(connection: psycopg.Connection, release_id: int, severity: str = "critical", passed: bool = True) -> None:
    connection.execute(
        "insert into ops.audit (release_id, suite, check_no, description, severity, owner, passed)"
        " select %s, 'suite', count(*) + 1, 'check', %s, 'owner', %s from ops.audit where release_id = %s",
        [release_id, severity, passed, release_id],
    )


def test_readers_get_exactly_the_tables_of_the_release_and_the_history(reader: psycopg.Connection) -> None:
    found = reader.execute("select viewname from pg_views where schemaname = 'marts'").fetchall()
    assert {name for (name,) in found} == PUBLISHED | MADE


@pytest.mark.parametrize("name", sorted(PUBLISHED | MADE))
def test_a_reader_may_read_every_mart_with_or_without_its_schema(reader: psycopg.Connection, name: str) -> None:
    rows = one(reader, f"select count(*) from {name}")
    assert rows == one(reader, f"select count(*) from marts.{name}")
    assert (rows == 0) == (name in EMPTY)


@pytest.mark.parametrize("name", KEPT_FROM_READERS)
def test_a_reader_may_read_nothing_else(reader: psycopg.Connection, county: County, name: str) -> None:
    with psycopg.connect(warehouse.url(), autocommit=True) as owner:
        assert one(owner, f"select to_regclass('{name}')") == name
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        reader.execute(f"select * from {name}".encode())


def test_a_reader_has_a_right_on_no_relation_outside_the_marts(reader: psycopg.Connection) -> None:
    readable = reader.execute(
        """
        select relnamespace::regnamespace::text, relname from pg_class
        where relkind in ('r', 'v', 'm', 'p', 'f', 'S')
            and relnamespace::regnamespace::text not in ('marts', 'pg_catalog', 'information_schema', 'pg_toast')
            and has_schema_privilege(relnamespace, 'usage')
            and (relkind = 'S' or has_any_column_privilege(oid, 'select'))
        """
    ).fetchall()
    assert readable == []


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        "create temporary table mine (a integer)",
        "create table public.mine (a integer)",
        "create table marts.mine (a integer)",
        "create schema mine",
        "delete from marts.dim_category",
        "update marts.kpi_scorecard set value = 1",
        "insert into marts.kpi_definition (kpi_id) values ('mine')",
        "drop view marts.release",
    ],
)
def test_a_reader_cannot_write_even_when_it_asks_for_a_transaction_that_can(
    reader: psycopg.Connection, statement: str, writable: bool
) -> None:
    refused = (
        errors.InsufficientPrivilege if writable else (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)
    )
    with pytest.raises(refused), reader.transaction(force_rollback=True):
        if writable:
            reader.execute("set transaction read write")
        reader.execute(statement.encode())


@pytest.mark.parametrize("database", ["airflow", "postgres", "template1"])
def test_a_reader_cannot_connect_to_another_database(reader: psycopg.Connection, database: str) -> None:
    url = warehouse.reader_url().rpartition("/")[0] + f"/{database}"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(url)


def test_the_owner_is_no_superuser_and_cannot_read_airflows_database(reader: psycopg.Connection) -> None:
    with psycopg.connect(warehouse.url()) as owner:
        assert one(owner, "select rolsuper from pg_roles where rolname = current_user") is False
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(warehouse.url().rpartition("/")[0] + f"/{postgres.AIRFLOW}")


def test_publishing_renames_the_candidate_and_points_every_mart_at_it(copy: psycopg.Connection) -> None:
    release_id = open_candidate(copy)
    copy.execute("create table candidate.kpi_new as select 1 as kpi_id; drop table candidate.dim_category")
    judge(copy, release_id)
    judge(copy, release_id, "warning", passed=False)
    done = publish.publish(release_id)
    assert (done.release_id, done.schema_name, done.batches, done.lines, done.is_sample) == (
        *(3, "release_0003", 5, 11, False),
    )
    assert set(relations(copy, "marts")) == PUBLISHED - {"dim_category"} | {"kpi_new"} | MADE
    assert one(copy, "select to_regnamespace('candidate')") is None
    assert one(copy, "select distinct line_count from marts.kpi_scorecard") == 3
    assert one(copy, "select max(release_id) from marts.release") == 3
    assert one(copy, "select count(*) from ops.release_batch where release_id = 3") == 5
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert one(reader, "select kpi_id from kpi_new") == 1


def test_a_release_nobody_audited_is_not_published(copy: psycopg.Connection) -> None:
    release_id = open_candidate(copy)
    judge(copy, 2)  # another release's audit is none of its own
    refuses(copy, release_id, "release 3 is not audited")


def test_a_release_with_a_critical_failure_is_not_published(copy: psycopg.Connection) -> None:
    release_id = open_candidate(copy)
    judge(copy, release_id)
    judge(copy, release_id, passed=False)
    refuses(copy, release_id, "failed its audit")


@pytest.mark.parametrize(("release_id", "status"), [(1, "published"), (2, "published"), (99, "unknown")])
def test_a_release_published_before_is_not_published_again(
    copy: psycopg.Connection, release_id: int, status: str
) -> None:
    open_candidate(copy)
    refuses(copy, release_id, f"release {release_id} is {status}, not being built")


def test_a_failed_release_is_not_published(copy: psycopg.Connection) -> None:
    release_id = open_candidate(copy)
    judge(copy, release_id)
    publish.fail(release_id, "because")
    refuses(copy, release_id, "release 3 is failed, not being built")


def refuses(connection: psycopg.Connection, release_id: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        publish.publish(release_id)
    assert one(connection, "select max(release_id) from marts.release") == 2
    assert one(connection, "select to_regnamespace('candidate')") == "candidate"
    assert one(connection, "select min(line_count) from marts.kpi_scorecard") != 3


def test_a_published_release_cannot_be_called_failed_afterwards(copy: psycopg.Connection) -> None:
    publish.fail(2, "too late")
    assert one(copy, "select status from ops.release where release_id = 2") == "published"


def test_a_publication_that_breaks_half_way_changes_nothing(
    copy: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_id = open_candidate(copy)
    judge(copy, release_id)
    point = publish._point_marts

    def break_down(connection: psycopg.Connection, release: str) -> None:
        point(connection, release)
        raise RuntimeError("the plug was pulled")

    monkeypatch.setattr(publish, "_point_marts", break_down)
    with pytest.raises(RuntimeError):
        publish.publish(release_id)
    assert set(relations(copy, "marts")) == PUBLISHED | MADE
    assert one(copy, "select max(release_id) from marts.release") == 2
    assert one(copy, "select status from ops.release where release_id = 3") == "building"
    assert one(copy, "select to_regnamespace('candidate')") == "candidate"


class Watcher(threading.Thread):
    """Reads three marts again and again as `bi_reader`, noting which release each of them stood for."""

    def __init__(self, *, one_snapshot: bool) -> None:
        super().__init__()
        self.one_snapshot = one_snapshot
        self.url = warehouse.reader_url()
        self.seen: list[tuple[int, int, int]] = []
        self.trouble: list[str] = []
        self.enough = threading.Event()
        self.begun = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self.enough.is_set():
                try:
                    self.seen.append(self._look(connection))
                except psycopg.Error as problem:
                    self.trouble.append(str(problem).partition("\n")[0])
                self.begun.set()

    def _look(self, connection: psycopg.Connection) -> tuple[int, int, int]:
        queries = (
            "select max(release_id) from marts.release",
            "select max(line_count) from marts.kpi_scorecard",
            "select max(resolution_rule)::integer from marts.dim_supplier",
        )
        if not self.one_snapshot:
            together = ", ".join(f"({query})" for query in queries)
            return tuple(connection.execute(f"select {together}".encode()).fetchone() or ())
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read")
            return tuple(one(connection, query) for query in queries)  # type: ignore[return-value]


def test_readers_never_see_a_mixture_of_releases_nor_an_error(copy: psycopg.Connection) -> None:
    release_id = open_candidate(copy)
    judge(copy, release_id)
    publish.publish(release_id)
    watchers = [Watcher(one_snapshot=False), Watcher(one_snapshot=True)]
    for watcher in watchers:
        watcher.start()
    try:
        for watcher in watchers:
            assert watcher.begun.wait(10)
        for _ in range(6):
            release_id = open_candidate(copy)
            judge(copy, release_id)
            publish.publish(release_id)
            for watcher in watchers:
                watcher.begun.clear()
                assert watcher.begun.wait(10)
    finally:
        for watcher in watchers:
            watcher.enough.set()
            watcher.join(10)
    for watcher in watchers:
        assert set(watcher.trouble) == set()
        mixtures = {seen for seen in watcher.seen if len(set(seen)) > 1}
        assert mixtures == set()
        assert {seen[0] for seen in watcher.seen} >= {3, 9}


def test_a_reader_with_a_long_query_holds_the_switch_up_and_no_longer_than_a_minute(
    copy: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_id = open_candidate(copy)
    judge(copy, release_id)
    assert publish._PATIENCE_SECONDS == 60
    monkeypatch.setattr(publish, "_PATIENCE_SECONDS", 0.3)
    with psycopg.connect(warehouse.reader_url()) as reader:
        reader.execute("select count(*) from marts.kpi_scorecard")  # and the transaction stays open
        with pytest.raises(UserError, match="kept a mart busy"):
            publish.publish(release_id)
    assert publish.publish(release_id).release_id == release_id


def test_a_table_that_is_vacuumed_does_not_hold_the_switch_up(
    copy: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_id = open_candidate(copy)
    judge(copy, release_id)
    monkeypatch.setattr(publish, "_PATIENCE_SECONDS", 0)
    with warehouse.connect() as vacuum:
        vacuum.execute("lock table warehouse.fct_spend in share update exclusive mode")
        assert publish.publish(release_id).release_id == release_id


def test_the_readers_password_is_the_one_that_was_given(copy: psycopg.Connection) -> None:
    address = warehouse.reader_url()
    password = address.partition("bi_reader:")[2].partition("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address.replace(password, "not-it"))


def test_a_second_set_up_takes_nothing_from_a_reader(copy: psycopg.Connection, county: County) -> None:
    password = warehouse.given_reader_password()
    warehouse.set_up(password)
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert one(reader, "select count(*) from kpi_scorecard") > 0
    assert one(copy, "select count(*) from ops.release") == 2


def third(connection: psycopg.Connection) -> None:
    """Publish a third release, with a table that the second does not have."""
    release_id = open_candidate(connection)
    connection.execute("create table candidate.kpi_new as select 1 as kpi_id")
    judge(connection, release_id)
    assert publish.publish(release_id).release_id == 3


def test_a_roll_back_shows_readers_the_earlier_release_and_says_who_and_why(copy: psycopg.Connection) -> None:
    third(copy)
    assert publish.roll_back(1, " Head of procurement ", "a file of April was counted twice") == [2, 3]
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert one(reader, "select max(release_id) from release") == 1
        assert one(reader, "select sum(amount) from fct_spend") == one(
            copy, "select sum(amount) from release_0001.fct_spend"
        )
        assert one(reader, "select sum(amount) from fct_spend") != one(
            copy, "select sum(amount) from release_0002.fct_spend"
        )
    assert set(relations(copy, "marts")) == PUBLISHED | MADE
    assert copy.execute(
        "select release_id, status, withdrawn_by, reason, withdrawn_at is null from ops.release order by release_id"
    ).fetchall() == [
        (1, "published", None, None, True),
        *((one, "withdrawn", "Head of procurement", "a file of April was counted twice", False) for one in (2, 3)),
    ]
    # What the checks of the next release compare it with.
    assert (
        one(
            copy,
            "select count(*) from (table ops.published_scorecard except select kpi_id, institution_id,"
            " financial_year, definition_id, value from release_0001.kpi_scorecard) as other",
        )
        == 0
    )
    assert relations(copy, "release_0003")  # withdrawn, and kept


def test_after_a_roll_back_the_next_release_is_made_as_ever(county: County, copy: psycopg.Connection) -> None:
    assert publish.is_current(copy)
    publish.roll_back(1, "data engineer", "wrong")
    assert not publish.is_current(copy)
    release_id = open_candidate(copy)
    judge(copy, release_id)
    publish.publish(release_id)
    found = copy.execute("select release_id from marts.release order by release_id").fetchall()
    assert found == [(1,), (3,)]


@pytest.mark.parametrize(
    ("release_id", "by", "reason", "words"),
    [
        (2, "data engineer", "wrong", "release 2 is the one that readers see"),
        (3, "data engineer", "wrong", "release 3 is building, not published; published: 1, 2"),
        (99, "data engineer", "wrong", "release 99 is unknown"),
        (1, " ", "wrong", "say who"),
        (1, "data engineer", " ", "say why"),
    ],
)
def test_a_roll_back_that_cannot_be_is_refused_and_changes_nothing(
    copy: psycopg.Connection, release_id: int, by: str, reason: str, words: str
) -> None:
    open_candidate(copy)
    with pytest.raises(UserError, match=words):
        publish.roll_back(release_id, by, reason)
    assert one(copy, "select max(release_id) from marts.release") == 2
    assert one(copy, "select count(*) from ops.release where status = 'withdrawn'") == 0


def test_a_release_whose_tables_are_gone_cannot_be_shown_again(copy: psycopg.Connection) -> None:
    copy.execute("drop schema release_0001 cascade")
    with pytest.raises(UserError, match="the tables of release 1 are gone"):
        publish.roll_back(1, "data engineer", "wrong")


def test_a_roll_back_that_breaks_half_way_changes_nothing(
    copy: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_write", lambda connection, *_: connection.execute("select 1 / 0"))
    with pytest.raises(errors.DivisionByZero):
        publish.roll_back(1, "data engineer", "wrong")
    assert one(copy, "select max(release_id) from marts.release") == 2
    assert one(copy, "select count(*) from ops.release where status = 'published'") == 2
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert one(reader, "select count(*) from kpi_scorecard") > 0


def test_a_signature_stands_in_the_history_that_readers_see(copy: psycopg.Connection) -> None:
    signed = "select release_id, signed_by, signed_at is null from release order by release_id"
    publish.sign(2, "Luton Council", "without the airport")
    publish.sign(2, " Bedfordshire Police ")
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert reader.execute(signed.encode()).fetchall() == [
            (1, None, True),
            (2, "Luton Council; Bedfordshire Police", False),
        ]
    assert copy.execute("select signed_by, note from ops.release_signature order by signed_at").fetchall() == [
        ("Luton Council", "without the airport"),
        ("Bedfordshire Police", None),
    ]
    third(copy)
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert reader.execute(signed.encode()).fetchall()[1:] == [
            (2, "Luton Council; Bedfordshire Police", False),
            (3, None, True),
        ]


def test_a_signature_that_cannot_be_is_refused(copy: psycopg.Connection) -> None:
    publish.sign(1, "Luton Council")
    with pytest.raises(UserError, match="Luton Council has signed release 1 already"):
        publish.sign(1, "Luton Council")
    with pytest.raises(UserError, match="say who"):
        publish.sign(1, "")
    publish.roll_back(1, "Luton Council", "wrong")
    with pytest.raises(UserError, match="release 2 is withdrawn, not published; published: 1"):
        publish.sign(2, "Luton Council")
    assert one(copy, "select count(*) from ops.release_signature") == 1


def test_a_warehouse_from_before_learns_of_withdrawals_and_signatures(copy: psycopg.Connection) -> None:
    copy.execute(
        """
        drop table ops.release_signature;
        alter table ops.release drop column withdrawn_at, drop column withdrawn_by,
            drop constraint release_status_check,
            add constraint release_status_check check (status in ('building', 'published', 'failed'));
        drop view marts.release;
        create view marts.release as select release_id, closed_at as published_at, schema_name, is_sample, batches,
            lines, amount from ops.release;
        grant select on marts.release to bi_reader
        """
    )
    warehouse.set_up(warehouse.given_reader_password())
    publish.sign(1, "Luton Council")
    assert publish.roll_back(1, "Luton Council", "wrong") == [2]
    with psycopg.connect(warehouse.reader_url()) as reader:
        assert one(reader, "select signed_by from release") == "Luton Council"
