"""Joint spend: suppliers and categories of several institutions, contracts that end together, terms that differ."""

from collections.abc import Sequence
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Chart, Column, Page, Section, Table, Text

_DRAWN = 10

_SUPPLIERS = """
    select * from marts.joint_supplier where financial_year = %(year)s order by amount desc, supplier_name
"""

_CATEGORIES = """
    select joint.*, coalesce(joint.category_label, joint.category_code) as label
    from marts.joint_category as joint
    where joint.financial_year = %(year)s order by joint.amount desc, label
"""

_WINDOWS = """
    select in_window.window_id, in_window.category_code, in_window.window_first_end, in_window.window_last_end,
        in_window.institution_count, in_window.contract_count, in_window.supplier_count, in_window.window_value,
        coalesce(category.category_label, in_window.category_code) as category_label,
        string_agg(distinct in_window.institution_id, ' ' order by in_window.institution_id) as institutions,
        string_agg(contract.contract_ref, ', ' order by in_window.end_date, contract.contract_ref) as contracts
    from marts.contract_window as in_window
    inner join marts.fct_contract as contract on in_window.contract_id = contract.contract_id
    left join marts.dim_category as category on in_window.category_code = category.category_code
    group by in_window.window_id, in_window.category_code, in_window.window_first_end, in_window.window_last_end,
        in_window.institution_count, in_window.contract_count, in_window.supplier_count, in_window.window_value,
        category.category_label
    order by in_window.window_value desc nulls last, in_window.window_first_end, in_window.window_id
"""

_TERMS = """
    select terms.*, coalesce(category.category_label, terms.category_code) as category_label, contract.contract_ref
    from marts.joint_terms as terms
    inner join marts.fct_contract as contract on terms.contract_id = contract.contract_id
    left join marts.dim_category as category on terms.category_code = category.category_code
    order by terms.highest_annual_value desc nulls last, terms.supplier_name, terms.category_code,
        terms.annual_value desc nulls last, terms.contract_id
"""


def page(marts: Marts) -> Page:
    """What institutions buy from the same suppliers, in the same categories, at the same time."""
    suppliers = marts.rows(_SUPPLIERS, year=marts.year)
    pounds = formats.short_pounds(sum(one.amount for one in suppliers))
    lead = (
        f"In {marts.year} {formats.of(len(suppliers), 'supplier')} worked for two or more institutions, for {pounds} "
        "of works, supplies and social care."
        if suppliers
        else f"No supplier worked for two institutions in {marts.year}."
    )
    return Page(
        "joint",
        "Joint spend",
        f"{lead} What institutions pay each other and what private persons are paid is left out.",
        [
            Section("suppliers", "Suppliers of several institutions", _suppliers(marts, suppliers)),
            Section("categories", "Categories that several buy", _categories(marts)),
            Section("windows", "Contracts that end together", _windows(marts)),
            Section("terms", "One supplier, separate contracts", _terms(marts)),
        ],
    )


def _names(marts: Marts, ids: str) -> str:
    return ", ".join(sorted(marts.names[one] for one in ids.split()))


def _suppliers(marts: Marts, suppliers: Sequence[Any]) -> list[Block]:
    if not suppliers:
        return [Text.of(f"No supplier was paid by two or more institutions in {marts.year}.")]
    first = suppliers[0]
    first_pounds = formats.short_pounds(first.amount)
    title = (
        f"{first.supplier_name} was paid most of those that several use: {first_pounds}, by "
        f"{first.institution_count} institutions"
    )
    everybody = [one for one in suppliers if one.institution_count == max(one.institution_count for one in suppliers)]
    return [
        Chart(
            title,
            charts.bars(
                [
                    charts.Bar(one.supplier_name, one.amount, None, None, formats.short_pounds(one.amount))
                    for one in suppliers[:_DRAWN]
                ]
            ),
            f"{title}. "
            + "; ".join(f"{one.supplier_name} {formats.short_pounds(one.amount)}" for one in suppliers[:_DRAWN])
            + ".",
            Table(
                "joint_suppliers_dearest",
                f"The {len(suppliers[:_DRAWN])} suppliers of several institutions that were paid most, {marts.year}",
                [Column("Supplier"), Column("Pounds", "pounds"), Column("Institutions", "count")],
                [[one.supplier_name, one.amount, one.institution_count] for one in suppliers[:_DRAWN]],
            ),
        ),
        Text.of(
            f"{formats.of(len(everybody), 'supplier')} {'works' if len(everybody) == 1 else 'work'} for as many as "
            f"{everybody[0].institution_count} institutions."
        ),
        Table(
            "joint_suppliers",
            f"Suppliers of two or more institutions, {marts.year}, most pounds first",
            [
                Column("Supplier"),
                Column("Pounds", "pounds"),
                Column("Institutions", "count"),
                Column("Part of the largest buyer", "share"),
                Column("Lines", "count"),
                Column("Who"),
            ],
            [
                [
                    one.supplier_name,
                    one.amount,
                    one.institution_count,
                    one.largest_amount / one.amount if one.amount > 0 else "no pounds",
                    one.line_count,
                    _names(marts, one.institutions),
                ]
                for one in suppliers
            ],
        ),
    ]


def _categories(marts: Marts) -> list[Block]:
    categories = marts.rows(_CATEGORIES, year=marts.year)
    if not categories:
        return [Text.of(f"No category was bought by two or more institutions in {marts.year}.")]
    first = categories[0]
    title = (
        f"{formats.short_pounds(first.amount)} went to {_last_part(first.label)}, at "
        f"{first.institution_count} institutions and {formats.of(first.supplier_count, 'supplier')}, "
        f"{formats.count(first.joint_supplier_count)} of them in common"
    )
    rows = [
        [
            one.label,
            one.amount,
            one.institution_count,
            one.supplier_count,
            one.joint_supplier_count,
            one.joint_supplier_amount,
            one.category_code,
        ]
        for one in categories
    ]
    return [
        Chart(
            title,
            charts.bars(
                [
                    charts.Bar(
                        _last_part(one.label),
                        *(one.amount, None, None),
                        formats.short_pounds(one.amount),
                    )
                    for one in categories[:_DRAWN]
                ]
            ),
            f"{title}. "
            + "; ".join(f"{one.label} {formats.short_pounds(one.amount)}" for one in categories[:_DRAWN])
            + ".",
            Table(
                "joint_categories",
                f"Categories that two or more institutions bought, {marts.year}",
                [
                    Column("Category"),
                    Column("Pounds", "pounds"),
                    *(Column(heading, "count") for heading in ("Institutions", "Suppliers", "Of which in common")),
                    Column("Pounds to these", "pounds"),
                    Column("ProClass code"),
                ],
                rows,
            ),
        ),
        Text.of(
            f"{formats.in_unit(first.known_share, 'share')} of the year's pounds have a category that is known. "
            "An institution that writes none is in no category."
        ),
    ]


def _last_part(label: str) -> str:
    """What is bought: labels begin with the family."""
    return label.rpartition(": ")[2]


def _windows(marts: Marts) -> list[Block]:
    windows = marts.rows(_WINDOWS)
    if not windows:
        return [Text.of("No contracts of one category end together at two or more institutions.")]
    first = windows[0]
    title = (
        f"{formats.of(first.contract_count, 'contract')} for {_last_part(first.category_label)} "
        f"({formats.short_pounds(first.window_value)} over their lives) end between "
        f"{formats.day(first.window_first_end)} and {formats.day(first.window_last_end)}"
        if first.window_value is not None
        else f"{formats.of(len(windows), 'group')} of contracts end together, none of known value"
    )
    # Groups of one category overlap: the dearest of each says what there is.
    dearest: dict[str, Any] = {}
    for one in windows:
        if one.window_value is not None:
            dearest.setdefault(one.category_code, one)
    drawn = list(dearest.values())[:_DRAWN]
    return [
        Text.of(
            f"{formats.of(len(windows), 'group')} of contracts of one category end within months of each other at two "
            "or more institutions, and could be let as one; the drawing has the "
            "dearest of each category. Only contracts that stand in the newest registers count; "
            "one contract can stand in several groups, so their pounds do not add up."
        ),
        Chart(
            title,
            charts.bars(
                [
                    charts.Bar(
                        _last_part(one.category_label),
                        *(one.window_value, None, None),
                        f"{formats.short_pounds(one.window_value)}, {one.window_first_end:%b %Y}",
                    )
                    for one in drawn
                ]
            ),
            f"{title}. "
            + "; ".join(
                f"{_last_part(one.category_label)} from {one.window_first_end:%B %Y} "
                f"{formats.short_pounds(one.window_value)}"
                for one in drawn
            )
            + ".",
            Table(
                "contracts_ending_together",
                "Contracts of one category that end together at two or more institutions, most pounds first",
                [
                    Column("Category"),
                    Column("First end", "date"),
                    Column("Last end", "date"),
                    *(Column(heading, "count") for heading in ("Institutions", "Contracts", "Suppliers")),
                    Column("Pounds over their lives", "pounds"),
                    Column("Who"),
                    Column("Contracts' references"),
                ],
                [
                    [
                        one.category_label,
                        one.window_first_end,
                        one.window_last_end,
                        *(one.institution_count, one.contract_count, one.supplier_count, one.window_value),
                        _names(marts, one.institutions),
                        one.contracts,
                    ]
                    for one in windows
                ],
            ),
        ),
    ]


def _terms(marts: Marts) -> list[Block]:
    terms = marts.rows(_TERMS)
    if not terms:
        return [Text.of("No supplier holds separate contracts of one category with two or more institutions.")]
    pairs = {(one.supplier_id, one.category_code) for one in terms}
    several = {(one.supplier_id, one.category_code) for one in terms if one.route_count > 1}
    return [
        Text.of(
            f"{formats.of(len(pairs), 'supplier serves', 'suppliers serve')} two or more institutions in one category "
            f"under separate contracts; {formats.count(len(several))} of these were let by different routes. Registers "
            "hold no unit prices, so nobody can say from them who pays more for the same."
        ),
        Table(
            "differing_terms",
            "Separate contracts of one supplier in one category, most pounds a year first",
            [
                Column("Supplier"),
                Column("Category"),
                Column("Institution"),
                Column("Reference"),
                Column("Route"),
                Column("First day", "date"),
                Column("Last day", "date"),
                Column("Pounds a year", "pounds"),
            ],
            [
                [
                    one.supplier_name,
                    one.category_label,
                    scorecard.institution_link(one.institution_id, marts.names[one.institution_id]),
                    one.contract_ref,
                    one.route,
                    one.start_date,
                    one.end_date,
                    one.annual_value,
                ]
                for one in terms
            ],
        ),
    ]
