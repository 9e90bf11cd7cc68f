"""Resolution inside a release: whose records are collected, what people decide, and what is measured."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from anchorspend import release, resolve
from anchorspend.resolve import evaluate
from test_cli import Run, run
from test_release import County

__all__ = ["run"]


@pytest.fixture
def database(county: County) -> Iterator[psycopg.Connection]:
    """The owner's connection to a copy of the county, which is the package's warehouse."""
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


def suppliers(connection: psycopg.Connection, name: str) -> set[str]:
    found = connection.execute("select supplier_id from marts.dim_supplier where record_name = %s", [name]).fetchall()
    return {str(supplier) for (supplier,) in found}


def record(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute(
        "select supplier_record_id from raw.supplier_record where supplier_name = %s", [name]
    ).fetchone()
    assert row
    return str(row[0])


def test_every_line_s_supplier_is_a_collected_record(database: psycopg.Connection) -> None:
    lines = database.execute(
        """
        select count(*), count(*) filter (where institution_id = known.institution_id)
        from warehouse.fct_spend left join (select supplier_record_id, institution_id as of_record from
            raw.supplier_record) as one using (supplier_record_id)
        left join raw.supplier_record as known using (supplier_record_id, institution_id)
        """
    ).fetchone()
    assert lines
    assert lines[0] == lines[1] > 10


def test_a_batch_loaded_while_a_release_is_made_waits_for_the_next(database: psycopg.Connection) -> None:
    database.execute("delete from reference.resolved_batch where batch_id = (select max(batch_id) from ops.batch)")
    seen = database.execute("select count(*) from staging.stg_ops__batch").fetchone()
    everything = database.execute("select count(*) from ops.batch").fetchone()
    assert seen and everything
    assert seen[0] == everything[0] - 1
    resolve.resolve()
    assert database.execute("select count(*) from staging.stg_ops__batch").fetchone() == everything


def test_register_numbers_that_come_later_are_kept_on_the_record(connection: psycopg.Connection) -> None:
    lines = [(1, None), (2, "1234567"), (3, None)]
    for batch, number in lines:
        connection.execute(
            """
            with file as (
                insert into landing.file (institution_id, feed_id, name, sha256, size_bytes, source, modified_at,
                    is_sample) values ('a', 'ledger', %(b)s::text, %(b)s::text, 1, 'x', now(), false) returning file_id
            ),
            batch as (
                insert into ops.batch (file_id, institution_id, feed_id, kind, layout_digest, status, vat_basis,
                    lines_read, lines_loaded, lines_quarantined, amount_read, amount_loaded, amount_quarantined)
                select file_id, 'a', 'ledger', 'ledger', 'd', 'loaded', 'net', 1, 1, 0, 1, 1, 0 from file
                returning batch_id
            )
            insert into raw.ledger (batch_id, line_no, source_row, supplier_name, supplier_postcode, company_number,
                amount)
            select batch_id, 1, 2, 'Alder  Works Ltd', 'lu1 2bq', %(number)s, 1 from batch
            """,
            {"b": batch, "number": number},
        )
        resolve.resolve()
    assert connection.execute(
        "select supplier_name, supplier_postcode, company_number, batch_id from raw.supplier_record"
    ).fetchall() == [("Alder  Works Ltd", "LU12BQ", "1234567", 1)]


def test_a_decision_is_made_followed_by_the_next_release_and_taken_back(run: Run, database: psycopg.Connection) -> None:
    paper, bolts = (record(database, name) for name in ("Luton Paper", "Bedford Bolts"))
    decided = run("decide", "same", paper, bolts, "--by", "procurement lead", "--reason", "one owner")
    assert decided.code == 0
    assert release.make() is not None
    assert len(suppliers(database, "Luton Paper") | suppliers(database, "Bedford Bolts")) == 1
    told = database.execute(
        "select linked_pairs, true_pairs, precision, recall from marts.resolution_quality"
        " where measured_against = 'decisions'"
    ).fetchone()
    assert told == (0, 1, None, Decimal(0))
    assert run("undo", "1").code == 0
    assert run("undo", "1").is_plain_refusal("no decision 1")
    assert release.make() is not None
    assert len(suppliers(database, "Luton Paper") | suppliers(database, "Bedford Bolts")) == 2


def test_what_does_not_fit_is_refused_plainly(run: Run, database: psycopg.Connection) -> None:
    words = ("--by", "procurement lead", "--reason", "x")
    assert run("decide", "alike", "a", "b", *words).is_plain_refusal("no kind of decision")
    assert run("decide", "same", "a", *words).is_plain_refusal("two ids")
    assert run("decide", "same", "a", "b", *words).is_plain_refusal("a is neither")


def test_what_is_doubtful_is_put_to_a_person_until_it_is_decided(run: Run, database: psycopg.Connection) -> None:
    database.execute(
        """
        insert into raw.supplier_record (supplier_record_id, institution_id, supplier_name, supplier_postcode, batch_id)
        values (md5('1')::uuid, 'alpha_council', 'Twin Oaks Ltd', 'LU11AA', 1),
            (md5('2')::uuid, 'alpha_council', 'Twin Oaks Ltd', 'M11AE', 1),
            (md5('3')::uuid, 'beta_police', 'Twin Oaks Ltd', null, 1)
        """
    )
    resolve.resolve()
    asked = json.loads(run("review", "--json").out)
    mine = {
        one["other_supplier_id"] for one in asked if one["name"] == "Twin Oaks Ltd" and one["other_name"] is not None
    }
    assert len(mine) >= 2
    third = database.execute("select md5('3')::uuid::text").fetchone()
    assert third
    for other in sorted({one["other_supplier_id"] for one in asked if one["supplier_record_id"] == third[0]}):
        resolve.decide("different", third[0], other, decided_by="clerk", reason="asked them")
    resolve.resolve()
    assert third[0] not in {one["supplier_record_id"] for one in json.loads(run("review", "--json").out)}
    assert "Twin Oaks Ltd" not in run("review", "--limit", "1").err


def test_the_resolution_is_measured_on_what_is_known(run: Run, database: psycopg.Connection, tmp_path: Path) -> None:
    assert run("evaluate-resolution").is_plain_refusal("only the sample county")
    truth = tmp_path / "truth"
    truth.mkdir()
    (truth / "supplier_records.csv").write_text(
        "institution_id,feed_id,supplier_ref,name,postcode,supplier_id\n"
        "alpha_council,ledger,A1,Luton Paper Ltd,LU1 1AA,S1\n"
        "beta_police,ledger,A1,Luton Paper Ltd,LU1 1AA,S1\n"
        "alpha_council,ledger,A3,Manchester Machines Ltd,M1 1AE,S2\n"
        "beta_police,ledger,A2,Manchester Machines Ltd,M1 1AE,S3\n"
    )
    assert evaluate.learn_truth(truth) == 4
    found = json.loads(run("evaluate-resolution", "--json").out)
    assert (found["precision"], found["recall"], found["records"]) == (0.5, 1.0, 4)
    # Manchester Machines: £2,000.30 of one supplier and £150.00 of another in one group. May is loaded in two versions.
    known = Decimal("1000.10") + 100 + 250 + 50 + Decimal("2000.30") + 150
    assert found["pound_error"] == pytest.approx(float(150 / known), abs=1e-5)
    assert "equal normalised names" in run("evaluate-resolution").out
    database.execute("insert into reference.register values ('ons_postcodes', '2', 's', 'l', 0)")  # calls for a release
    with pytest.raises(release.AuditFailed, match="at least 99 in 100"):
        release.make()
