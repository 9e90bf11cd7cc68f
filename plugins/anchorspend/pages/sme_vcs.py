"""SME and voluntary sector: shares under each definition, on which evidence, and beside what a vendor says."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from anchorspend.pages import charts, formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Chart, Column, Figures, Page, Section, Swatch, Table, Text

_HEADLINES = ("sme_spend_pct", "local_sme_spend_pct", "vcs_spend_pct", "vcs_influenceable_spend_pct", "vcs_grant_gbp")
_PARTS: Sequence[tuple[str, str, Swatch]] = (
    ("sme_proven", "SME, proven", "one"),
    ("sme_likely", "SME, likely", "one_soft"),
    ("not_sme", "not an SME", "two"),
    ("unknown", "size unknown", "unknown"),
)

_SIZES = """
    with headline as (select headline_definition from marts.kpi_definition where kpi_id = 'sme_spend_pct'),
    paid as (
        select shown.institution_id, size.sme_status, size.certainty, sum(spend.amount) as amount
        from marts.supplier_spend as spend
        inner join marts.supplier_size as size on spend.supplier_record_id = size.supplier_record_id
        inner join headline on size.definition_id = headline.headline_definition
        cross join lateral (values (spend.institution_id), ('partnership')) as shown (institution_id)
        where spend.financial_year = %(year)s
            and (shown.institution_id <> 'partnership' or spend.scope <> 'between_anchors')
        group by shown.institution_id, size.sme_status, size.certainty
    )
    select institution.institution_id, institution.institution_name,
        coalesce(sum(amount) filter (where sme_status = 'sme' and certainty = 'proven'), 0) as sme_proven,
        coalesce(sum(amount) filter (where sme_status = 'sme' and certainty = 'likely'), 0) as sme_likely,
        coalesce(sum(amount) filter (where sme_status = 'not_sme'), 0) as not_sme,
        coalesce(sum(amount) filter (where sme_status = 'unknown'), 0) as unknown
    from paid
    inner join marts.dim_institution as institution using (institution_id)
    group by institution.institution_id, institution.institution_name
    order by institution.institution_id <> 'partnership', institution.institution_name
"""

_CLAIMS = """
    select institution.institution_name, difference.financial_year, difference.claim, difference.definition_id,
        sum(amount) filter (where claimed_status = 'yes' and our_status = 'yes') as both_say_yes,
        sum(amount) filter (where claimed_status = 'yes' and our_status = 'no') as vendor_alone,
        sum(amount) filter (where claimed_status = 'no' and our_status = 'yes') as we_alone,
        sum(amount) filter (where claimed_status = 'unknown' or our_status = 'unknown') as open
    from marts.claim_difference as difference
    inner join marts.dim_institution as institution using (institution_id)
    inner join marts.kpi_definition as kpi on difference.definition_id = kpi.headline_definition
        and kpi.kpi_id in ('local_spend_pct', 'sme_spend_pct', 'vcs_spend_pct')
    group by institution.institution_name, difference.financial_year, difference.claim, difference.definition_id
    order by institution.institution_name, difference.financial_year, difference.claim
"""


def page(marts: Marts) -> Page:
    """The page on small and medium enterprises and on the voluntary and community sector."""
    found = scorecard.scores(
        marts,
        "score.financial_year = %(year)s and (kpi.measure in ('sme', 'vcs', 'local_sme'))",
        "score.institution_id <> 'partnership', score.value desc nulls last, institution.institution_name",
        year=marts.year,
    )
    headlines = {row.kpi_id: row.headline_definition for row in marts.rows("select * from marts.kpi_definition")}
    # A KPI in pounds is quoted by the definition of its share.
    headlines["vcs_grant_gbp"] = headlines.get("vcs_spend_pct")
    cards = [
        score
        for kpi_id in _HEADLINES
        for score in found
        if score.kpi_id == kpi_id
        and score.institution_id == "partnership"
        and score.definition_id == headlines.get(kpi_id)
    ]
    told = {score.kpi_id: score for score in cards}
    lead = f"No share is published for {marts.year}."
    if (sme := told.get("sme_spend_pct")) and (vcs := told.get("vcs_spend_pct")):
        lead = (
            f"In {marts.year} small and medium enterprises were paid {formats.in_unit(sme.value, 'share')} of the "
            f"pounds whose supplier's size is known, the voluntary and community sector "
            f"{formats.in_unit(vcs.value, 'share')}."
        )
    return Page(
        "sme_vcs",
        "SME and voluntary sector",
        lead,
        [
            Section("together", "All institutions together", [Figures([scorecard.card(score) for score in cards])]),
            _measure(marts, "sme", "sme_spend_pct", "Small and medium enterprises", "SME share", headlines, found),
            _evidence(marts),
            _measure(
                marts, "vcs", "vcs_spend_pct", "Voluntary and community sector", "voluntary share", headlines, found
            ),
            _claims(marts),
        ],
    )


def _measure(
    marts: Marts, name: str, kpi_id: str, heading: str, what: str, headlines: dict[str, Any], found: Sequence[Any]
) -> Section:
    mine = [score for score in found if score.kpi_id == kpi_id]
    county = [score for score in mine if score.institution_id == "partnership"]
    headline = [score for score in mine if score.definition_id == headlines.get(kpi_id)]
    values = [score.value for score in county if score.value is not None]
    title = f"No {what} is known"
    if values:
        title = (
            f"The {what} is {formats.share(max(values))} whichever definition is meant"
            if formats.share(min(values)) == formats.share(max(values))
            else f"The {what} is {formats.share(min(values))} to {formats.share(max(values))}, as one definition or "
            "another is meant"
        )
    return Section(
        name,
        heading,
        [
            scorecard.definitions_chart(
                title, county, f"{name}_by_definition", f"{heading}, all institutions together, {marts.year}"
            ),
            scorecard.institutions_chart(
                scorecard.range_of([one for one in headline if one.institution_id != "partnership"], what),
                headline,
                f"{name}_by_institution",
                f"{heading}, {marts.year}" + (f", {headline[0].definition_name}" if headline else ""),
            ),
        ],
    )


def _evidence(marts: Marts) -> Section:
    rows = marts.rows(_SIZES, year=marts.year)
    amounts = [(row.institution_name, [getattr(row, column) for column, _, _ in _PARTS]) for row in rows]
    title = "No size is known"
    if amounts:
        first = amounts[0][1]
        whole = sum(first) or Decimal(1)
        title = (
            f"Of the pounds with SMEs, {formats.share(first[0] / ((first[0] + first[1]) or Decimal(1)))} "
            f"stand on proof; "
            f"of all pounds, {formats.share(first[3] / whole)} on nothing"
        )
    return Section(
        "sizes",
        "How sure the sizes are",
        [
            Chart(
                title,
                charts.stacked(amounts, [swatch for _, _, swatch in _PARTS]),
                f"{title}. A bar for each institution: SME proven, SME likely, not an SME, unknown.",
                Table(
                    "sizes",
                    f"Pounds by size of the supplier and how sure that is, {marts.year}",
                    [
                        Column("Institution"),
                        *(
                            Column(words.capitalize() if words[0].islower() else words, "pounds")
                            for _, words, _ in _PARTS
                        ),
                    ],
                    [[name, *parts] for name, parts in amounts],
                ),
                [(swatch, words) for _, words, swatch in _PARTS],
            )
        ],
    )


def _claims(marts: Marts) -> Section:
    claims = marts.rows(_CLAIMS)
    words = {"sme": "SME", "local": "local", "charity": "charity"}
    return Section(
        "claims",
        "What the vendor's analysis says",
        [
            Text.of(
                "Where an institution also has a vendor's analysis of its spend, this is how far its flags and ours "
                "agree, by the headline definitions. A vendor's word is never taken over."
            ),
            Table(
                "claims",
                "Pounds by what the vendor and we say of the supplier",
                [
                    Column("Institution"),
                    Column("Year"),
                    Column("Claim"),
                    *(
                        Column(heading, "pounds")
                        for heading in ("Both say yes", "Only the vendor", "Only we", "Not known to one")
                    ),
                ],
                [
                    [
                        claim.institution_name,
                        claim.financial_year,
                        words.get(claim.claim, claim.claim),
                        *(
                            amount or Decimal(0)
                            for amount in (claim.both_say_yes, claim.vendor_alone, claim.we_alone, claim.open)
                        ),
                    ]
                    for claim in claims
                ],
            ),
        ],
    )
