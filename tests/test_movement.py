"""What moves a figure, and what unlike institutions and years do to it: recomputed from the lines, and cut by hand."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal

import pandas as pd
import psycopg
import pytest
from anchorspend import reference, settings, warehouse
from test_sme import Sample, build, sample_county

DOCS = settings.home() / "docs" / "explanation" / "comparing.md"
MARTS = "+kpi_without +kpi_change +county_year_effect +spend_range +dim_institution_series +kpi_quarter"
FULL = ("luton_council", "luton_airport", "university_of_bedfordshire")
PLACES = Decimal(1).scaleb(-8)

_built: list[Sample] = []


def compared_county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The sample county with the marts that compare figures, built once for every module that asks."""
    sample = sample_county(server, tmp_path_factory)
    if not _built:
        with sample.used():
            reference.load_postcodes(lambda _: None)
            build(MARTS)
        _built.append(sample)
    return sample


def compiled(model: str) -> str:
    """The statement dbt ran for a model, for whichever database the connection is of."""
    # deeper down lie the inputs of unit tests, under the same names
    (path,) = (settings.dbt_project() / "target" / "compiled" / "anchorspend" / "models").glob(f"*/{model}.sql")
    return re.sub(r'"\w+"\.("\w+"\."\w+")', r"\1", path.read_text(encoding="utf-8"))


@contextmanager
def undone(connection: psycopg.Connection) -> Iterator[None]:
    """Changes that are taken back."""
    with connection.transaction(force_rollback=True):
        yield


@pytest.fixture
def database(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    with compared_county(server, tmp_path_factory).used() as connection:
        yield connection


def table(connection: psycopg.Connection, query: str) -> pd.DataFrame:
    return pd.DataFrame(warehouse.rows(connection, query))


def lines(connection: psycopg.Connection, more: str = "null as more") -> pd.DataFrame:
    """Pounds by institution, year and supplier record as counted, with the headline status of local."""
    return table(
        connection,
        f"""
        select line.institution_id, line.financial_year, line.scope = 'between_anchors' as is_between, {more},
            supplier.supplier_id::text, line.contract_ref,
            coalesce(line.category_code, line.category_label, line.expense_type, '') as heading,
            status.is_in, sum(line.amount) as amount
        from candidate.fct_spend as line
        inner join candidate.dim_supplier as supplier using (supplier_record_id)
        inner join candidate.supplier_status as status using (supplier_record_id)
        where status.measure = 'local' and status.definition_id = 'strategy'
        group by 1, 2, 3, 4, 5, 6, 7, 8
        """,
    )


def of_figure(found: pd.DataFrame, institution: str) -> pd.DataFrame:
    return found[~found.is_between] if institution == "partnership" else found[found.institution_id == institution]


def share(found: pd.DataFrame) -> Decimal:
    counted = found.amount[found.is_in.eq(True)].sum()
    known = found.amount[found.is_in.notna()].sum()
    return (Decimal(counted) / Decimal(known)).quantize(PLACES, ROUND_HALF_UP)


def test_a_figure_without_a_supplier_or_contract_is_worked_out_from_what_is_left(database: psycopg.Connection) -> None:
    rows = table(
        database,
        "select *, supplier_id::text as of from candidate.kpi_without"
        " where (kpi_id, definition_id) = ('local_spend_pct', 'strategy')",
    )
    found = lines(database)
    assert set(rows.left_out) == {"supplier", "contract"}
    for row in rows[(rows["rank"] <= 3) | (rows.left_out == "contract")].itertuples():
        figure = of_figure(found, row.institution_id)
        figure = figure[figure.financial_year == row.financial_year]
        if row.left_out == "supplier":
            out = figure.supplier_id == row.of
        else:
            out = (figure.contract_ref == row.contract_ref) & (figure.institution_id == row.contract_institution_id)
        assert figure.amount[out].sum() == row.amount
        assert share(figure) == row.value
        assert share(figure[~out]) == row.value_without
        assert row.difference == row.value_without - row.value
        assert row.moves_figure == (abs(row.difference) > Decimal("0.01"))


def test_the_suppliers_left_out_are_those_with_most_pounds(database: psycopg.Connection) -> None:
    paid = of_figure(lines(database), "partnership")
    paid = paid[paid.financial_year == "2018-19"].groupby("supplier_id").amount.sum().sort_values(ascending=False)
    rows = table(
        database,
        "select amount from candidate.kpi_without where left_out = 'supplier' and (kpi_id, definition_id)"
        " = ('local_spend_pct', 'strategy') and (institution_id, financial_year) = ('partnership', '2018-19')"
        " order by rank",
    )
    assert rows.amount.tolist() == paid.tolist()[:10]


def test_no_effect_is_left_over(database: psycopg.Connection) -> None:
    rows = table(database, "select * from candidate.kpi_change")
    assert len(rows) > 300
    effects = ["volume_effect", "mix_effect", "rate_effect", "definition_effect", "data_effect"]
    residual = [now - sum(parts) for now, *parts in rows[["change", *effects]].itertuples(index=False)]
    assert set(residual) == {Decimal(0)}
    scores = table(database, "select * from candidate.kpi_scorecard").set_index(
        ["kpi_id", "institution_id", "financial_year", "definition_id"]
    )
    for row in rows.itertuples():
        now = scores.loc[(row.kpi_id, row.institution_id, row.financial_year, row.definition_id), "value"]
        then = scores.loc[(row.kpi_id, row.institution_id, row.previous_year, row.previous_definition_id), "value"]
        assert row.change == now - then


def test_each_effect_is_what_its_sentence_says(database: psycopg.Connection) -> None:
    rows = table(
        database,
        "select * from candidate.kpi_change where (kpi_id, series_id) = ('local_spend_pct', 'strategy')",
    )
    missing = table(
        database,
        "select institution_id, financial_year, missing_months, basis from candidate.kpi_scorecard"
        " where (kpi_id, definition_id) = ('local_spend_pct', 'strategy')",
    ).set_index(["institution_id", "financial_year"])
    found = lines(database).assign(amount=lambda one: one.amount.astype(float))
    assert set(rows.institution_id) >= {"partnership", *FULL}
    for row in rows.itertuples():
        years = (row.previous_year, row.financial_year)
        figure = of_figure(found, row.institution_id)
        members = []
        for member, own in figure.groupby("institution_id"):
            known = [missing.loc[(member, year)] for year in years if (member, year) in missing.index]
            if len(known) < 2 or any(one.missing_months for one in known) or known[0].basis != known[1].basis:
                continue
            cells = pd.DataFrame(
                {
                    f"{what}{n}": part.groupby("heading").amount.sum()
                    for n, year in enumerate(years)
                    for what, part in (
                        ("t", own[own.financial_year == year]),
                        ("k", own[(own.financial_year == year) & own.is_in.notna()]),
                        ("c", own[(own.financial_year == year) & own.is_in.eq(True)]),
                    )
                }
            ).fillna(0)
            rates = [cells[f"c{n}"] / cells[f"k{n}"].where(cells[f"k{n}"] != 0) for n in (0, 1)]
            rates = [rates[0].fillna(rates[1]), rates[1].fillna(rates[0])]
            said = rates[0].notna()
            cells, rates = cells[said], [rate[said] for rate in rates]
            parts = [cells[f"t{n}"] / cells[f"t{n}"].sum() for n in (0, 1)]
            members.append(
                (
                    *(cells[f"t{n}"].sum() for n in (0, 1)),
                    *((parts[n] * rates[n]).sum() for n in (0, 1)),
                    ((parts[1] - parts[0]) * (rates[0] + rates[1]) / 2).sum(),
                    ((parts[1] + parts[0]) * (rates[1] - rates[0]) / 2).sum(),
                )
            )
        assert len(members) == row.institutions_compared
        if not members:
            assert row.data_effect == row.change - row.definition_effect
            continue
        of = pd.DataFrame(members, columns=["t0", "t1", "v0", "v1", "mix", "rate"])
        before, after = of.t0 / of.t0.sum(), of.t1 / of.t1.sum()
        expected = {
            "volume_effect": ((after - before) * (of.v0 + of.v1) / 2).sum(),
            "mix_effect": ((after + before) / 2 * of["mix"]).sum(),
            "rate_effect": ((after + before) / 2 * of["rate"]).sum(),
            "data_effect": float(row.change) - ((after * of.v1).sum() - (before * of.v0).sum()),
            "definition_effect": 0.0,
        }
        for name, value in expected.items():
            assert float(getattr(row, name)) == pytest.approx(value, abs=1e-7), (row.institution_id, name)


def test_the_countys_year_by_day_of_payment_is_that_of_the_lines(database: psycopg.Connection) -> None:
    month = "to_char(line.spend_date - interval '3 months', 'YYYY') as more"
    paid = of_figure(lines(database, month), "partnership")
    own_year = paid.financial_year.where(paid.institution_id != "university_of_bedfordshire")
    by_day = (paid.more + "-" + ((paid.more.astype(int) + 1) % 100).astype(str)).where(
        paid.institution_id == "university_of_bedfordshire", own_year
    )
    rows = table(
        database,
        "select * from candidate.county_year_effect where (kpi_id, definition_id) = ('local_spend_pct', 'strategy')",
    )
    assert len(rows) == 9
    assert set(rows.difference[rows.is_applied]) == {Decimal(0)}
    for row in rows[rows.rule_id == "day_of_payment"].itertuples():
        assert row.value == share(paid[by_day == row.financial_year])
        assert row.total_amount == paid.amount[by_day == row.financial_year].sum()
    moved = rows[rows.rule_id == "day_of_payment"].set_index("financial_year")
    assert moved.months_difference.to_dict() == {"2017-18": -4, "2018-19": 0, "2019-20": 0}
    assert (moved.difference != 0).all()


def ranges(connection: psycopg.Connection) -> pd.DataFrame:
    return table(connection, compiled("spend_range")).set_index(["institution_id", "financial_year"])


@pytest.mark.parametrize("institution", FULL)
def test_a_ledger_cut_at_25000_pounds_is_recovered(database: psycopg.Connection, institution: str) -> None:
    whole = ranges(database)
    with undone(database):
        database.execute("update ops.feed set publishes_over = 25000 where institution_id = %s", [institution])
        cut = database.execute(
            "delete from warehouse.fct_spend where institution_id = %s and abs(amount) < 25000", [institution]
        )
        assert cut.rowcount > 100
        found = ranges(database)
    for year in ("2017-18", "2018-19", "2019-20"):
        true, row = whole.loc[(institution, year)].amount, found.loc[(institution, year)]
        assert row.amount < row.total_low <= row.total_estimate <= row.total_high
        assert abs(row.total_estimate - true) < (true - row.amount), "the estimate is nearer than what is published"
        county, before = found.loc[("partnership", year)], whole.loc[("partnership", year)]
        assert county.amount < county.total_low < county.total_estimate < county.total_high
        assert before.amount > county.amount
    # Nine in ten ledgers are promised; a ledger is one case, so its years are taken together.
    assert found.loc[institution].total_low.sum() <= whole.loc[institution].amount.sum()
    assert whole.loc[institution].amount.sum() <= found.loc[institution].total_high.sum()


def test_without_a_threshold_nothing_is_added(database: psycopg.Connection) -> None:
    rows = ranges(database).loc[list(FULL)]
    assert (rows.total_low == rows.amount).all()
    assert (rows.total_high == rows.amount).all()
    assert rows.reference_count.isna().all()


def test_the_pounds_net_of_vat_lie_in_their_range(database: psycopg.Connection, sample: Sample) -> None:
    true = pd.read_csv(sample.folder / "truth" / "lines.csv", dtype=str, keep_default_na=False)
    net = true.assign(net=true.net_amount.map(Decimal)).groupby(["institution_id", "financial_year"]).net.sum()
    rows = ranges(database)
    assert (rows.amount_gross > 0).sum() > 6
    for key, pounds in net.items():
        assert rows.loc[key].amount_low_net_of_vat <= pounds <= rows.loc[key].amount


def test_a_successor_goes_on_with_its_predecessors_figures(database: psycopg.Connection) -> None:
    with undone(database):
        database.execute("""
            insert into candidate.dim_institution
            select id, id, 'nhs', null, 4, null, null, predecessors from (values
                ('test_ccg_1', ''), ('test_ccg_2', ''), ('test_ccg', 'test_ccg_1 test_ccg_2'), ('test_icb', 'test_ccg'),
                ('test_loop', 'test_loop')
            ) as fixture (id, predecessors)
        """)
        database.execute("delete from candidate.dim_institution_series")
        database.execute(f"insert into candidate.dim_institution_series {compiled('dim_institution_series')}".encode())
        chain = table(database, "select * from candidate.dim_institution_series where series_id like 'test%'")
        of_icb = chain[chain.series_id == "test_icb"].set_index("institution_id").steps.to_dict()
        assert of_icb == {"test_icb": 0, "test_ccg": 1, "test_ccg_1": 2, "test_ccg_2": 2}
        assert chain[chain.series_id == "test_loop"].institution_id.tolist() == ["test_loop"]
        figure = (
            "insert into candidate.kpi_scorecard select (jsonb_populate_record(score, %s::jsonb)).* from"
            " candidate.kpi_scorecard as score where (kpi_id, institution_id, financial_year, definition_id)"
            " = ('local_spend_pct', 'luton_council', '2018-19', 'strategy')"
        )
        for institution, year, numerator in (
            ("test_ccg_1", "2017-18", 10),
            ("test_ccg_2", "2017-18", 30),
            ("test_ccg", "2018-19", 25),
            ("test_icb", "2018-19", 35),
        ):
            changed = f'{{"institution_id": "{institution}", "financial_year": "{year}", "numerator": {numerator}'
            database.execute(figure.encode(), [changed + ', "denominator": 100, "total_amount": 100}'])
        database.execute("set local search_path to candidate")
        (query,) = [one for one in queries() if "dim_institution_series" in one]
        rows = pd.DataFrame(database.execute(query.encode()).fetchall())
        series = rows[rows[0] == "test_icb"]
        assert dict(zip(series[1], series[2], strict=True)) == {"2017-18": Decimal("0.2"), "2018-19": Decimal("0.3")}


def queries() -> list[str]:
    return re.findall(r"```sql\n(.+?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(5))
def test_the_queries_of_the_documentation_answer(database: psycopg.Connection, number: int) -> None:
    assert len(queries()) == 5
    with database.transaction():
        database.execute("set local search_path to candidate")
        assert database.execute(queries()[number].encode()).fetchall()


@pytest.fixture
def sample(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return compared_county(server, tmp_path_factory)
