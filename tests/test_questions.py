"""The questions of docs/how-to/questions.md: each query answers as readers ask it, and the answers are the truth's."""

import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from anchorspend import settings
from psycopg.rows import dict_row

PAGE = settings.home() / "docs" / "how-to" / "questions.md"


def questions() -> list[tuple[str, str]]:
    """Each question of the page with its query."""
    return re.findall(r"^## (.+?)\n.*?```sql\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def answer(reader: psycopg.Connection, word: str) -> list[dict]:
    """The answer to the one question with a word in it."""
    (query,) = (query for title, query in questions() if word in title)
    with reader.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode()).fetchall()


@pytest.fixture
def lines(sample_truth: Path) -> pd.DataFrame:
    found = pd.read_csv(sample_truth / "lines.csv", dtype=str, keep_default_na=False)
    return found.assign(amount=found.amount.map(Decimal), file=found.file.str.split("/").str[-1])


def test_there_are_ten_questions_with_a_query_each() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(questions()) == text.count("\n## ") == text.count("```sql") == 10


@pytest.mark.parametrize("number", range(10))
def test_a_question_has_an_answer(bi_reader: psycopg.Connection, number: int) -> None:
    _, query = questions()[number]
    assert bi_reader.execute(query.encode()).fetchall()


def test_what_third_parties_were_paid_is_the_truths(bi_reader: psycopg.Connection, lines: pd.DataFrame) -> None:
    of_year = lines[(lines.institution_id == "luton_council") & (lines.feed_id == "ledger")]
    of_year = of_year[of_year.financial_year == "2017-18"]
    grants = of_year[of_year.scope == "grant"]
    rows = answer(bi_reader, "third parties")
    totals = {row["is_third_party"]: row for row in rows if row["what"] == "together"}
    assert totals[True]["pounds"] == Decimal(192_000_000) + grants.amount.sum()
    assert totals[None]["pounds"] == Decimal(238_000_000) == of_year.amount.sum()
    assert totals[None]["lines"] == len(of_year)
    for is_in in (True, False):
        parts = [row for row in rows if row["what"] != "together" and row["is_third_party"] is is_in]
        assert sum(row["pounds"] for row in parts) == totals[is_in]["pounds"]


def test_a_figure_comes_from_lines_that_stand_where_it_says(bi_reader: psycopg.Connection, lines: pd.DataFrame) -> None:
    rows = answer(bi_reader, "which lines")
    truth = {(one.file, one.sheet, one.row): one.amount for one in lines.itertuples()}
    for row in rows:
        place = (row["file_name"].split("/")[-1], row["source_sheet"] or "", str(row["source_row"]))
        assert row["amount"] == truth[place]
    dearest = bi_reader.execute(
        """
        select sum(amount) from fct_spend inner join supplier_local using (institution_id, supplier_record_id)
        where institution_id = 'luton_council' and financial_year = '2019-20'
            and definition_id = 'strategy' and local_status = 'local'
        group by supplier_record_id order by 1 desc limit 1
        """
    ).fetchone()
    assert (sum(row["amount"] for row in rows),) == dearest


def test_suppliers_of_several_institutions_are_the_truths(bi_reader: psycopg.Connection, lines: pd.DataFrame) -> None:
    """The published names are those of the records, so each supplier is looked up by the pounds of its lines."""
    paid = bi_reader.execute(
        """
        select supplier_id::text, reverse(split_part(reverse(file_name), '/', 1)), coalesce(source_sheet, ''),
            source_row::text
        from fct_spend inner join dim_batch using (batch_id) inner join dim_supplier using (supplier_record_id)
        where financial_year = '2019-20' and scope = 'influenceable'
        """
    ).fetchall()
    truth = {(one.file, one.sheet, one.row): one.supplier_id for one in lines.itertuples()}
    true_suppliers = defaultdict(set)
    for supplier, *place in paid:
        true_suppliers[supplier].add(truth[tuple(place)])
    rows = answer(bi_reader, "several of us")
    assert len(rows) == 50
    assert all(row["institutions"] > 1 for row in rows)
    assert [row["pounds"] for row in rows] == sorted((row["pounds"] for row in rows), reverse=True)
    one = sum(len(found) == 1 for found in true_suppliers.values())
    assert one / len(true_suppliers) > 0.99


def test_each_suppliers_payments_are_those_of_the_lines(bi_reader: psycopg.Connection) -> None:
    """The table that the questions stand on, against the lines it sums up."""
    columns = "financial_year, institution_id, supplier_record_id, scope"
    differing = bi_reader.execute(
        f"""
        with line as (select {columns}, sum(amount) as amount, count(*) as line_count from fct_spend group by {columns})
        (select * from line except select {columns}, amount, line_count from supplier_spend)
        union all
        (select {columns}, amount, line_count from supplier_spend except select * from line)
        """.encode()
    ).fetchall()
    assert differing == []
    assert bi_reader.execute("select count(*) > 1000 from supplier_spend").fetchone() == (True,)
