"""Resolution in the warehouse: what a run writes, keeps and changes, on a small sample county."""

import uuid

import pandas as pd
import psycopg
import pytest
from anchorspend import resolve
from anchorspend.errors import UserError
from anchorspend.resolve import evaluate, register
from anchorspend.resolve.profiles import RECORD

ONE, TWO, THREE, FOUR = (str(uuid.UUID(int=number)) for number in range(1, 5))


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Records of a small county with their true supplier."""
    from anchorspend.sample import write_county

    folder = tmp_path_factory.mktemp("county")
    write_county(folder / "inbox", folder / "truth", seed=501, scale=0.05)
    return evaluate.records_of(folder / "truth")


def store(connection: psycopg.Connection, records: pd.DataFrame) -> None:
    """Write records as `raw.supplier_record` holds them."""
    connection.execute("alter table raw.supplier_record alter batch_id set default 1")
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy raw.supplier_record ({', '.join(RECORD)}) from stdin") as copy,
    ):
        for row in records[list(RECORD)].itertuples(index=False):
            copy.write_row([value if isinstance(value, str) else None for value in row])


def few(*rows: dict[str, str]) -> pd.DataFrame:
    """Records of a few fields; the id is the row's name."""
    return pd.DataFrame([{"institution_id": "a", **row} for row in rows], columns=list(RECORD)).astype(object)


def suppliers(connection: psycopg.Connection) -> dict[str, str]:
    return dict(connection.execute("select supplier_record_id, supplier_id from reference.supplier_link").fetchall())


def rules(connection: psycopg.Connection) -> dict[str, str]:
    return dict(connection.execute("select supplier_record_id, rule from reference.supplier_link").fetchall())


def everything(connection: psycopg.Connection) -> list[list[tuple[object, ...]]]:
    return [
        connection.execute(f"select * from reference.{table} order by 1").fetchall()
        for table in ("supplier", "supplier_link", "supplier_retired", "resolution_run")
    ]


def test_without_supplier_records_there_is_nothing_to_resolve(warehouse_url: str) -> None:
    assert resolve.resolve().run_id is None


def test_a_county_is_linked_and_a_second_run_changes_nothing(
    connection: psycopg.Connection, county: pd.DataFrame
) -> None:
    store(connection, county)
    first = resolve.resolve()
    assert first.records == first.new_records == len(county)
    linked = county.supplier_record_id.map(suppliers(connection))
    assert linked.notna().all()
    measured = evaluate.measure(linked, county.truth, county.pounds, ~county.is_private)
    assert measured.precision >= 0.99
    assert measured.recall >= 0.9
    institutions = county.institution_id.groupby(linked).nunique()
    assert county.is_private.any()
    assert (linked[county.is_private].map(institutions) == 1).all()
    assert connection.execute("select from reference.supplier where name ~* '^(mr|mrs|ms|miss)\\M'").fetchall() == []
    before = everything(connection)
    assert resolve.resolve().run_id is None
    assert everything(connection) == before
    again = resolve.resolve(full=True)
    assert again.changed_links == 0
    assert everything(connection)[:3] == before[:3]


def test_three_steps_end_where_one_does(connection: psycopg.Connection, county: pd.DataFrame) -> None:
    third = len(county) // 3
    for part in (county[:third], county[third : 2 * third], county[2 * third :]):
        store(connection, part)
        run = resolve.resolve()
        assert run.new_records == len(part)
    stepwise = county.supplier_record_id.map(suppliers(connection))
    resolve.resolve(full=True)
    whole = county.supplier_record_id.map(suppliers(connection))
    agreement = evaluate.measure(stepwise, whole, county.pounds, ~county.is_private)
    assert agreement.precision >= 0.98
    assert agreement.recall >= 0.98


def test_numbers_join_and_forbid(connection: psycopg.Connection) -> None:
    store(
        connection,
        few(
            {"supplier_record_id": ONE, "supplier_name": "Alder Works Ltd", "company_number": "7654321"},
            {"supplier_record_id": TWO, "institution_id": "b", "supplier_name": "Beech", "company_number": "07654321"},
            {
                "supplier_record_id": THREE,
                "institution_id": "b",
                "supplier_name": "Cedar Ltd",
                "supplier_postcode": "LU1 2BQ",
                "company_number": "2222333",
            },
            {
                "supplier_record_id": FOUR,
                "supplier_name": "Cedar Ltd",
                "supplier_postcode": "LU1 2BQ",
                "company_number": "SC123456",
            },
        ),
    )
    resolve.resolve()
    found = suppliers(connection)
    assert found[ONE] == found[TWO]
    assert found[THREE] != found[FOUR]
    assert rules(connection) == {
        ONE: "company_number",
        TWO: "company_number",
        THREE: "own_record",
        FOUR: "own_record",
    }


def test_a_decision_wins_and_can_be_undone(connection: psycopg.Connection) -> None:
    store(
        connection,
        few(
            {"supplier_record_id": ONE, "supplier_name": "Alder Works Ltd", "company_number": "98765430"},
            {"supplier_record_id": TWO, "institution_id": "b", "supplier_name": "Beech", "company_number": "07654321"},
            {"supplier_record_id": THREE, "supplier_name": "Cedar Ltd", "supplier_postcode": "LU1 2BQ"},
            {
                "supplier_record_id": FOUR,
                "institution_id": "b",
                "supplier_name": "CEDAR LIMITED",
                "supplier_postcode": "LU12BQ",
            },
        ),
    )
    resolve.resolve()
    start = suppliers(connection)
    assert start[ONE] != start[TWO]
    assert start[THREE] == start[FOUR]
    same = resolve.decide("same", ONE, TWO, decided_by="procurement lead", reason="one owner, renumbered")
    apart = resolve.decide(
        "different", THREE, FOUR, decided_by="procurement lead", reason="two branches of a franchise"
    )
    resolve.resolve()
    decided = suppliers(connection)
    assert decided[ONE] == decided[TWO] == start[ONE]
    assert decided[THREE] != decided[FOUR]
    assert rules(connection)[ONE] == "decision"
    assert connection.execute("select supplier_id, now_supplier_id from reference.supplier_retired").fetchall() == [
        (start[TWO], start[ONE])
    ]
    resolve.undo(same)
    resolve.undo(apart)
    resolve.resolve()
    after = suppliers(connection)
    assert after[ONE] != after[TWO]
    assert after[THREE] == after[FOUR]
    assert len(connection.execute("select * from ops.supplier_decision").fetchall()) == 2
    with pytest.raises(UserError, match="no decision"):
        resolve.undo(same)


def test_a_register_gives_number_and_joins_by_a_previous_name(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        insert into raw.company (batch_id, line_no, source_row, company_number, company_name, postcode,
            company_category, company_status, previous_name_1)
        values (7, 1, 1, '01234567', 'NEW ALDER WORKS LIMITED', 'LU1 2BQ', 'x', 'Active', 'ALDER WORKS LIMITED'),
            (7, 2, 2, '02234567', 'TWIN OAKS LIMITED', 'LU1 2BQ', 'x', 'Active', null),
            (7, 3, 3, '03234567', 'TWIN OAKS', 'NR1 1AA', 'x', 'Active', null)
        """
    )
    register.rebuild(connection, "company")
    store(
        connection,
        few(
            {"supplier_record_id": ONE, "supplier_name": "Alder Works Ltd"},
            {"supplier_record_id": TWO, "institution_id": "b", "supplier_name": "New Alder Works"},
            {"supplier_record_id": THREE, "supplier_name": "Twin Oaks"},
        ),
    )
    resolve.resolve()
    found = {
        row[0]: row[1:]
        for row in connection.execute(
            "select supplier_record_id, supplier_id, rule, register, register_number from reference.supplier_link"
        ).fetchall()
    }
    assert found[ONE] == found[TWO]
    assert found[ONE][1:] == ("register_name", "company", "01234567")
    assert found[THREE][2] is None
    resolve.decide("register", THREE, register="company", number="02234567", decided_by="clerk", reason="invoice")
    resolve.resolve()
    given = connection.execute(
        "select register_number, register_probability from reference.supplier_link where supplier_record_id = %s",
        [THREE],
    ).fetchone()
    assert given == ("02234567", 1)


def test_what_is_between_two_suppliers_stays_alone_and_is_put_to_a_person(connection: psycopg.Connection) -> None:
    store(
        connection,
        few(
            {"supplier_record_id": ONE, "supplier_name": "Twin Oaks Ltd", "supplier_postcode": "LU1 2BQ"},
            {"supplier_record_id": TWO, "supplier_name": "Twin Oaks Ltd", "supplier_postcode": "NR1 1AA"},
            {"supplier_record_id": THREE, "institution_id": "b", "supplier_name": "Twin Oaks Ltd"},
        ),
    )
    resolve.resolve()
    found = suppliers(connection)
    assert len(set(found.values())) == 3
    asked = resolve.review()
    assert THREE in {one.supplier_record_id for one in asked}
