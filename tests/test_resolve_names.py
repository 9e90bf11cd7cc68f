"""Names and identifiers of suppliers made comparable."""

import dataclasses
from unittest.mock import patch

import pytest
from anchorspend.resolve import identifiers
from anchorspend.resolve import names as names_module
from anchorspend.resolve.names import Name, names
from hypothesis import example, given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("written", "core", "form", "qualifier"),
    [
        ("The Alder & Beech Co. (UK) Limited", "alder and beech", "ltd", "uk"),
        ("ALDER AND BEECH PLC", "alder and beech", "plc", ""),
        ("Alder Community Interest Company", "alder", "cic", ""),
        ("A.B.C. Group Holdings Ltd.", "abc", "ltd", "group holdings"),
        ("J W Alder Plumbing", "jw alder plumbing", "", ""),
        ("Café Ålder Ltd", "cafe alder", "ltd", ""),
        ("00123456 - ALDER LTD", "alder", "ltd", ""),
        ("Alder Ltd (DO NOT USE)", "alder", "ltd", ""),
        ("SUMUP *ALDER CAKES", "alder cakes", "", ""),
        ("Children's Alder Trust C/O Beech LLP", "childrens alder trust", "", ""),
        ("170 Community Project", "170 community project", "", ""),
        ("Limited", "limited", "", ""),
        ("Limited Editions Ltd", "limited editions", "ltd", ""),
        ("Mgmt Assoc", "management association", "", ""),
    ],
)
def test_what_a_clerk_did_to_a_name_is_taken_off(written: str, core: str, form: str, qualifier: str) -> None:
    assert names(written) == (Name(core, form, qualifier),)


@pytest.mark.parametrize("between", ["T/A", "t/a", "T/AS", "trading as", "Trading As", "formerly", "formerly known as"])
def test_a_second_name_is_an_alias(between: str) -> None:
    assert [one.core for one in names(f"Alder Works Ltd {between} Beech Homes")] == ["alder works", "beech homes"]


@pytest.mark.parametrize("written", ["VARIOUS", "Sundry Suppliers", "petty cash", "", None, " - "])
def test_nobody_is_nobody(written: str | None) -> None:
    assert names(written) == ()


@pytest.mark.parametrize(
    ("cut", "core"),
    [
        ("ALDER COST CONSULTANTS LIMI", "alder cost consultants"),
        ("ALDER COST CONSULTANTS L", "alder cost consultants"),
        ("ALDER WORKS LTD T/A BEE", "alder works"),
        ("ALDER & B", "alder and b"),
        ("ALDER GRO", "alder"),
    ],
)
def test_what_a_cut_left_of_a_form_is_dropped(cut: str, core: str) -> None:
    assert [one.core for one in names(cut, truncated=True)] == [core]


_TEXTS = st.text(max_size=40) | st.lists(
    st.sampled_from(
        [
            "the",
            "a",
            "b",
            "and",
            "&",
            "co",
            "ltd",
            "limited",
            "(uk)",
            "group",
            "t/a",
            "formerly",
            "plc",
            "12345678",
            "-",
            "works",
            "alder",
            "*",
            "c/o",
            "nhs",
            "assn",
            "co operative",
        ]
    ),
    max_size=8,
).map(" ".join)


@given(_TEXTS)
@example("the the the")
@example("co co ltd and")
def test_a_normal_name_stays_as_it_is(text: str) -> None:
    for one in names(text):
        again = names(one.core)
        assert again == () or (len(again) == 1 and again[0].core == one.core), one


class Everything(frozenset[str]):
    """Has a word in common with whatever it is asked about."""

    def isdisjoint(self, other: object) -> bool:
        return False


@given(_TEXTS, st.booleans())
@example("co operative assn the ltd and", False)
@example("a b and", False)
def test_no_step_that_is_not_taken_would_have_changed_anything(text: str, truncated: bool) -> None:
    short = names(text, truncated=truncated)
    rules = dataclasses.replace(names_module._rules(), respelt=Everything(), changing=Everything())
    with patch.object(names_module, "_rules", lambda: rules):
        assert names(text, truncated=truncated) == short


@given(_TEXTS)
def test_letters_never_vanish_altogether(text: str) -> None:
    from anchorspend.resolve.names import is_nobody

    if any(map(str.isalnum, text)):
        assert names(text) or is_nobody(text)


@pytest.mark.parametrize(
    ("given_", "number"),
    [
        ("1234568", "01234568"),
        (" 00445790 ", "00445790"),
        ("445790", "00445790"),
        ("GB-COH-4142000", "04142000"),
        ("sc 123456", "SC123456"),
        ("OC12345", "OC012345"),
        ("CE001234", "CE001234"),
        ("XX123456", None),
        ("123", None),
        ("00000000", None),
        ("123456789", None),
        ("99999999", None),
        ("n/a", None),
        (None, None),
    ],
)
def test_company_numbers(given_: str | None, number: str | None) -> None:
    assert identifiers.company_number(given_) == number


@pytest.mark.parametrize(
    ("given_", "number"),
    [
        ("1089464", "1089464"),
        ("216250", "216250"),
        ("1089464-1", "1089464"),
        ("SC012345", "SC012345"),
        ("12345", None),
        ("-1", None),
    ],
)
def test_charity_numbers(given_: str, number: str | None) -> None:
    assert identifiers.charity_number(given_) == number


def check_digits(seven: int, added: int) -> str:
    total = sum(weight * int(digit) for weight, digit in zip(range(8, 1, -1), f"{seven:07}", strict=True)) + added
    return f"{seven:07}{(97 - total % 97) % 97:02}"


@given(st.integers(1, 9_999_999), st.sampled_from((0, 55)))
def test_vat_numbers_of_both_kinds_pass(seven: int, added: int) -> None:
    number = check_digits(seven, added)
    assert identifiers.vat_number(f"GB {number[:3]} {number[3:7]} {number[7:]}") == number
    assert identifiers.vat_number(number + "001") == number


@given(st.integers(1, 9_999_999), st.integers(0, 6), st.integers(1, 9))
def test_a_digit_mistyped_in_a_vat_number_is_caught(seven: int, at: int, by: int) -> None:
    number = check_digits(seven, 0)
    wrong = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    # The two kinds share the space of numbers, so that one wrong digit in fifty may fit the other kind.
    assert (
        identifiers.vat_number(wrong) is None or (int(wrong[7:]) - int(check_digits(int(wrong[:7]), 55)[7:])) % 97 == 0
    )


@pytest.mark.parametrize(
    ("given_", "postcode"), [("lu1 2bq", "LU12BQ"), ("LU1", None), ("TBC", None), ("ZZ99 9ZZ", None), (None, None)]
)
def test_postcodes(given_: str | None, postcode: str | None) -> None:
    assert identifiers.postcode(given_) == postcode
