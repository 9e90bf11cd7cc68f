"""Bounds: the statements of the models themselves, run on 200 counties resampled from the sample, against its truth.

Each resampled county is an institution of its own in copies of the tables that the statements read: its suppliers are
drawn with replacement from those of the county, with all their records, their statuses and who they truly are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import psycopg
import pytest
from anchorspend import settings
from psycopg import sql
from test_movement import compared_county, compiled
from test_sme import Sample, true_status

RESAMPLES = 200
YEARS = ("2017-18", "2018-19", "2019-20")
BEDFORDSHIRE = {"E06000032", "E06000055", "E06000056"}
HEADLINES = {"local": "strategy", "sme": "transparency_code", "vcs": "lga"}
SURE = 0.99
TABLES = (
    *("int_spend__by_supplier", "spend_basis", "scope_base", "kpi", "dim_supplier", "supplier_local", "supplier_size"),
    *("supplier_sector", "supplier_status"),
)
PROFILES = ("int_kpi__profile_of", "int_kpi__profile_status")  # made of the tables above


def truth_of(sample: Sample) -> pd.DataFrame:
    """What is true of each supplier record, by measure."""
    truth = sample.truth
    local = truth.postcode.str.match(r"LU\d") | truth.authority_code.isin(BEDFORDSHIRE)
    sme = pd.Series([true_status(row, "transparency_code") for row in truth.itertuples()], truth.index)
    return pd.DataFrame({"local": local, "sme": sme, "vcs": truth.voluntary == "yes"}).astype(bool)


def paid_by_record(connection: psycopg.Connection) -> pd.DataFrame:
    """The county's pounds by year and supplier record, and what is said of it under each headline definition."""
    query = """
        select spend.financial_year, record.supplier_record_id::text as record, record.supplier_id::text as supplier,
            sum(spend.amount) as amount
        from intermediate.int_spend__by_supplier as spend
        inner join candidate.spend_basis as basis using (institution_id, financial_year, basis)
        inner join candidate.dim_supplier as record using (supplier_record_id)
        where basis.is_counted and spend.scope <> 'between_anchors'
        group by 1, 2, 3
    """
    return pd.DataFrame(connection.execute(query.encode()).fetchall(), columns=["year", "record", "supplier", "amount"])


def resample(paid: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Records of 200 counties: suppliers drawn with replacement from one of the years, in turn."""
    parts = []
    for number in range(RESAMPLES):
        year = paid[paid.year == YEARS[number % len(YEARS)]]
        suppliers = year.supplier.unique()
        drawn = pd.DataFrame({"supplier": rng.choice(suppliers, len(suppliers))})
        drawn["copy"] = drawn.index
        parts.append(drawn.merge(year, on="supplier").assign(county=f"r{number:03}"))
    made = pd.concat(parts, ignore_index=True)
    made["new_record"] = [f"00000000-0000-0000-0000-{position:012x}" for position in range(len(made))]
    made["new_supplier"] = [
        f"00000000-0000-0000-{int(county[1:]):04x}-{copy:012x}"
        for county, copy in zip(made.county, made["copy"], strict=True)
    ]
    return made


def on_resampled(model: str) -> bytes:
    """A model's own statement, reading the resampled tables."""
    text = compiled(model)
    for name in (*TABLES, *PROFILES):
        for schema in ("candidate", "intermediate", "seeds"):
            text = text.replace(f'"{schema}"."{name}"', f'pg_temp."{name}"')
    return text.encode()


def statement(connection: psycopg.Connection, model: str) -> pd.DataFrame:
    """What a model's own statement gives on the resampled tables."""
    cursor = connection.execute(on_resampled(model))
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


def copy_tables(connection: psycopg.Connection, made: pd.DataFrame) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "create temporary table drawn"
            " (county text, record uuid, new_record uuid, new_supplier uuid, amount numeric)"
        )
        with cursor.copy("copy drawn from stdin") as copy:
            for row in made[["county", "record", "new_record", "new_supplier", "amount"]].itertuples(index=False):
                copy.write_row(row)
        for name, query in {
            "int_spend__by_supplier": "select county as institution_id, '2019-20' as financial_year,"
            " null::int as quarter, 'ledger' as basis, new_record as supplier_record_id,"
            " 'influenceable' as scope, amount, 1 as line_count"
            " from drawn",
            "spend_basis": "select distinct county as institution_id, '2019-20' as financial_year, 'ledger' as basis,"
            " true as is_counted from drawn",
            "scope_base": "select 'all_counted' as base, 'influenceable' as scope",
            "kpi": "select * from seeds.kpi where kpi_id in ('local_spend_pct', 'sme_spend_pct', 'vcs_spend_pct')",
            "dim_supplier": "select new_record as supplier_record_id, new_supplier as supplier_id, link_probability,"
            " register_probability from drawn inner join candidate.dim_supplier on record = supplier_record_id",
            "supplier_local": "select place.*, new_record from candidate.supplier_local as place"
            " inner join drawn on supplier_record_id = record where definition_id = 'strategy'",
            "supplier_size": "select size.*, new_record from candidate.supplier_size as size"
            " inner join drawn on supplier_record_id = record where definition_id = 'transparency_code'",
            "supplier_sector": "select sector.*, new_record from candidate.supplier_sector as sector"
            " inner join drawn on supplier_record_id = record where definition_id = 'lga'",
            "supplier_status": "select status.*, new_record from candidate.supplier_status as status"
            " inner join drawn on supplier_record_id = record"
            " where definition_id in ('strategy', 'transparency_code', 'lga')",
        }.items():
            table = sql.Identifier("pg_temp", name)
            cursor.execute(sql.SQL("create temporary table {} as ").format(sql.Identifier(name)) + sql.SQL(query))
            if "new_record from" in query:
                cursor.execute(sql.SQL("alter table {} drop column supplier_record_id").format(table))
                cursor.execute(sql.SQL("alter table {} rename column new_record to supplier_record_id").format(table))
            cursor.execute(sql.SQL("analyze {}").format(table))
        for name in PROFILES:
            cursor.execute(f"create temporary table {name} as ".encode() + on_resampled(name))
            cursor.execute(f"analyze {name}".encode())


@dataclass(frozen=True)
class Resampled:
    """200 counties: the records of each with their truth, and the figures of the models' statements."""

    records: pd.DataFrame
    figures: pd.DataFrame


_made: list[Resampled] = []


@pytest.fixture
def counties(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Resampled:
    if not _made:
        sample = compared_county(server, tmp_path_factory)
        with sample.used() as connection:
            _made.append(resampled(connection, truth_of(sample)))
    return _made[0]


def resampled(connection: psycopg.Connection, truth: pd.DataFrame) -> Resampled:
    rng = np.random.default_rng(20190801)
    paid = paid_by_record(connection)
    made = resample(paid[paid.record.isin(truth.index)], rng)
    made["amount"] = made.amount.astype(float)
    said = said_of_records(connection)
    with connection.transaction(force_rollback=True):
        copy_tables(connection, made)
        interval = statement(connection, "int_kpi__interval")
        spend = statement(connection, "int_kpi__spend")
    spend = spend[spend.quarter.isna()]
    keys = ["kpi_id", "institution_id", "definition_id"]
    figures = interval.merge(spend, on=keys, suffixes=("", "_spend"))
    figures = figures[figures.institution_id != "partnership"]
    columns = [column for column in figures if column.startswith("value")]
    figures[columns] = figures[columns].astype(float)
    figures["measure"] = figures.kpi_id.str.split("_").str[0]
    parts = []
    for measure in HEADLINES:
        part = made.merge(said[said.measure == measure], on="record")
        part["truth"] = truth[measure].reindex(part.record).to_numpy()
        parts.append(part)
    records = pd.concat(parts, ignore_index=True)
    records["share"] = records.set_index(["county", "measure"]).index.map(
        figures.set_index(["institution_id", "measure"]).value
    )
    # One draw for each supplier and measure: what the interval takes for chance, drawn.
    draw = records[["county", "copy", "measure"]].drop_duplicates()
    draw["draw"] = rng.random(len(draw))
    return Resampled(records.merge(draw, on=["county", "copy", "measure"]), figures)


def said_of_records(connection: psycopg.Connection) -> pd.DataFrame:
    """Status (0 to 1, missing where unknown) of each record by headline definition, and how far it is relied on."""
    query = """
        with said as (
            select 'local' as measure, supplier_record_id, local_probability as status, location_evidence as evidence,
                null as certainty
            from candidate.supplier_local where definition_id = 'strategy'
            union all
            select 'sme', supplier_record_id, case sme_status when 'sme' then 1 when 'not_sme' then 0 end, evidence_id,
                certainty
            from candidate.supplier_size where definition_id = 'transparency_code'
            union all
            select 'vcs', supplier_record_id, case vcs_status when 'voluntary' then 1 when 'not_voluntary' then 0 end,
                null, certainty
            from candidate.supplier_sector where definition_id = 'lga'
        )
        select said.measure, said.supplier_record_id::text as record, said.status::double precision,
            coalesce((
                select rule.reliability * case rule.stands_on
                    when 'link' then record.link_probability when 'register' then record.register_probability else 1 end
                from seeds.status_reliability as rule
                where rule.measure = said.measure and (rule.evidence is null or rule.evidence = said.evidence)
                    and rule.certainty is not distinct from said.certainty
                order by rule.evidence is null
                limit 1
            ), 0)::double precision as reliability
        from said
        inner join candidate.dim_supplier as record using (supplier_record_id)
    """
    found = pd.DataFrame(
        connection.execute(query.encode()).fetchall(), columns=["measure", "record", "status", "reliability"]
    )
    found["status"] = found.status.astype(float)
    found["reliability"] = found.reliability.where(found.status.notna(), 0)
    return found


def held(counties: Resampled, true: pd.Series, low: str, high: str) -> pd.DataFrame:
    """By county and measure: whether a figure's range holds its true share."""
    records = counties.records
    counted = (records.amount * true).groupby([records.county, records.measure]).sum()
    total = records.amount.groupby([records.county, records.measure]).sum()
    share = (counted / total).rename("true").reset_index()
    found = counties.figures.merge(share, left_on=["institution_id", "measure"], right_on=["county", "measure"])
    assert len(found) == len(HEADLINES) * RESAMPLES
    found["held"] = (found[low] - 1e-7 <= found.true) & (found.true <= found[high] + 1e-7)
    return found


def test_low_and_high_always_hold_the_truth_while_what_is_known_is_right(counties: Resampled) -> None:
    records = counties.records
    true = records.status.where(records.status.isin([0, 1]), records.draw < records.share)
    assert (~records.status.isin([0, 1])).sum() > 1000
    assert held(counties, true, "value_low", "value_high").held.all()


def test_the_least_and_the_most_always_hold_the_truth_while_what_is_sure_is_right(counties: Resampled) -> None:
    records = counties.records
    sure = records.status.isin([0, 1]) & (records.reliability >= SURE)
    chance = records.reliability * records.status.fillna(0) + (1 - records.reliability) * records.share
    assert held(counties, records.status.where(sure, records.draw < chance), "value_min", "value_max").held.all()
    assert held(counties, records.status.where(sure, records.truth), "value_min", "value_max").held.all()


def test_nine_in_ten_intervals_hold_what_is_drawn_as_the_evidence_says(counties: Resampled) -> None:
    records = counties.records
    chance = records.reliability * records.status.fillna(0) + (1 - records.reliability) * records.share
    found = held(counties, records.draw < chance, "value_p05", "value_p95")
    print(found.groupby("measure").held.mean(), found.held.mean())  # noqa: T201  # the measure, with -s
    assert 0.85 <= found.held.mean() <= 0.95


def test_nine_in_ten_intervals_hold_the_truth_of_the_county(counties: Resampled) -> None:
    found = held(counties, counties.records.truth, "value_p05", "value_p95")
    wide = held(counties, counties.records.truth, "value_min", "value_max")
    plain = held(counties, counties.records.truth, "value_low", "value_high")
    measures = {"interval": found, "min max": wide, "low high": plain}
    print(pd.DataFrame({name: one.groupby("measure").held.mean() for name, one in measures.items()}))  # noqa: T201
    # Not always: a valid postcode that is another's stands on the payment line, and nothing says otherwise.
    assert 0.85 <= found.held.mean() <= 0.97
    assert wide.held.mean() >= 0.95
    assert wide.held.mean() > plain.held.mean()


def test_the_ranges_lie_in_one_another(counties: Resampled) -> None:
    found = counties.figures
    assert (found.value_min <= found.value_low + 1e-8).all()
    assert (found.value_high <= found.value_max + 1e-8).all()
    assert (found.value_min <= found.value_p05).all()
    assert (found.value_p05 <= found.value_p95).all()
    assert (found.value_p95 <= found.value_max).all()


def test_the_query_of_the_documentation_answers(
    server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (settings.home() / "docs" / "explanation" / "bounds.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"```sql\n(.+?)```", text, re.DOTALL)
    with compared_county(server, tmp_path_factory).used() as connection, connection.transaction():
        connection.execute("set local search_path to candidate")
        assert connection.execute(query.encode()).fetchall()
