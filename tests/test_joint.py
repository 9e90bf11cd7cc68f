"""Contracts, what is bought in common and what can be let together: the sample county's marts against its truth."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from anchorspend import contract, ingest, model, reference, release, resolve, settings, warehouse
from anchorspend.sample import write_county
from test_movement import compiled

DOCS = settings.home() / "docs"
FIRST_DAY, REGISTER_DAY = pd.Timestamp(2017, 4, 1), pd.Timestamp(2020, 3, 31)
WINDOW = pd.DateOffset(months=6)
NEVER_LOADS = {"department_for_transport"}


@dataclass(frozen=True)
class Procured:
    """A small sample county with its contract registers, modelled in schema `candidate`.

    `lines` is one row per counted spend line, as published, with what is true of it; `contracts` is the truth's, of
    those that ever stood in a register.
    """

    connection: psycopg.Connection
    lines: pd.DataFrame
    contracts: pd.DataFrame
    people: set[str]

    def rows(self, query: str) -> pd.DataFrame:
        """The answer of a query on the candidate; unknown is None."""
        cursor = self.connection.execute(query.encode())
        table = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
        return table.astype(object).where(table.notna(), None)


_made: list[Procured] = []


def procured_county(server: Callable[[], str], factory: pytest.TempPathFactory) -> Procured:
    """The county, made once for every module that asks."""
    if not _made:
        folder = factory.mktemp("procured")
        write_county(folder / "inbox", folder / "truth", scale=0.05)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANCHORSPEND_WAREHOUSE_URL", server())
            patch.setenv("ANCHORSPEND_INBOX", str(folder / "inbox"))
            patch.setenv("ANCHORSPEND_LANDING", str(folder / "landing"))
            warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
            release.register()
            reference.load_postcodes()
            for institution in contract.load_institutions().values():
                for feed_id, feed in institution.feeds.items():
                    spent = feed.kind in {"ledger", "card", "observatory", "contract"}
                    if (spent or institution.type == "register") and institution.id not in NEVER_LOADS:
                        list(ingest.land_feed(institution, feed_id))
                        list(ingest.load_feed(institution, feed_id))
            resolve.resolve()
            connection = psycopg.connect(warehouse.url(), autocommit=True)
            connection.execute("create schema candidate")
            model.build()
            connection.execute("set search_path to candidate")
            _made.append(_beside_truth(connection, folder / "truth"))
    return _made[0]


def _beside_truth(connection: psycopg.Connection, truth: Path) -> Procured:
    ours = Procured(connection, pd.DataFrame(), pd.DataFrame(), set()).rows(
        """
        select institution_id, feed_id, reverse(split_part(reverse(file_name), '/', 1)) as file,
            coalesce(source_sheet, '') as sheet, source_row::text as row, line.financial_year, line.amount, line.scope,
            bought_code, supplier_record_id::text as record, supplier_id::text as supplier, supplier_name, is_individual
        from fct_spend as line
        inner join dim_supplier using (institution_id, supplier_record_id)
        inner join dim_batch using (institution_id, batch_id, feed_id)
        inner join dim_heading as heading using (institution_id)
        where coalesce(line.category_code, '') = heading.category_code
            and coalesce(line.category_label, '') = heading.category_label
            and coalesce(line.expense_type, '') = heading.expense_type
        """
    )
    true = pd.read_csv(truth / "lines.csv", dtype=str, keep_default_na=False)
    true = true.assign(file=true.file.str.split("/").str[-1], pounds=true.amount.map(Decimal))
    key = ["institution_id", "feed_id", "file", "sheet", "row"]
    lines = ours.merge(
        true[[*key, "supplier_id", "category_code", "pounds"]].rename(columns={"supplier_id": "true_supplier"}),
        on=key,
        validate="one_to_one",
    )
    assert len(lines) == len(ours) == len(true)
    assert (lines.amount == lines.pounds).all()
    contracts = pd.read_csv(truth / "contracts.csv", dtype=str, keep_default_na=False)
    for day in ("start_date", "end_date"):
        contracts[day] = pd.to_datetime(contracts[day])
    stood = (contracts.start_date <= REGISTER_DAY) & (contracts.end_date >= FIRST_DAY)
    people = pd.read_csv(truth / "individuals.csv", dtype=str, keep_default_na=False)
    return Procured(
        connection, lines, contracts[stood].reset_index(drop=True), set(people["name"]) | set(people.name_as_written)
    )


@pytest.fixture(scope="module")
def county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Procured]:
    yield procured_county(server, tmp_path_factory)


def without_an_end(county: Procured) -> set[str]:
    """The one contract of Luton Council's that never has an end date in its register."""
    table = county.rows("select contract_id from fct_contract where end_date is null")
    assert len(table) == 1
    return set(table.contract_id)


def test_every_contract_that_ever_stood_in_a_register_stands_once_as_it_truly_is(county: Procured) -> None:
    found = county.rows("select * from fct_contract").set_index("contract_id")
    due = county.contracts.set_index(county.contracts.institution_id + ":" + county.contracts.contract_ref)
    assert len(due) > 1000
    assert set(found.index) == set(due.index)
    found = found.loc[due.index]
    for column in ("title", "category_code"):
        assert found[column].to_dict() == due[column].to_dict()
    assert found.contract_value.to_dict() == due.contract_value.map(Decimal).to_dict()
    assert found.start_date.to_dict() == due.start_date.dt.date.to_dict()
    endless = without_an_end(county)
    assert found.end_date.drop(list(endless)).to_dict() == due.end_date.drop(list(endless)).dt.date.to_dict()
    in_the_last_quarter = due.end_date >= pd.Timestamp(2020, 1, 1)
    assert found.is_current.astype(bool).to_dict() == in_the_last_quarter.to_dict()


def test_a_contract_leads_back_to_its_line(county: Procured) -> None:
    table = county.rows(
        """
        select fct_contract.contract_ref, line.contract_ref as on_line, fct_contract.source_row, line.source_row as row
        from fct_contract left join raw.contract as line using (batch_id, line_no)
        """
    )
    assert (table.contract_ref == table.on_line).all()
    assert (table.source_row == table.row).all()


def test_a_contracts_supplier_is_the_one_it_truly_is(county: Procured) -> None:
    found = county.rows("select institution_id, contract_ref, supplier_id::text as supplier from fct_contract")
    both = found.merge(county.contracts, on=["institution_id", "contract_ref"], validate="one_to_one")
    assert both.supplier.notna().all()
    assert (both.groupby("supplier").supplier_id.nunique() == 1).all()  # no two suppliers are taken for one
    usual = both.groupby("supplier_id").supplier.agg(lambda names: names.mode()[0])
    assert (both.supplier == both.supplier_id.map(usual)).mean() >= 0.97


def test_joint_contracts_are_recognised_and_counted_once_by_their_lead(county: Procured) -> None:
    due = county.contracts[county.contracts.is_joint == "yes"]
    assert due.together.nunique() >= 3
    table = county.rows("select * from fct_contract where joint_contract_id is not null")
    groups = table.groupby("joint_contract_id")[["institution_id", "contract_ref"]].apply(
        lambda rows: frozenset(rows.itertuples(index=False, name=None))
    )
    expected = due.groupby("together")[["institution_id", "contract_ref"]].apply(
        lambda rows: frozenset(rows.itertuples(index=False, name=None))
    )
    assert set(groups) == set(expected)
    lead = {"Luton Borough Council": "luton_council"}
    leads = due.lead_body.map(lambda name: lead.get(name, name.lower().replace(" ", "_")))
    counted = table[table.is_counted_once.astype(bool)]
    assert set(counted.contract_ref) == set(due[due.institution_id == leads].contract_ref)
    assert (table.joint_institutions == table.joint_contract_id.map(groups.map(len))).all()


def test_a_joint_contracts_value_is_in_the_countys_total_once(county: Procured) -> None:
    (total,) = county.rows("select sum(contract_value) as total from fct_contract where is_counted_once").total
    true = county.contracts.assign(value=county.contracts.contract_value.map(Decimal))
    alone, joint = true[true.is_joint == "no"], true[true.is_joint == "yes"]
    assert total == sum(alone.value) + sum(joint.drop_duplicates("together").value)
    assert total < sum(true.value)


def test_what_is_recognised_by_terms_alone_is_what_the_registers_say_of_themselves(county: Procured) -> None:
    """Without lead and partners, as most registers are: the same groups by supplier, dates, value and title."""
    with county.connection.transaction(force_rollback=True):
        county.connection.execute("update intermediate.int_contract__standing set lead_institution_id = null")
        table = county.rows(compiled("fct_contract"))
    joint = table[table.joint_contract_id.notna()]
    assert set(joint.joint_rule_id) == {"same_terms"}
    assert set(joint.contract_ref) == set(county.contracts[county.contracts.is_joint == "yes"].contract_ref)


def windows_of(contracts: pd.DataFrame) -> set[frozenset[str]]:
    """The largest sets of contracts of one category, of two institutions or more, that end within the months."""
    found: set[frozenset[str]] = set()
    for _, held in contracts.groupby("category_code"):
        sets = []
        for first in held.end_date:
            near = held[(held.end_date >= first) & (held.end_date <= first + WINDOW)]
            sets.append((frozenset(near.contract_id), near.institution_id.nunique()))
        found |= {one for one, bodies in sets if bodies > 1 and not any(one < other for other, _ in sets)}
    return found


def test_windows_are_the_largest_sets_that_end_within_six_months(county: Procured) -> None:
    found = county.rows("select window_id, contract_id from contract_window")
    true = county.contracts.assign(contract_id=county.contracts.institution_id + ":" + county.contracts.contract_ref)
    lead = true.lead_body.replace({"Luton Borough Council": "Luton Council"}).str.lower().str.replace(" ", "_")
    true = true[(true.is_joint == "no") | (lead == true.institution_id)]
    true = true[(true.end_date >= REGISTER_DAY) & ~true.contract_id.isin(without_an_end(county))]
    due = windows_of(true)
    assert len(due) > 50
    assert {frozenset(rows) for _, rows in found.groupby("window_id").contract_id} == due


def test_contracts_that_could_be_let_together_stand_in_one_window(county: Procured) -> None:
    found = county.rows("select window_id, contract_id from contract_window")
    sets = [set(rows) for _, rows in found.groupby("window_id").contract_id]
    planned = county.contracts[(county.contracts.together != "") & (county.contracts.is_joint == "no")]
    planned = planned.assign(contract_id=planned.institution_id + ":" + planned.contract_ref)
    groups = [set(rows) for _, rows in planned.groupby("together").contract_id]
    assert len(groups) == 5
    for group in groups:
        assert any(group <= one for one in sets), group


def test_joint_suppliers_are_the_truths_to_the_penny(county: Procured) -> None:
    lines = county.lines
    # A supplier that was split in two is a fault of the resolution, which is measured elsewhere; none is two in one.
    assert (lines.groupby("supplier").true_supplier.nunique() == 1).all()
    parts = lines.groupby("true_supplier").supplier.nunique()
    assert (parts > 1).mean() < 0.02
    whole = lines[~lines.true_supplier.isin(parts[parts > 1].index)]
    bought = whole[(whole.scope == "influenceable") & ~whole.is_individual.astype(bool)]
    due: dict[tuple[Any, ...], Any] = {}
    for (supplier, year), rows in bought.groupby(["true_supplier", "financial_year"]):
        by_body = rows.groupby("institution_id").pounds.sum()
        if len(by_body) > 1:
            name = rows.supplier.iloc[0]
            due[name, year] = (supplier, sum(by_body), " ".join(sorted(by_body.index)), max(by_body), len(rows))
    assert len(due) > 100
    table = county.rows("select *, supplier_id::text as supplier from joint_supplier")
    found = {
        (row.supplier, row.financial_year): (row.amount, row.institutions, row.largest_amount, row.line_count)
        for row in table.itertuples()
        if row.supplier in set(whole.supplier)
    }
    assert found == {key: value[1:] for key, value in due.items()}


def test_an_institution_of_the_county_is_nobodys_joint_supplier(county: Procured) -> None:
    query = """
        select count(*) as rows from joint_supplier
        where supplier_id in (select supplier_id from dim_supplier where anchor_institution_id is not null)
    """
    assert county.rows(query).rows[0] == 0
    paid = "select sum(amount) as pounds from fct_spend where scope = 'between_anchors'"
    assert county.rows(paid).pounds[0] > 0


def test_no_line_is_given_a_category_it_has_not(county: Procured) -> None:
    known = county.lines[county.lines.bought_code.notna()]
    assert (known.bought_code == known.category_code).all()
    # The airport writes no category; of the others hardly anything stays unknown.
    others = county.lines[county.lines.institution_id != "luton_airport"]
    assert others.bought_code.notna().mean() > 0.99
    assert known.institution_id.nunique() == 7


def test_joint_categories_are_the_truths_to_the_penny(county: Procured) -> None:
    bought = county.lines[(county.lines.scope == "influenceable") & ~county.lines.is_individual.astype(bool)]
    known = bought[bought.bought_code.notna()]
    due = {}
    for key, rows in known.groupby(["category_code", "financial_year"]):
        bodies = rows.groupby("supplier").institution_id.nunique()
        if rows.institution_id.nunique() > 1:
            shared = rows.supplier.isin(bodies[bodies > 1].index)
            due[key] = (
                *(rows.pounds.sum(), rows.institution_id.nunique(), len(bodies), (bodies > 1).sum()),
                *(rows.pounds[shared].sum(), len(rows)),
            )
    assert len(due) > 60
    table = county.rows("select * from joint_category")
    columns = ["amount", "institution_count", "supplier_count", "joint_supplier_count", "joint_supplier_amount"]
    found = {
        (row["category_code"], row["financial_year"]): tuple(row[column] for column in [*columns, "line_count"])
        for row in table.to_dict("records")
    }
    assert found == due
    share = known.groupby("financial_year").pounds.sum() / bought.groupby("financial_year").pounds.sum()
    assert {key: round(value, 8) for key, value in share.items()} == dict(
        table[["financial_year", "known_share"]].drop_duplicates().itertuples(index=False, name=None)
    )


def test_separate_contracts_with_one_supplier_stand_beside_each_other(county: Procured) -> None:
    true = county.contracts[county.contracts.end_date >= REGISTER_DAY]
    true = true[(true.is_joint == "no") & ~(true.institution_id + ":" + true.contract_ref).isin(without_an_end(county))]
    bodies = true.groupby(["supplier_id", "category_code"]).institution_id.transform("nunique")
    due = {(row.institution_id, row.contract_ref): Decimal(row.contract_value) for row in true[bodies > 1].itertuples()}
    assert len(due) > 20
    table = county.rows(
        "select terms.*, contract_ref from joint_terms as terms inner join fct_contract using (contract_id)"
    )
    found = {(row.institution_id, row.contract_ref): row.contract_value for row in table.itertuples()}
    assert set(due.items()) <= set(found.items())
    group = table.groupby(["supplier_id", "category_code"])
    assert (group.annual_value.transform("min") == table.lowest_annual_value).all()
    assert (group.end_date.transform("max") == table.last_end).all()
    assert (table.highest_annual_value > table.lowest_annual_value).any()


@pytest.mark.parametrize(
    "mart", ["fct_contract", "joint_supplier", "joint_category", "contract_window", "joint_terms", "contestable_spend"]
)
def test_no_private_person_is_named_in_what_is_published_of_contracts(county: Procured, mart: str) -> None:
    assert len(county.people) > 5
    text = "\n".join(county.rows(f"select {mart}::text as row from {mart}").row).casefold()
    assert [name for name in county.people if name.casefold() in text] == []


@pytest.mark.parametrize("page", ["joint_spend", "leakage", "alerts"])
def test_the_queries_of_the_documentation_answer(county: Procured, page: str) -> None:
    (path,) = DOCS.rglob(f"{page}.md")
    queries = re.findall(r"```sql\n(.+?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    assert queries
    for query in queries:
        assert len(county.rows(query)), query
