"""What stands published beside the figures: what a release changed, the checks it passed, what could not be read, and
where the pounds went."""

from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from anchorspend import publish, reference, warehouse
from psycopg.rows import dict_row
from test_release import County, one


@pytest.fixture(scope="module")
def database(county: County) -> Iterator[psycopg.Connection]:
    """The published county, two releases of it, to be read and not changed."""
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        yield connection


def test_a_first_release_changes_nothing(database: psycopg.Connection) -> None:
    assert one(database, "select count(*) from release_0001.kpi_scorecard") > 50
    assert one(database, "select count(*) from release_0001.kpi_revision") == 0


def test_a_second_release_says_which_figures_it_changed_and_from_what(database: psycopg.Connection) -> None:
    # The revised file adds £150 to Luton Paper, which is local under each definition.
    found = database.execute(
        "select institution_id, kind, value_before, value, change from marts.kpi_revision"
        " where (kpi_id, definition_id) = ('local_spend_gbp', 'strategy') order by institution_id"
    ).fetchall()
    before, among_all = Decimal("1678.07"), Decimal("2128.07")
    assert found == [
        ("alpha_council", "changed", before, before + 150, Decimal(150)),
        ("partnership", "changed", among_all, among_all + 150, Decimal(150)),
    ]


def test_a_second_release_names_every_figure_that_is_another_and_no_other(database: psycopg.Connection) -> None:
    key = "kpi_id, institution_id, financial_year, definition_id"
    expected = database.execute(
        f"select {key}, value from release_0001.kpi_scorecard except select {key}, value from"
        " release_0002.kpi_scorecard order by 1, 2, 3, 4".encode()
    ).fetchall()
    found = database.execute(
        f"select {key}, value_before from marts.kpi_revision order by 1, 2, 3, 4".encode()
    ).fetchall()
    assert len(found) > 10
    assert found == expected


def test_readers_see_the_checks_of_the_release_that_stands(database: psycopg.Connection) -> None:
    columns = "check_no, suite, description, severity, owner, passed"
    shown = database.execute(
        f"select {columns}, observed::text from marts.audit_check order by check_no".encode()
    ).fetchall()
    assert len(shown) > 40
    assert (
        shown
        == database.execute(
            f"select {columns}, observed from ops.audit where release_id = 2 order by check_no".encode()
        ).fetchall()
    )
    assert {passed for *_, severity, _, passed, _ in shown if severity == "critical"} == {True}


def test_a_check_that_broke_is_published_without_the_databases_words(county: County) -> None:
    with county.copied() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "update ops.audit set passed = false, observed = 'Key (name)=(Mrs Zebedee Quux)'"
            " where release_id = 2 and severity = 'warning'"
        )
        with warehouse.connect() as owner:
            publish._point_marts(owner, "release_0002")
        broken = connection.execute("select distinct observed from marts.audit_check where not passed").fetchall()
    assert broken == [(None,)]


def test_each_line_in_quarantine_of_a_counted_file_is_counted_under_its_reasons(sample_truth: object) -> None:
    with warehouse.connect() as connection:
        problems = connection.execute(
            """
            select institution_id, feed_id, batch_id, line_no, reason, value, column_name, amount
            from ops.quarantine where batch_id in (select batch_id from marts.dim_batch)
            """
        ).fetchall()
        found = connection.execute(
            "select institution_id, feed_id, sum(line_count), sum(lines_without_amount), sum(amount), array_agg(reason)"
            " from marts.quarantine_reason group by institution_id, feed_id"
        ).fetchall()
    assert len(found) > 3
    for institution, feed, lines, without, amount, reasons in found:
        ours = {(*row[2:5], row[7]) for row in problems if row[:2] == (institution, feed)}
        assert (lines, without) == (len(ours), sum(row[-1] is None for row in ours))
        assert amount == sum((row[-1] or Decimal(0) for row in ours), Decimal(0))
        written = {row[5] for row in problems if row[:2] == (institution, feed) and row[5]}
        assert [(text, reason) for text in written for reason in reasons if text in reason] == []
    assert {row[:2] for row in problems} == {row[:2] for row in found}


def test_the_pounds_by_district_are_those_of_the_suppliers_there(bi_reader: psycopg.Connection) -> None:
    bi_reader.row_factory = dict_row  # type: ignore[assignment]
    found = bi_reader.execute(
        """
        select by_district.*, lines.expected
        from spend_by_district as by_district
        inner join (
            select financial_year, postcode_district, sum(amount) as expected
            from fct_spend inner join dim_supplier using (supplier_record_id)
            where postcode_district is not null and scope <> 'between_anchors'
            group by financial_year, postcode_district
        ) as lines using (financial_year, postcode_district)
        where by_district.institution_id = 'partnership'
        """
    ).fetchall()
    assert len(found) > 200
    assert [row for row in found if row["amount"] != row["expected"]] == []  # type: ignore[call-overload]
    placed = {
        row["postcode_district"]: (float(row["latitude"]), float(row["longitude"]))  # type: ignore[call-overload]
        for row in found
        if row["latitude"] is not None  # type: ignore[call-overload]
    }
    assert placed["LU1"] == pytest.approx((51.877, -0.424), abs=0.01)
    assert placed["MK40"] == pytest.approx((52.138, -0.466), abs=0.01)
    assert {place for place in placed if not (49 < placed[place][0] < 61 and -9 < placed[place][1] < 2)} == set()


@pytest.mark.parametrize(
    ("easting", "northing", "irish", "place"),
    [
        # The worked example of the Ordnance Survey's guide, annex C; Belfast City Hall on the Irish grid; both origins.
        (651409.903, 313177.270, False, (52.65757030556, 1.71792158333)),
        (333840, 373990, True, (54.5964, -5.9290)),
        (400000, -100000, False, (49, -2)),
        (200000, 250000, True, (53.5, -8)),
    ],
)
def test_a_grid_position_in_degrees(easting: float, northing: float, irish: bool, place: tuple[float, float]) -> None:
    exact = 1e-7 if not irish or easting == 200000 else 5e-4
    assert reference.degrees(easting, northing, irish=irish) == pytest.approx(place, abs=exact)
