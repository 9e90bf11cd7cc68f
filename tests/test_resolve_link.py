"""How records become groups: chains, contradictions, abstention, and what stays apart."""

from itertools import combinations

import pandas as pd
import pytest
from anchorspend.resolve import cluster, link, model, profiles
from anchorspend.resolve.profiles import RECORD, Node


def pairs(*rows: tuple[int, int, float]) -> pd.DataFrame:
    return pd.DataFrame([(*row, "told") for row in rows], columns=["left", "right", "weight", "evidence"])


def node(number: int, **identifiers: str) -> Node:
    return Node((number,), {kind: frozenset({value}) for kind, value in identifiers.items()}, is_private=False)


def grouped(nodes: list[Node], weights: pd.DataFrame, apart: tuple[tuple[int, int], ...] = ()) -> list[int]:
    placed = cluster.clustered(nodes, range(len(nodes)), weights, apart, model.model())
    return [placed[number].group for number in range(len(nodes))]


def test_three_that_agree_are_one() -> None:
    assert grouped([node(n) for n in range(3)], pairs((0, 1, 9), (1, 2, 9), (0, 2, 9))) == [0, 0, 0]


def test_no_chain_goes_over_two_company_numbers() -> None:
    nodes = [node(0, company_number="1"), node(1), node(2, company_number="2")]
    assert grouped(nodes, pairs((0, 1, 12), (1, 2, 8))) == [0, 0, 2]


def test_what_is_as_near_to_two_suppliers_is_neithers() -> None:
    nodes = [node(0, company_number="1"), node(1), node(2, company_number="2")]
    assert grouped(nodes, pairs((0, 1, 9), (1, 2, 9))) == [0, 1, 2]


def test_a_decision_keeps_apart_what_the_model_would_join() -> None:
    assert grouped([node(0), node(1)], pairs((0, 1, 15)), ((0, 1),)) == [0, 1]


def test_a_pair_that_speaks_against_it_splits_a_chain() -> None:
    assert len(set(grouped([node(n) for n in range(3)], pairs((0, 1, 12), (1, 2, 5), (0, 2, -9))))) > 1


def test_a_long_chain_of_doubtful_links_is_cut() -> None:
    size = cluster.LARGEST * 3
    chain = pairs(*((n, n + 1, 4.0 + n % 7) for n in range(size - 1)))
    groups = pd.Series(grouped([node(n) for n in range(size)], chain))
    assert groups.value_counts().max() <= cluster.LARGEST


def test_a_first_kind_of_identifier_decides_before_the_next() -> None:
    same_vat = {"vat_number": {"9"}}
    assert profiles.contradict({"company_number": {"1"}, **same_vat}, {"company_number": {"2"}, **same_vat})
    assert not profiles.contradict(
        {"company_number": {"1"}, "vat_number": {"8"}}, {"company_number": {"1"}, "vat_number": {"9"}}
    )
    assert not profiles.contradict({"company_number": {"1"}}, {"vat_number": {"9"}})


def records(*rows: tuple[str, str, str | None], **columns: list[str | None]) -> pd.DataFrame:
    """Records of (institution, name, postcode) with no supplier numbers of their own."""
    table = pd.DataFrame(
        [
            {"supplier_record_id": str(n), "institution_id": one, "supplier_name": name, "supplier_postcode": postcode}
            for n, (one, name, postcode) in enumerate(rows)
        ],
        columns=list(RECORD),
    ).astype(object)
    table = table.where(table.notna(), None).assign(**columns)
    return table.assign(is_private=table.supplier_name.str.startswith("Mrs "))


def groups(table: pd.DataFrame, **more: object) -> list[int]:
    return link.link(table, **more).table.group.tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Alder Works Ltd", "LU1 2BQ"), ("THE ALDER WORKS LIMITED", "lu12bq")),
        (("Alder & Beech Works Ltd", "LU1 2BQ"), ("Alder and Beech Works", "LU1 2BQ")),
        (("Alderbury Works Ltd", "LU1 2BQ"), ("ALEDRBURY WORKS", "LU1 2BQ")),
        (("Alder Works Ltd T/A Beech Homes", "LU1 2BQ"), ("BEECH HOMES", "LU1 2BQ")),
    ],
)
def test_ways_to_write_one_supplier(one: tuple[str, str], other: tuple[str, str]) -> None:
    first, second = groups(records(("a", *one), ("b", *other)))
    assert first == second


def test_a_trading_name_joins_the_records_that_never_met() -> None:
    table = records(
        ("a", "Alder Works Ltd", "LU1 2BQ"),
        ("b", "Alder Works Ltd T/A Beech Homes", "LU1 2BQ"),
        ("c", "Beech Homes", "LU1 2BQ"),
    )
    assert len(set(groups(table))) == 1


def test_neighbours_and_namesakes_stay_apart() -> None:
    table = records(
        ("a", "Alder Roofing Ltd", "LU1 2BQ"),
        ("b", "Beech Catering Ltd", "LU1 2BQ"),
        ("c", "Cedar Homes Ltd", "NR1 1AA"),
        ("d", "Cedar Homes plc", "LS1 1AA"),
    )
    assert len(set(groups(table))) == 4


def test_an_account_for_one_time_payees_is_no_supplier() -> None:
    trades = ["roofing", "catering", "printing", "plumbing", "drawing", "towing", "sewing"]
    table = records(*(("a", f"Firm of {trade}", None) for trade in trades)).assign(supplier_ref="99999")
    assert len(set(groups(table))) == len(trades)
    assert len(set(groups(table[:3]))) == 1


def test_private_persons_and_nobody_are_linked_to_nobody() -> None:
    table = records(
        *(
            (body, name, "LU1 2BQ")
            for body in "ab"
            for name in ("Mrs Testina Sampleworth", "VARIOUS", "Sundry suppliers")
        )
    )
    assert len(set(groups(table))) == 6


def test_equal_records_with_two_company_numbers_stay_two_whatever_the_order() -> None:
    for numbers in (["01111112", "02222223", None], [None, "01111112", "02222223"], ["01111112", None, "02222223"]):
        table = records(*((body, "Alder Works Ltd", "LU1 2BQ") for body in "abc"), company_number=numbers)
        found = link.link(table).table
        for left, right in combinations(found.itertuples(), 2):
            if pd.notna(left.company_number) and pd.notna(right.company_number):
                assert left.group != right.group
