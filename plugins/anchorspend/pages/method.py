"""Definitions and method: what each KPI counts, by which definitions, whose they are and since when."""

from collections.abc import Sequence
from typing import Any

from anchorspend.pages import formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Column, Entry, Link, Page, Section, Table, Text

_MEASURES = {
    "local": "Definitions of local",
    "sme": "Definitions of small and medium enterprises",
    "local_sme": "Definitions of local small and medium enterprises",
    "vcs": "Definitions of the voluntary and community sector",
    "living_wage": "Living wage employers",
    "route": "Routes of procurement",
    "all": "Measures that need no definition",
}


def page(marts: Marts) -> Page:
    """The page on definitions and method."""
    kpis = marts.rows("select * from marts.kpi_definition order by kpi_name")
    definitions = marts.rows("select * from marts.dim_definition order by valid_to nulls first, definition_name")
    names = {definition.definition_id: definition.definition_name for definition in definitions}
    by_measure: dict[str, list[Any]] = {}
    for definition in definitions:
        by_measure.setdefault(definition.measure, []).append(definition)
    return Page(
        "method",
        "Definitions and method",
        f"What each of the {len(kpis)} measures counts, of what, by which definition, and what it does not say.",
        [
            _reading(),
            Section("measures", "Measures", [_kpi(kpi, names) for kpi in kpis]),
            *(
                Section(
                    f"measure-{measure}",
                    _MEASURES.get(measure, measure.replace("_", " ").capitalize()),
                    [_definition(definition) for definition in found],
                )
                for measure, found in sorted(by_measure.items(), key=lambda one: _place(one[0]))
            ),
            _scope(marts),
            _targets(marts),
            _resolution(marts),
        ],
    )


def _place(measure: str) -> int:
    known = list(_MEASURES)
    return known.index(measure) if measure in known else len(known)


def _reading() -> Section:
    return Section(
        "reading",
        "How to read a figure",
        [
            Text.of(
                "A share counts the pounds whose status is known. The range says what it would be with every unknown "
                "pound counted against, and for. Known is the part of the pounds whose status is known."
            ),
            Text.of(
                "A target is met, or missed, only where it would be wherever the unknown pounds went; otherwise it "
                "cannot be told. A target that the strategy leaves open is not set yet: it is never taken for zero."
            ),
        ],
    )


def _kpi(kpi: Any, names: dict[str, str]) -> Entry:
    terms: list[tuple[str, str | Link]] = [("counts", kpi.numerator)]
    if kpi.denominator:
        terms.append(("of", kpi.denominator))
    terms += [("formula", kpi.formula)]
    if kpi.headline_definition:
        terms.append(
            (
                "quoted by",
                scorecard.definition_link(
                    kpi.headline_definition, names.get(kpi.headline_definition, kpi.headline_definition)
                ),
            )
        )
    terms += [
        ("better is", {"higher": "more", "lower": "less"}.get(kpi.polarity, "neither more nor less")),
        ("caveat", kpi.caveat or "none"),
        ("owner", kpi.owner),
        ("source", kpi.source),
        ("in the tables", kpi.kpi_id),
    ]
    return Entry(f"kpi-{scorecard.anchor(kpi.kpi_id)}", kpi.kpi_name, terms)


def _definition(definition: Any) -> Entry:
    since = formats.day(definition.valid_from) if definition.valid_from else formats.UNKNOWN
    force = f"from {since}" + (f" to {formats.day(definition.valid_to)}" if definition.valid_to else "")
    return Entry(
        f"definition-{scorecard.anchor(definition.definition_id)}",
        definition.definition_name,
        [
            ("in force", force),
            ("version", str(definition.version)),
            ("owner", definition.owner),
            ("source", definition.source),
            ("note", definition.note or "none"),
            ("in the tables", definition.definition_id),
        ],
    )


def _scope(marts: Marts) -> Section:
    return Section(
        "scope",
        "What kind of payment",
        [
            Table(
                "scopes",
                "Kinds of payment, and whether buying differently would change who is paid",
                [Column("Kind"), Column("What is in it"), Column("Can be influenced")],
                [
                    [row.scope.replace("_", " "), row.description, "yes" if row.is_influenceable else "no"]
                    for row in marts.rows("select * from marts.dim_scope order by position")
                ],
            ),
            Table(
                "scope_rules",
                "Rules that decide it, in their order: the first that fits is taken",
                [Column("Rule"), Column("Looks at"), Column("Kind of payment"), Column("Why"), Column("Owner")],
                [
                    [row.rule_id, row.applies_to, row.scope.replace("_", " "), row.reason, row.owner]
                    for row in marts.rows("select * from marts.dim_scope_rule order by position")
                ],
            ),
        ],
    )


def _targets(marts: Marts) -> Section:
    rows: Sequence[Any] = marts.rows(
        """
        select target.*, kpi.kpi_name, kpi.unit, institution.institution_name,
            coalesce(definition.definition_name, target.definition_id) as definition_name
        from marts.kpi_target as target
        inner join marts.kpi_definition as kpi using (kpi_id)
        inner join marts.dim_institution as institution using (institution_id)
        left join marts.dim_definition as definition
            on kpi.measure = definition.measure and target.definition_id = definition.definition_id
        order by kpi.kpi_name, target.institution_id, target.definition_id, target.financial_year, target.kind
        """
    )
    return Section(
        "targets",
        "Baselines and targets as the strategy states them",
        [
            Table(
                "targets",
                "Every baseline and target, with the strategy's own words and their lines",
                [
                    Column("Measure"),
                    Column("Institution"),
                    Column("Counted as"),
                    Column("Year"),
                    Column("Kind"),
                    Column("Value", "count"),
                    Column("As written"),
                    Column("Source"),
                    Column("What is odd about it"),
                ],
                [
                    [
                        scorecard.kpi_link(row.kpi_id, row.kpi_name),
                        row.institution_name,
                        row.definition_name,
                        row.financial_year,
                        row.kind,
                        "not set yet" if row.target_status == "tbc" else formats.in_unit(row.target, row.unit),
                        row.as_written,
                        row.source,
                        row.note or "nothing",
                    ]
                    for row in rows
                ],
            )
        ],
    )


def _resolution(marts: Marts) -> Section:
    words = {"sample_truth": "the sample's known suppliers", "decisions": "people's decisions on doubtful pairs"}
    return Section(
        "resolution",
        "How well suppliers are told apart",
        [
            Text.of(
                "Institutions write one supplier in many ways. Which records are one supplier is decided by numbers, "
                "names and places; this is how often that is right, where it can be checked."
            ),
            Table(
                "resolution",
                "Quality of the linking of supplier records",
                [
                    Column("Measured against"),
                    Column("Records", "count"),
                    Column("Linked pairs", "count"),
                    *(
                        Column(heading, "share")
                        for heading in (
                            "Right among the linked",
                            "Found among the true",
                            "Pounds with the wrong supplier",
                        )
                    ),
                ],
                [
                    [
                        words.get(row.measured_against, row.measured_against),
                        *(row.records, row.linked_pairs, row.precision, row.recall, row.pound_error),
                    ]
                    for row in marts.rows("select * from marts.resolution_quality order by records desc nulls last")
                ],
            ),
        ],
    )
