"""Scope: the rules on names and headings of real publications, and the sample county's bridges against its truth."""

import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from anchorspend import contract, ingest, model, release, resolve, settings, warehouse
from anchorspend.sample import write_county

SEEDS = settings.home() / "dbt_project" / "seeds"
DOCS = settings.home() / "docs" / "explanation" / "scope.md"
SCOPES = {"works": "influenceable", "supplies": "influenceable", "social_care": "influenceable"} | {
    "tax_pension": "tax_pension_payroll"
}

# Names as real bodies publish them, with the type their pattern gives; None: a name alone does not say.
BODIES = {
    "LUTON B C GEN ACC": None,
    "BEDFORD BC": "council",
    "BLACKBURN WITH DARWEN BOROUGH COUNC": "council",
    "LONDON BOROUGH OF EALING": "council",
    "LB BARNET": "council",
    "BARNSLEY MBC": "council",
    "CITY AND COUNTY OF SWANSEA": "council",
    "BRACKNELL FOREST COUNCIL": "council",
    "SAWBRIDGEWORTH TOWN COUNCIL": "parish_council",
    "BROMPTON ON SWALE PARISH COUNCIL": "parish_council",
    "CHESHIRE CONSTABULARY": "police",
    "POLICE AND CRIME COMMISSIONER FOR GWENT": "police",
    "STRATHCLYDE FIRE AND RESCUE": "fire",
    "DARTFORD & GRAVESHAM NHST": "nhs",
    "DEVON PRIMARY CARE TRUST": "nhs",
    "St Chrysostom's CofE Primary School": "school",
    "Inspiring Learners Multi Academy Tr": "academy",
    "Focus Academy Trust UK Ltd": "academy",
    "ASTON UNIVERSITY": "university",
    "HM REVENUE & CUSTOMS (HMRC)": "tax_authority",
    "TEACHERS PENSIONS": "pension_fund",
    "HM TREASURY - NATIONAL LOANS FUND": "treasury_body",
    "THE PARRETT INTERNAL DRAINAGE BOARD": "drainage_board",
    "DEPARTMENT FOR WORK AND PENSIONS": "department",
    "ENVIRONMENT AGENCY": "agency",
    "GREATER MANCHESTER PTA": "authority",
    "Council for the Protection of Rural England": None,
    "Borough Council Tenants Ltd": None,
    "British Safety Council": None,
    "CORNWALL RURAL COMMUNITY COUNCIL": None,
    "SLOUGH COUNCIL FOR VOLUNTARY SERVICE": None,
    "Christ Church Gipsy Hill Parochial Church Council": None,
    "School Uniforms Ltd": None,
    "Blossom House School": None,
    "Barton Clough Pre-School": None,
    "EXL Driving School & instructor training": None,
    "Academy Coaches Ltd": None,
    "Lambeth Academy": None,
    "University Bookshop Ltd": None,
    "OXFORD UNIVERSITY PRESS": None,
    "University of the Third Age": None,
    "Police Mutual": None,
    "BRITISH TRANSPORT POLICE FEDERATION": None,
    "NHS CONFEDERATION": None,
    "NHS Supplies Direct Ltd": None,
    "FRIENDS OF GUY'S AND ST THOMAS' HOSPITAL": None,
    "ADT FIRE AND SECURITY plc": None,
    "CITY OF CHICHESTER COACHES LTD": None,
    "Kingscare Fostering Agency Ltd": None,
    "BRAIN INJURY REHABILITATION TRUST": None,
    "PRUDENTIAL TRUSTEE COMPANY LTD": None,
}
# Invented persons. The kind is what seed payee_pattern tells, `private_person` what individual_pattern does.
PAYEES = {
    "REDACTED PERSONAL DATA": "private_person",
    "redacted": "private_person",
    "Name withheld": "private_person",
    "REDACTED COMMERCIAL CONFIDENTIALITY": "not_named",
    "NAME REMOVED FOR CONFIDENTIALITY": "not_named",
    "Mr & Mrs Specimen": "private_person",
    "DR. Q SPECIMEN": "private_person",
    "Specimen, Mrs Q": "private_person",
    "SPECIMEN Q MR": "private_person",
    "Executors of Q Specimen": "private_person",
    "Foster Carer 1234": "private_person",
    "The Foster Carers Association": "organisation",
    "Mr Specimen Plumbing Ltd": "organisation",
    "MRSPECIMEN LIMITED": "organisation",
    "Dr Q Specimen T/A The Surgery": "sole_trader",
    "Q R Specimen trading as Specimen Cabs": "sole_trader",
    "Karen Specimen T/A Garden Rooms": "sole_trader",
    "Q Specimen": None,
    "Karen Specimen": None,
    "Specimen Roofing": None,
    "ACME FOODS T/A SPECIMEN": None,
    "ACME T/A SPECIMEN": None,
}
# (code, label), with the scope their first rule gives; None: no heading rule, the payee decides.
HEADINGS = {
    ("201710", ""): "grant",
    ("", "FINANCIAL SERVICES : Grants"): "grant",
    ("", "Cap Grt Pri Sec-Cos."): "grant",
    ("", "CurrGrt Las in AEF/A"): "grant",
    ("", "Grant in Aid to NDPBs"): "grant",
    ("", "Subsidies to Private Sector"): "grant",
    ("", "Audit: grant claim fee"): None,
    ("", "Grant Thornton audit"): None,
    ("", "Rates"): "precept_levy",
    ("", "Council Tax & Business Rates"): "precept_levy",
    ("", "WASTE DISPOSAL LEVY"): "precept_levy",
    ("", "Climate change levy"): None,
    ("", "Exchange rates service"): None,
    ("", "Apprenticeship Levy"): "tax_pension_payroll",
    ("", "Nat Ins & Rebate"): "tax_pension_payroll",
    ("", "Early Retirement Provision - Expense AME"): "tax_pension_payroll",
    ("", "Temporary & Agency Staff, Salaries"): None,
    ("", "Payroll services"): None,
    ("", "Loan Repayment"): "treasury",
    ("", "Financial Services: Investments"): "treasury",
    ("", "Capital investment programme"): None,
    ("", "Refund of overpayment"): "refund",
    ("", "DIRECT PAYMENTS"): "benefit_individual",
    ("", "CM - Compensation / Variation Costs"): None,
    ("401303", ""): "influenceable",
    ("", "SC : Children : Fostering"): "influenceable",
    ("391110", ""): "influenceable",
    ("209999", "Financial Services: Not Elsewhere Classified"): None,
    ("202000", "Financial Services: Rents"): None,
}


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def first(connection: psycopg.Connection, rules: list[dict[str, str]], text: str) -> dict[str, str] | None:
    """The first of some rules, in order, whose pattern the server finds in a text."""
    for rule in rules:
        found = connection.execute("select %s ~* %s", [text, rule["pattern"]]).fetchone()
        if found and found[0]:
            return rule
    return None


def in_order(name: str) -> list[dict[str, str]]:
    return sorted(seed(name), key=lambda rule: int(rule["position"]))


@pytest.mark.parametrize("name", BODIES)
def test_a_name_tells_a_public_body_or_does_not(connection: psycopg.Connection, name: str) -> None:
    rule = first(connection, in_order("public_body_pattern"), name)
    told = rule["body_type"] if rule else "none"
    assert (None if told == "none" else told) == BODIES[name]


@pytest.mark.parametrize("name", PAYEES)
def test_a_name_tells_the_kind_of_payee_or_does_not(connection: psycopg.Connection, name: str) -> None:
    rule = first(connection, in_order("payee_pattern"), name)
    told = rule["payee_type"] if rule else None
    if told not in {"not_named", "sole_trader"} and first(connection, seed("individual_pattern"), name):
        told = "private_person"
    assert told == PAYEES[name]


def test_a_sole_trader_with_a_title_stays_withheld(connection: psycopg.Connection) -> None:
    assert first(connection, seed("individual_pattern"), "Dr Q Specimen T/A The Surgery")


@pytest.mark.parametrize("heading", HEADINGS, ids=" ".join)
def test_a_heading_tells_the_scope_or_leaves_it_to_the_payee(
    connection: psycopg.Connection, heading: tuple[str, str]
) -> None:
    rules = [rule for rule in in_order("scope_rule") if rule["applies_to"] == "heading"]
    written = dict(zip(("category_code", "label"), heading, strict=True))
    found = [rule for rule in rules if first(connection, [rule], written[rule["match_column"]])]
    assert (found[0]["scope"] if found else None) == HEADINGS[heading]


def test_codes_of_the_rules_are_those_of_the_published_list(connection: psycopg.Connection, real_files: Path) -> None:
    listed = pd.read_csv(real_files / "classification" / "proclass_17.csv", dtype=str, keep_default_na=False)
    label = (listed.level1 + ": " + listed.level2).set_axis(listed.code)
    for rule_id, words in {
        "code_refund": "Refund",
        "code_investments": "Investments",
        "code_pension": "Pension Funds",
        "code_local_taxes": "Council Tax & Business Rates",
        "code_grant": "Grants",
    }.items():
        (rule,) = [rule for rule in seed("scope_rule") if rule["rule_id"] == rule_id]
        assert {code for code in label.index if re.search(rule["pattern"], code)} == set(
            label[label == f"Financial Services: {words}"].index
        )
    (care,) = [rule for rule in seed("scope_rule") if rule["rule_id"] == "code_social_care"]
    found = label[[bool(re.search(care["pattern"], code)) for code in label.index]]
    assert set(found.index) == set(label[label.str.startswith("Social Community Care")].index)


@dataclass(frozen=True)
class Scoped:
    """The sample county's counted lines beside their truth, and the database they stand in."""

    lines: pd.DataFrame
    people: set[str]
    connection: psycopg.Connection


@pytest.fixture(scope="module")
def county(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoped]:
    """The sample county with a register of its public bodies under their own names, modelled by dbt."""
    folder = tmp_path_factory.mktemp("scoped")
    write_county(folder / "inbox", folder / "truth", scale=0.05)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", server())
        patch.setenv("ANCHORSPEND_INBOX", str(folder / "inbox"))
        patch.setenv("ANCHORSPEND_LANDING", str(folder / "landing"))
        warehouse.set_up(os.environ["ANCHORSPEND_BI_READER_PASSWORD"])
        for institution in contract.load_institutions().values():
            for feed_id in institution.feeds.keys() & {"ledger", "card", "observatory"}:
                list(ingest.land_feed(institution, feed_id))
                list(ingest.load_feed(institution, feed_id))
        suppliers = pd.read_csv(folder / "truth" / "suppliers.csv", dtype=str, keep_default_na=False)
        with psycopg.connect(warehouse.url(), autocommit=True) as connection:
            register_bodies(connection, suppliers)
            release.register()
            resolve.resolve()
            connection.execute("create schema candidate")
            model.build()
            lines = beside_truth(connection, folder / "truth", suppliers)
            people = pd.read_csv(folder / "truth" / "individuals.csv", dtype=str, keep_default_na=False)
            yield Scoped(lines, set(people["name"]) | set(people.name_as_written), connection)


def register_bodies(connection: psycopg.Connection, suppliers: pd.DataFrame) -> None:
    bodies = suppliers[suppliers.sector == "public_body"]
    assert len(bodies) > 30
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.public_body"
            " (batch_id, line_no, source_row, body_id, body_name, body_type, postcode, source)"
            " values (1, %s, 1, %s, %s, %s, %s, 'the truth of the sample')",
            [
                (number, body.supplier_id, body.legal_name, body_type(body.legal_name), body.postcode)
                for number, body in enumerate(bodies.itertuples(), start=1)
            ],
        )


def body_type(name: str) -> str:
    words = {
        "Pension": "pension_fund",
        "Revenue": "tax_authority",
        "Drainage": "drainage_board",
        "Treasury": "treasury_body",
    }
    return next((kind for word, kind in words.items() if word in name), "academy" if "Academy" in name else "council")


def beside_truth(connection: psycopg.Connection, truth: Path, suppliers: pd.DataFrame) -> pd.DataFrame:
    cursor = connection.execute(
        """
        select line.institution_id, line.feed_id, reverse(split_part(reverse(file_name), '/', 1)) as file,
            coalesce(source_sheet, '') as sheet, source_row::text as row, line.financial_year, line.amount, line.scope,
            line.scope_rule_id, payee_type
        from candidate.fct_spend as line
        inner join candidate.dim_supplier using (supplier_record_id)
        inner join candidate.dim_batch using (batch_id)
        """
    )
    ours = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
    true = pd.read_csv(truth / "lines.csv", dtype=str, keep_default_na=False)
    owner = suppliers.set_index("supplier_id")
    true = true.assign(
        file=true.file.str.split("/").str[-1],
        sector=true.supplier_id.map(owner.sector),
        due=true.scope.replace(SCOPES).mask(true.supplier_id.map(owner.institution_id) != "", "between_anchors"),
    )
    key = ["institution_id", "feed_id", "file", "sheet", "row"]
    both = ours.merge(true[[*key, "due", "sector"]], on=key, validate="one_to_one")
    assert len(both) == len(ours) == len(true)
    return both


def bridge(connection: psycopg.Connection, institution: str, year: str, kpi: str) -> dict[str, Decimal]:
    return dict(
        connection.execute(
            "select step, amount from candidate.scope_bridge"
            " where (institution_id, financial_year, kpi_id) = (%s, %s, %s) order by step_no",
            [institution, year, kpi],
        ).fetchall()
    )


def test_luton_council_walks_from_238_to_192_million_as_the_strategy_has_it(county: Scoped) -> None:
    steps = bridge(county.connection, "luton_council", "2017-18", "local_spend_pct")
    assert steps["counted"] == Decimal(238_000_000)
    assert steps["influenceable"] == Decimal(192_000_000)
    assert steps["base"] == Decimal(238_000_000)
    assert steps["loaded"] + steps["detail"] + steps["twin"] + steps["second_opinion"] == steps["counted"]


def test_every_step_of_luton_councils_bridge_is_the_truths_to_the_penny(county: Scoped) -> None:
    lines = county.lines[(county.lines.institution_id == "luton_council") & (county.lines.financial_year == "2017-18")]
    due = lines.groupby("due").amount.sum().to_dict()
    assert len(due) > 6
    steps = bridge(county.connection, "luton_council", "2017-18", "local_spend_pct")
    found = {name.removeprefix("less_"): -pounds for name, pounds in steps.items() if name.startswith("less_")}
    assert {scope: pounds for scope, pounds in found.items() if pounds} == {
        scope: pounds for scope, pounds in due.items() if scope != "influenceable"
    }


def test_what_is_influenceable_is_right_for_99_pounds_in_100_of_every_institution(county: Scoped) -> None:
    lines = county.lines
    right = (lines.due == "influenceable") == (lines.scope == "influenceable")
    pounds = lines.amount.abs().astype(float)
    shares = pounds.where(right, 0).groupby(lines.institution_id).sum() / pounds.groupby(lines.institution_id).sum()
    assert len(shares) == 8
    assert shares.min() >= 0.99, shares


def test_no_purchase_from_a_third_party_is_taken_out(county: Scoped) -> None:
    bought = county.lines[county.lines.due == "influenceable"]
    assert len(bought) > 5000
    assert bought.scope.value_counts().to_dict() == {"influenceable": len(bought)}


def test_kinds_of_payees_are_never_mistaken_for_another(county: Scoped) -> None:
    told = county.lines[["sector", "payee_type"]].value_counts().to_dict()
    assert told[("individual", "private_person")] > 20
    assert told[("public_body", "public_body")] > 200
    wrong = [
        pair
        for pair in told
        if (pair[1] == "private_person") > (pair[0] == "individual")
        or (pair[1] == "public_body") > (pair[0] == "public_body")
    ]
    assert wrong == []


def test_no_private_person_is_named_in_what_scope_publishes(county: Scoped) -> None:
    assert len(county.people) > 5
    for mart in ("dim_scope_rule", "dim_heading", "scope_bridge", "dim_scope", "line_scope_decided", "dim_supplier"):
        rows = county.connection.execute(f"select {mart}::text from candidate.{mart}".encode()).fetchall()
        text = "\n".join(row for (row,) in rows).casefold()
        assert [name for name in county.people if name.casefold() in text] == [], mart


@pytest.mark.parametrize("number", range(4))
def test_the_queries_of_the_documentation_answer(county: Scoped, number: int) -> None:
    queries = re.findall(r"```sql\n(.+?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) == 4
    with county.connection.transaction():
        county.connection.execute("set local search_path to candidate")
        assert county.connection.execute(queries[number].encode()).fetchall()
