"""What could be contested, in order, and the highest local share it could lead to: against truth and brute force."""

import csv
import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from anchorspend import settings
from test_joint import REGISTER_DAY, Procured, procured_county, without_an_end
from test_movement import compiled

SEEDS = settings.home() / "dbt_project" / "seeds"
YEAR = "2019-20"
COUNCILS = {"luton_council", "bedford_borough_council", "central_bedfordshire_council"}
HORIZON, COMPETITIONS = 5, 150


@pytest.fixture(scope="module")
def county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Procured]:
    yield procured_county(server, tmp_path_factory)


@pytest.fixture(scope="module")
def bought(county: Procured) -> pd.DataFrame:
    """Lines of the newest year that can be influenced, under the category that is true where one is known."""
    status = county.rows(
        "select supplier_record_id::text as record, local_status from supplier_local where definition_id = 'strategy'"
    )
    lines = county.lines.merge(status, on="record", validate="many_to_one")
    lines = lines[(lines.financial_year == YEAR) & (lines.scope == "influenceable") & ~lines.is_individual.astype(bool)]
    return lines.assign(category=lines.category_code.where(lines.bought_code.notna(), ""))


@pytest.fixture(scope="module")
def list_of(county: Procured) -> pd.DataFrame:
    query = "select *, supplier_id::text as supplier from contestable_spend where definition_id = 'strategy'"
    return county.rows(query)


def test_the_list_holds_every_pound_that_is_not_local_once(bought: pd.DataFrame, list_of: pd.DataFrame) -> None:
    key = ["institution_id", "category", "supplier"]
    due = bought[bought.local_status == "not_local"].groupby(key).pounds.agg(["sum", "count"])
    assert len(due) > 300
    found = {
        (row.institution_id, row.category_code, row.supplier): (row.amount, row.line_count)
        for row in list_of.itertuples()
    }
    assert found == {index: tuple(row) for index, row in zip(due.index, due.to_numpy().tolist(), strict=True)}


def test_local_supply_is_who_else_buys_the_category_locally(bought: pd.DataFrame, list_of: pd.DataFrame) -> None:
    sold = bought[(bought.local_status == "local") & (bought.category != "")]
    paid = sold.groupby(["category", "institution_id", "supplier"]).pounds.sum()
    paid = paid[paid > 0].reset_index()
    seen: set[str] = set()
    for row in list_of.itertuples():
        held = paid[paid.category == row.category_code]
        others = held[held.institution_id != row.institution_id]
        due = "others" if len(others) else "own" if len(held) else "none"
        assert row.local_supply == (due if row.category_code else "unknown")
        seen.add(row.local_supply)
        if row.category_code:
            assert (row.local_suppliers, row.local_suppliers_of_others) == (
                held.supplier.nunique(),
                others.supplier.nunique(),
            )
            most = (
                held[held.supplier.isin(others.supplier)]
                .groupby("supplier")
                .pounds.sum()
                .sort_values(ascending=False)
                .head(3)
            )
            names = bought.drop_duplicates("supplier").set_index("supplier").supplier_name
            assert set((row.top_local_suppliers or "").split("; ")) == set(names[most.index]) or most.empty
    assert seen == {"others", "own", "none", "unknown"}


def test_what_is_up_for_renewal_is_what_the_true_contracts_say(county: Procured, list_of: pd.DataFrame) -> None:
    """The supplier of each contract is the published one, which is held against truth elsewhere."""
    suppliers = county.rows("select institution_id, contract_ref, supplier_id::text as supplier from fct_contract")
    true = county.contracts.merge(suppliers, on=["institution_id", "contract_ref"], validate="one_to_one")
    endless = without_an_end(county)
    seen = set()
    for row in list_of.itertuples():
        held = true[(true.institution_id == row.institution_id) & (true.supplier == row.supplier)]
        held = held[held.end_date > REGISTER_DAY]
        if row.category_code:
            held = held[held.category_code == row.category_code]
        if row.institution_id not in COUNCILS:
            due, free = "no_register", None
        elif held.empty:
            due, free = "none_found", None
        elif set(held.institution_id + ":" + held.contract_ref) & endless:
            due, free = "no_end_date", None
        else:
            due, free = "running", (held.end_date.max() + pd.Timedelta(days=1)).date()
        assert (row.contract_state, row.free_on) == (due, free)
        seen.add(due)
    assert seen >= {"no_register", "none_found", "running"}


def test_the_order_is_the_weighted_pounds(list_of: pd.DataFrame) -> None:
    with (SEEDS / "contest_weight.csv").open(encoding="utf-8", newline="") as stream:
        weight = {(row["factor"], row["state"]): Decimal(row["weight"]) for row in csv.DictReader(stream)}
    for row in list_of.itertuples():
        due = row.amount
        for factor in ("local_supply", "when_free", "competition"):
            due *= weight[factor, getattr(row, factor)]
        assert abs(row.weighted_amount - due) <= Decimal("0.005")
    for _, rows in list_of.groupby("institution_id"):
        ordered = rows.sort_values("contest_rank")
        assert ordered.contest_rank.tolist() == list(range(1, len(rows) + 1))
        assert ordered.weighted_amount.tolist() == sorted(rows.weighted_amount, reverse=True)


def test_below_and_above_are_told_by_the_threshold_in_force(list_of: pd.DataFrame) -> None:
    # Since 1 January 2026: works, light-touch services, central bodies and NHS trusts, everybody else.
    for row in list_of.itertuples():
        limit = 135_018 if row.institution_id == "bedfordshire_hospitals" else 207_720
        limit = {"39": 5_193_000, "32": 663_540}.get(row.category_code[:2], limit)
        assert row.threshold == limit
        assert row.competition == ("below_threshold" if row.estimated_value < limit else "above_threshold")
    assert set(list_of.competition) == {"below_threshold", "above_threshold"}
    free = list_of[list_of.contract_state == "none_found"]
    assert (free.estimated_value - free.amount * 4 * Decimal("1.2")).abs().max() <= Decimal("0.01")


def first_year(free: date | None, opens: date, *, by_its_last_day: bool) -> int:
    """The first year after the newest, counted from 1, that is wholly or partly behind a contract's end."""
    for step in range(1, HORIZON + 1):
        begins, after = opens.replace(year=opens.year + step), opens.replace(year=opens.year + step + 1)
        if free is None or (free < after if by_its_last_day else free <= begins):
            return step
    return HORIZON + 1


def test_the_attainable_path_is_that_of_a_plain_simulation(county: Procured, list_of: pd.DataFrame) -> None:
    path = county.rows("select * from attainable_path where definition_id = 'strategy'")
    assert path.institution_id.nunique() == 9
    moved: dict[tuple[str, int, bool], Decimal] = defaultdict(Decimal)
    for institution, offers in list_of[list_of.amount > 0].groupby("institution_id"):
        opens = date(2019, 8, 1) if institution == "university_of_bedfordshire" else date(2019, 4, 1)
        for is_sure in (True, False):
            arriving = defaultdict(list)
            for row in offers.itertuples():
                if is_sure:
                    open_to_all = row.local_supply in {"others", "own"}
                    open_to_all &= row.contract_state in {"none_found", "running"}
                else:
                    open_to_all = row.local_supply != "none"
                if open_to_all:
                    arriving[first_year(row.free_on, opens, by_its_last_day=not is_sure)].append(-row.amount)
            waiting: list[Decimal] = []
            total = Decimal(0)
            for step in range(1, HORIZON + 1):
                for amount in arriving[step]:
                    heapq.heappush(waiting, amount)
                for _ in range(min(COMPETITIONS, len(waiting))):
                    total -= heapq.heappop(waiting)
                moved[institution, step, is_sure] = total
                moved["partnership", step, is_sure] += total
    for row in path[path.years_on > 0].itertuples():
        assert row.sure_moved_amount == moved[row.institution_id, row.years_on, True]
        assert row.moved_amount == moved[row.institution_id, row.years_on, False]
        assert row.attainable_share == round((row.local_amount_now + row.moved_amount) / row.known_amount, 8)
    now = county.rows(
        "select institution_id, value from kpi_scorecard where kpi_id = 'local_spend_pct'"
        f" and definition_id = 'strategy' and financial_year = '{YEAR}'"
    )
    assert path[path.years_on == 0].set_index("institution_id").share_now.to_dict() == dict(
        now.itertuples(index=False, name=None)
    )


def test_a_target_is_attainable_out_of_reach_or_uncertain_by_the_two_bounds(county: Procured) -> None:
    path = county.rows(
        "select * from attainable_path where definition_id = 'strategy' and institution_id = 'luton_council'"
    ).set_index("financial_year")
    targets = {"2020-21": 0.4, "2021-22": 0.5, "2022-23": 0.6, "2023-24": 0.7}
    for year, target in targets.items():
        row = path.loc[year]
        due = "out_of_reach" if row.attainable_share < target else "uncertain"
        due = "attainable" if row.sure_share >= target else due
        assert (float(row.target), row.status) == (target, due)
    assert path.loc["2024-25"].status == "no_target"


def best_by_enumeration(offers: list[tuple[int, int]], competitions: int, years: int) -> int:
    """The most pounds that any plan moves within the years: every set that is free and can be held."""
    best = 0
    for chosen in itertools.product((False, True), repeat=len(offers)):
        taken = [offer for offer, is_taken in zip(offers, chosen, strict=True) if is_taken]
        # From every year on there must be competitions enough for what is free no earlier.
        if all(
            sum(step >= year for _, step in taken) <= competitions * (years - year + 1) for year in range(1, years + 1)
        ):
            best = max(best, sum(pounds for pounds, step in taken if step <= years))
    return best


def test_the_path_is_the_best_there_is_in_every_year_of_two_hundred_small_cases(county: Procured) -> None:
    """Each case stands as a definition of local of its own; every plan there could be is tried."""
    chance = random.Random(70)
    cases: dict[str, list[tuple[int, int]]] = {}
    with county.connection.transaction(force_rollback=True), county.connection.cursor() as cursor:
        cursor.execute("delete from contestable_spend")
        cursor.execute(
            """
            create temporary table one on commit drop as select * from kpi_scorecard
            where (kpi_id, institution_id, financial_year, definition_id)
                = ('local_spend_pct', 'luton_council', '2019-20', 'strategy')
            """
        )
        cursor.execute("delete from kpi_scorecard")
        cursor.execute("update seeds.opportunity_rule set threshold = 2 where rule_id = 'competitions_a_year'")
        cursor.execute("update seeds.opportunity_rule set threshold = 3 where rule_id = 'horizon_years'")
        for number in range(200):
            offers = [(chance.randint(1, 60), chance.randint(1, 4)) for _ in range(chance.randint(1, 9))]
            cases[f"case_{number}"] = offers
            cursor.execute(
                """
                insert into kpi_scorecard
                select changed.* from one cross join lateral jsonb_populate_record(
                    one, jsonb_build_object('definition_id', %s::text, 'numerator', 100, 'denominator', 1000)
                ) as changed
                """,
                [f"case_{number}"],
            )
            for pounds, step in offers:
                free = date(2019 + step, 4, 1) if chance.random() < 0.5 or step > 1 else None
                cursor.execute(
                    """
                    insert into contestable_spend (definition_id, institution_id, category_code, supplier_id,
                        financial_year, amount, local_supply, contract_state, free_on)
                    values (%s, 'luton_council', '13', gen_random_uuid(), '2019-20', %s, 'others', %s, %s)
                    """,
                    [f"case_{number}", pounds, "running" if free else "none_found", free],
                )
        path = county.rows(compiled("attainable_path"))
    assert len(path) == 200 * 4
    for row in path[path.years_on > 0].itertuples():
        due = best_by_enumeration(cases[row.definition_id], 2, row.years_on)
        assert (row.definition_id, row.years_on, row.sure_moved_amount) == (row.definition_id, row.years_on, due)
        assert row.sure_competitions <= 2
