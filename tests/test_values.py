"""One cell to one typed value: what is accepted, what is refused, and that nothing else can happen."""

import datetime as dt
from decimal import Decimal

import pytest
from anchorspend.read import values
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=40, derandomize=True)  # a slow machine is not a failure

PENCE = st.integers(-(10**15) + 1, 10**15 - 1)  # up to ten million million pounds
FORMATS = ("%d/%m/%Y", "%d.%m.%Y", "%d.%m.%y", "%d-%b-%Y", "%Y%m%d")
# How ledgers write a debit and a credit of the same digits.
STYLES = {
    "plain": ("{}", "-{}"),
    "pound": ("£{}", "-£{}"),
    "minus behind the pound": ("£{}", "£-{}"),
    "brackets": ("{}", "({})"),
    "pound in brackets": ("£{}", "(£{})"),
    "trailing minus": ("{}", "{}-"),
    "pound and trailing minus": ("£{}", "£{}-"),
    "plus": ("+{}", "-{}"),
    "spaces": (" £ {} ", "- £ {}  "),
    "credit behind": ("{} DR", "{} CR"),
    "credit before": ("Dr {}", "cr£{}"),
    "currency before": ("GBP {}", "-GBP {}"),
    "currency behind": ("{} GBP", "({} gbp)"),
    "minus sign": ("{}", "\u2212{}"),
    "dash": ("£{}", "\u2013£{}"),
    "no-break spaces": ("£\u00a0{}\u00a0", "-\u00a0£\u00a0{}"),
}


@pytest.mark.parametrize("grouped", [False, True], ids=["plain digits", "thousands commas"])
@pytest.mark.parametrize("style", STYLES)
@quick
@given(pence=PENCE)
def test_every_amount_survives_every_way_of_writing_it(style: str, grouped: bool, pence: int) -> None:
    pounds = Decimal(pence).scaleb(-2)
    digits = f"{abs(pounds):,.2f}" if grouped else f"{abs(pounds):.2f}"
    assert values.money(STYLES[style][pence < 0].format(digits)) == pounds


@pytest.mark.parametrize(
    ("cell", "pounds"),
    [
        ("1234.5", "1234.5"),
        ("1,234", "1234"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("0.30000000000000004", "0.30"),
        ("-1234.5600000000001", "-1234.56"),
        ("1999.9999999999998", "2000.00"),
        ("3.55E-14", "0"),
        ("-2.84e-14", "0"),
        ("1282.420749", "1282.420749"),
        ("-0.005", "-0.005"),
        ("-1234567890123.1234567890123456", "-1234567890123.1234567890123456"),
    ],
)
def test_an_amount_is_kept_as_finely_as_it_was_published_without_a_spreadsheets_noise(cell: str, pounds: str) -> None:
    assert values.money(cell) == Decimal(pounds)


NO_AMOUNTS = """
    £ - () n/a 1.2.3 $5 €5 5£ ££5 (5 5) ((5)) 1e5 1.2E+05 1E-05 ٣ ½ NaN Infinity 0x1F 1_000 12,34 1,2345 ,123 1,,234
    1'234 1’234.50 5¥ 5CHF CR DR 5CRDR GBP GBPGBP5 £GBP5 – 1–2 −−5
    1,234,56.00 1.234,56 1,234.5,6 10000000000000 9,999,999,999,999,999.00
"""


@pytest.mark.parametrize("cell", ["", "(5 5)", "12 34", "1 234", "500\n250", "1\u00a023", *NO_AMOUNTS.split()])
def test_what_is_not_an_amount_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"amount|shortened|million"):
        values.money(cell)


@pytest.mark.parametrize(
    ("cell", "name"), [("€5", "euros"), ("5 EUR", "euros"), ("$5.00", "dollars"), ("usd 5", "dollars"), ("¥5", "yen")]
)
def test_another_currency_is_refused_by_name(cell: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"an amount in {name}, and only pounds are read"):
        values.money(cell)


def test_no_break_spaces_between_thousands_are_commas() -> None:
    assert values.money("1\u00a0234\u00a0567.50") == values.money("1\u202f234\u202f567.50") == Decimal("1234567.50")


@quick
@given(
    digits=st.integers(0, 10**15 - 1).map(lambda pence: f"{Decimal(pence).scaleb(-2):.2f}"),
    signs=st.sampled_from(
        [
            "--{}",
            "+-{}",
            "-+{}",
            "-£-{}",
            "+£-{}",
            "-{}-",
            "£-{}-",
            "(-{})",
            "(-£{})",
            "({}-)",
            "({})-",
            "-{}CR",
            "({})CR",
            "CR{}-",
            "CR{}CR",
            "-{}DR",
        ]
    ),
)
def test_an_amount_with_two_signs_is_never_accepted(digits: str, signs: str) -> None:
    with pytest.raises(ValueError, match=r"two signs|not an amount"):
        values.money(signs.format(digits))


@quick
@given(number=st.integers(0, 10**12), commas=st.sets(st.integers(1, 12), min_size=1, max_size=4))
def test_commas_are_accepted_only_between_thousands(number: int, commas: set[int]) -> None:
    text = str(number)
    text = "".join(f",{digit}" if place in commas else digit for place, digit in enumerate(text))
    if text in (str(number), f"{number:,}"):
        assert values.money(text) == number
    else:
        with pytest.raises(ValueError, match="not an amount"):
            values.money(text)


@quick
@given(st.integers(1, 10**9), st.integers(-5, 20), st.sampled_from("eE"))
def test_an_exponent_is_never_read_as_money(digits: int, exponent: int, letter: str) -> None:
    with pytest.raises(ValueError, match="shortened"):
        values.money(f"{digits}{letter}{exponent:+03}")


@quick
@given(PENCE, st.integers(-9, 9))
def test_noise_far_below_a_penny_is_snapped_away(pence: int, noise: int) -> None:
    pounds = Decimal(pence).scaleb(-2)
    assert values.money(str(pounds + Decimal(noise).scaleb(-8))) == pounds


@quick
@given(st.integers(1, 10**12), st.integers(1, 9))
def test_a_fraction_of_a_penny_is_kept(pence: int, mills: int) -> None:
    pounds = Decimal(pence).scaleb(-2) + Decimal(mills).scaleb(-3)
    assert values.money(str(pounds)) == pounds


@pytest.mark.parametrize("written", FORMATS)
@quick
@given(day=st.dates(dt.date(1990, 1, 1), dt.date(2100, 12, 31)))
def test_every_date_survives_every_declared_format(written: str, day: dt.date) -> None:
    assume("%y" not in written or day.year <= 2068)
    assert values.date(day.strftime(written), (written,)) == day.isoformat()


@quick
@given(st.dates(dt.date(1990, 1, 1), dt.date(2100, 12, 31)))
def test_a_date_that_two_declared_formats_read_as_different_days_is_refused_with_both(day: dt.date) -> None:
    formats = ("%d/%m/%Y", "%m/%d/%Y")
    cell = f"{day:%d/%m/%Y}"
    if day.day > 12 or day.day == day.month:
        assert values.date(cell, formats) == day.isoformat()
        return
    with pytest.raises(ValueError, match="could be") as refused:
        values.date(cell, formats)
    assert f"{day} (dd/mm/yyyy)" in str(refused.value)
    assert f"{day:%Y-%d-%m} (mm/dd/yyyy)" in str(refused.value)


@pytest.mark.parametrize(
    ("cell", "formats", "day"),
    [
        ("07/01/2025", ("%d/%m/%Y", "%d/%m/%Y"), "2025-01-07"),
        ("07/01/25", ("%d/%m/%y",), "2025-01-07"),
        ("07/01/25", ("%d/%m/%Y", "%d/%m/%y"), "2025-01-07"),
        ("01/02/25", ("%d/%m/%y", "%m/%d/%Y"), "2025-02-01"),
        ("28-Feb-2021", ("%d-%b-%Y",), "2021-02-28"),
        ("28-FEB-21", ("%d-%b-%y",), "2021-02-28"),
        ("2025-01-07T10:15:00Z", ("%Y-%m-%dT%H:%M:%S%z",), "2025-01-07"),
        ("2025-07-31T23:59:59+01:00", ("%Y-%m-%dT%H:%M:%S%z",), "2025-07-31"),
        ("2025-01-07T10:15:00.123Z", ("%Y-%m-%dT%H:%M:%S%z",), "2025-01-07"),
        ("2025-01-07T10:15:00.123456789Z", ("%Y-%m-%dT%H:%M:%S%z",), "2025-01-07"),
        ("2025-01-07T10:15:00.5Z", ("%Y-%m-%dT%H:%M:%S.%f%z",), "2025-01-07"),
        ("01/02/2012 00:00", ("%d/%m/%Y %H:%M",), "2012-02-01"),
        # 20 December 1220 is no year a ledger reports.
        ("20121220", ("%Y%m%d", "%d%m%Y"), "2012-12-20"),
    ],
)
def test_a_date_is_the_day_its_formats_agree_on(cell: str, formats: tuple[str, ...], day: str) -> None:
    assert values.date(cell, formats) == day


@pytest.mark.parametrize("cell", ["29-Feb-2021", "29-Feb-21", "31-Sep-2021", "29-Fev-2020", "2025-01-07T10:15:00"])
def test_a_day_that_never_was_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="not a date written"):
        values.date(cell, ("%d-%b-%Y", "%d-%b-%y", "%Y-%m-%dT%H:%M:%S%z"))


@quick
@given(st.dates(), st.sampled_from(["{0.day:02}/{0.month:02}/{0.year:04}", "{0.year:04}{0.month:02}{0.day:02}"]))
def test_no_date_outside_1990_to_2100_is_ever_given(day: dt.date, written: str) -> None:
    cell = written.format(day)
    if 1990 <= day.year <= 2100:
        assert values.date(cell, FORMATS) == day.isoformat()
    else:
        with pytest.raises(ValueError, match="year"):
            values.date(cell, FORMATS)


@quick
@given(st.dates(dt.date(1969, 1, 1), dt.date(2068, 12, 31)))
def test_a_year_of_two_digits_is_never_one_before_1990(day: dt.date) -> None:
    if day.year >= 1990:
        assert values.date(f"{day:%d.%m.%y}", FORMATS) == day.isoformat()
    else:
        with pytest.raises(ValueError, match=f"year {day.year}"):
            values.date(f"{day:%d.%m.%y}", FORMATS)


@pytest.mark.parametrize("cell", ["", "31/02/2017", "2017-04-01", "01/04/202", "1 April", "01/04/2017 00:00", "42826"])
def test_what_is_not_a_date_is_refused_with_the_ways_to_write_one(cell: str) -> None:
    with pytest.raises(ValueError, match=r"^not a date written dd/mm/yyyy or dd-Mon-yy$"):
        values.date(cell, ("%d/%m/%Y", "%d-%b-%y"))


@quick
@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_whole_number_survives(number: int) -> None:
    assert int(values.integer(str(number))) == int(values.integer(f"{number:,}")) == number
    assert int(values.integer(f"{number}.0")) == number


@pytest.mark.parametrize("cell", ["", "-", "1.5", "1e3", "one", "1 000", "9" * 19, "٣"])
def test_what_is_not_a_whole_number_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        values.integer(cell)


@pytest.mark.parametrize(
    ("cells", "kept"), [(("Y", "yes", "TRUE", "1", "True"), "t"), (("N", "No", "false", "0", "n"), "f")]
)
def test_yes_and_no_have_many_spellings(cells: tuple[str, ...], kept: str) -> None:
    assert {values.flag(cell) for cell in cells} == {kept}


@pytest.mark.parametrize("cell", ["", "maybe", "2", "-", "ja"])
def test_what_is_neither_yes_nor_no_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="neither yes nor no"):
        values.flag(cell)


def test_text_is_kept_as_it_stands_but_for_nul() -> None:
    assert values.text("  O'Neill & Söhne ") == "  O'Neill & Söhne "
    with pytest.raises(ValueError, match="NUL"):
        values.text("a\x00b")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (12.0, "12"),
        (12.5, "12.5"),
        (-0.1, "-0.1"),
        (7, "7"),
        (True, "True"),
        ("01/04/2017", "01/04/2017"),
        (dt.datetime(2017, 4, 3, 12, 30), f"{values.DATE_MARK}2017-04-03"),
        (dt.date(2017, 4, 3), f"{values.DATE_MARK}2017-04-03"),
    ],
)
def test_a_workbooks_cell_reads_as_a_csv_would_hold_it(cell: object, text: str) -> None:
    assert values.from_workbook(cell) == text


@quick
@given(st.floats(-1e12, 1e12).map(lambda pounds: round(pounds, 2)))
def test_pounds_in_a_workbook_keep_their_pence(pounds: float) -> None:
    assert values.money(values.from_workbook(pounds)) == Decimal(f"{pounds:.2f}")


def test_a_true_date_of_a_workbook_needs_no_declared_format_and_text_does() -> None:
    assert values.workbook_date(f"{values.DATE_MARK}2017-04-03", ("%d/%m/%Y",)) == "2017-04-03"
    assert values.workbook_date("03/04/2017", ("%d/%m/%Y",)) == "2017-04-03"
    for cell in ("2017-04-03", f"{values.DATE_MARK}1899-12-30", f"{values.DATE_MARK}2017-13-01"):
        with pytest.raises(ValueError, match=r"date|year|month"):
            values.workbook_date(cell, ("%d/%m/%Y",))


ALMOST = st.text("0123456789£,.-+()eE/@ \x00\u00a0٣YNtrue", max_size=20)


@pytest.mark.parametrize(
    "function",
    [
        values.money,
        values.integer,
        values.flag,
        values.text,
        lambda cell: values.date(cell, FORMATS),
        lambda cell: values.workbook_date(cell, FORMATS),
    ],
    ids=["money", "integer", "flag", "text", "date", "workbook_date"],
)
@quick
@given(cell=st.text() | ALMOST)
def test_no_text_raises_anything_but_a_value_error(function, cell: str) -> None:
    try:
        function(cell)
    except ValueError as problem:
        assert str(problem)


@given(st.lists(st.from_regex(r"\A-?[0-9]{1,4}(,[0-9]{2,4})?(\.[0-9]{1,3})?\n?\Z") | st.text(max_size=6), max_size=5))
@example(["1", "2\n3"])
@example(["1\n"])
@example(["12,345.60", "-1"])
def test_many_amounts_at_once_are_what_each_is_alone(cells: list[str]) -> None:
    together = values.plain_money(cells)
    if together is not None:
        assert together == [values.money(cell) for cell in cells]


def test_only_plain_amounts_are_typed_at_once() -> None:
    assert values.plain_money(["1,234.50", "-3", "0.1"]) == [Decimal("1234.50"), Decimal(-3), Decimal("0.1")]
    assert values.plain_money(["1", "£2"]) is None
    assert values.plain_money([]) is None
