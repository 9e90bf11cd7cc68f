"""What a feed of each kind holds: the input layer every institution's columns are mapped onto.

A kind is a table `raw.<kind>` and its typed fields. The names follow the Local Government Association's spend schema
where it has one, in the field's own plain words; sources stand beside each kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """How a cell of a field is read, and the PostgreSQL type it is kept in."""

    TEXT = "text"
    DATE = "date"
    MONEY = "numeric"
    INTEGER = "bigint"
    FLAG = "boolean"


@dataclass(frozen=True)
class Field:
    """One field of a kind.

    `required`: every layout must map it. `filled`: a line where it is empty is quarantined.
    """

    type: FieldType
    meaning: str
    required: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of feed.

    `amount` names the field whose pounds are reconciled, None where a record has no pounds; `dated` the field that must
    not lie after the file's period; `identity` the field by which a line is known again in a later version of its file.
    `is_register`: each file is the whole of a register of the outside world, and its lines replace those before it.
    """

    meaning: str
    fields: Mapping[str, Field]
    amount: str | None
    dated: str | None
    identity: str
    is_register: bool = False

    @property
    def required(self) -> list[str]:
        """Names of the fields every layout must map."""
        return [name for name, field in self.fields.items() if field.required]

    @property
    def earliest_year(self) -> int:
        """Year before which a date is a slip: a register goes back to the oldest bodies there are."""
        return 1600 if self.is_register else 1990


def _text(meaning: str, required: bool = False, filled: bool = False) -> Field:
    return Field(FieldType.TEXT, meaning, required, filled)


def _date(meaning: str, required: bool = False) -> Field:
    return Field(FieldType.DATE, meaning, required, filled=required)


def _money(meaning: str, required: bool = False) -> Field:
    return Field(FieldType.MONEY, meaning, required, filled=required)


def _count(meaning: str) -> Field:
    return Field(FieldType.INTEGER, meaning)


def _flag(meaning: str) -> Field:
    return Field(FieldType.FLAG, meaning)


_WHO_WAS_PAID = {
    # May be empty on a line: the pounds were spent all the same, with a supplier nobody named.
    "supplier_name": _text("who was paid, as the institution writes it", required=True),
    "supplier_ref": _text("the institution's own number for the supplier record"),
    "supplier_postcode": _text("postcode of the supplier record"),
    "company_number": _text("Companies House number, as given"),
    "charity_number": _text("Charity Commission number, as given"),
    "vat_number": _text("VAT registration number, as given"),
}

KINDS: Mapping[str, Kind] = {
    # LGA spend schema; Local Government Transparency Code 2015; HM Treasury guidance on spend over £25,000.
    "ledger": Kind(
        meaning="accounts-payable lines: one line of one payment",
        amount="amount",
        dated="payment_date",
        identity="transaction_ref",
        fields={
            # A layout without it dates its lines by the file's period; where it is mapped it must be filled.
            "payment_date": Field(FieldType.DATE, "date of payment in the ledger", filled=True),
            **_WHO_WAS_PAID,
            "amount": _money("pounds paid, VAT as the feed's `vat` says", required=True),
            "irrecoverable_vat": _money("VAT that cannot be recovered, where shown apart"),
            "invoice_date": _date("date on the supplier's invoice"),
            "received_date": _date("date the institution received the invoice"),
            "invoice_ref": _text("the supplier's invoice number"),
            "transaction_ref": _text("the institution's number for the payment or voucher"),
            "description": _text("what was bought, in words"),
            "department": _text("department family or parent body"),
            "organisational_unit": _text("the service, entity or cost centre that spent it"),
            "expense_area": _text("area of expense (HM Treasury layout)"),
            "expense_type": _text("type of expense: the ledger's subjective heading"),
            "category_code": _text("ProClass code of what was bought"),
            "category_label": _text("the institution's own category"),
            "contract_ref": _text("reference of the contract paid under"),
        },
    ),
    # Spikes Cavell Observatory (no public file specification exists); its flags are claims with a source, not truth.
    "observatory": Kind(
        meaning="yearly spend per cleansed supplier, as an analytics vendor returns it",
        amount="amount",
        dated=None,
        identity="supplier_ref",
        fields={
            **_WHO_WAS_PAID,
            "amount": _money("pounds of the year with the supplier", required=True),
            "transactions": _count("number of ledger lines behind the amount"),
            "employees": _count("number of employees, as the vendor knows it"),
            "claimed_sme": _flag("the vendor says: small or medium enterprise"),
            "claimed_local": _flag("the vendor says: local"),
            "claimed_charity": _flag("the vendor says: charity or voluntary sector"),
            "category_code": _text("the vendor's category code"),
            "category_label": _text("the vendor's category: the supplier's main business"),
        },
    ),
    # Local Government Transparency Code 2015, part 2: every transaction on a Government Procurement Card.
    "card": Kind(
        meaning="procurement card transactions: one line of one purchase",
        amount="amount",
        dated="payment_date",
        identity="transaction_ref",
        fields={
            "payment_date": _date("date of the transaction", required=True),
            "supplier_name": _text("the merchant, as the card scheme writes it", required=True),
            "amount": _money("pounds charged, VAT as the feed's `vat` says", required=True),
            "irrecoverable_vat": _money("VAT that cannot be recovered, where shown apart"),
            "transaction_ref": _text("the institution's number for the transaction"),
            "description": _text("purpose, in words"),
            "department": _text("department or directorate"),
            "organisational_unit": _text("the service or cost centre that spent it"),
            "category_label": _text("merchant category, in words"),
            "category_code": _text("ProClass code of what was bought"),
            "merchant_category_code": _text("merchant category code of the card scheme (ISO 18245)"),
            "card_type": _text("scheme of the card: GPC or CCC in the LGA spend schema"),
        },
    ),
    # LGA contracts schema; Local Government Transparency Code 2015, part 2: contracts over £5,000.
    "contract": Kind(
        meaning="contract register: one contract as it stands",
        amount="contract_value",
        dated=None,
        identity="contract_ref",
        fields={
            "contract_ref": _text("the institution's reference of the contract", required=True, filled=True),
            "ocid": _text("Open Contracting ID"),
            "title": _text("title of the contract", required=True),
            "description": _text("what is bought, in words"),
            "contract_type": _text("single award, framework, dynamic purchasing system, grant, ..."),
            "department": _text("department or directorate"),
            "organisational_unit": _text("the service that owns the contract"),
            **_WHO_WAS_PAID,
            "start_date": _date("first day of the contract"),
            "end_date": _date("last day of the contract, extensions not counted"),
            "review_date": _date("date of review"),
            "last_extension_date": _date("last day the contract can be extended to"),
            "contract_value": _money("pounds over the whole life of the contract"),
            "irrecoverable_vat": _money("VAT that cannot be recovered"),
            "category_code": _text("ProClass code of what is bought"),
            "category_label": _text("category in words"),
            "cpv_code": _text("Common Procurement Vocabulary code"),
            "process_type": _text("invitation to quote, published invitation to tender, ..."),
            "route": _text("procurement route: quick quote, open, restricted, call-off, ..."),
            "lead_body": _text("the institution that led a joint procurement"),
            "partner_bodies": _text("the other institutions of a joint procurement"),
            "claimed_sme": _flag("the register says: small or medium enterprise"),
            "claimed_vcse": _flag("the register says: voluntary, community or social enterprise"),
        },
    ),
    # Strategy lines 453 and 1021-1045; no public specification of a portal's log exists.
    "portal": Kind(
        meaning="e-tendering portal log: one dated event of one opportunity",
        amount=None,
        dated=None,
        identity="opportunity_ref",
        fields={
            "opportunity_ref": _text("the portal's reference of the opportunity", required=True, filled=True),
            "title": _text("title of the opportunity"),
            "route": _text("quick quote, mini-competition, call-off, open, restricted, framework, ...", required=True),
            "event": _text("what happened: published, invited, responded, closed, awarded, cancelled", required=True),
            "event_date": _date("day it happened", required=True),
            "supplier_name": _text("the supplier invited, responding or awarded"),
            "supplier_postcode": _text("postcode of that supplier"),
            "company_number": _text("Companies House number of that supplier, as given"),
            "estimated_value": _money("pounds expected, or awarded"),
            "category_code": _text("ProClass code of what is bought"),
            "category_label": _text("category in words"),
            "organisational_unit": _text("the service that buys"),
            "contract_ref": _text("the contract it led to"),
        },
    ),
    # Open Contracting Data Standard 1.1 releases, as Contracts Finder and Find a Tender publish them.
    "notice": Kind(
        meaning="procurement notices: one OCDS release",
        amount="notice_value",
        dated=None,
        identity="ocid",
        fields={
            "ocid": _text("Open Contracting ID of the process", required=True, filled=True),
            "release_ref": _text("id of the release"),
            "opportunity_ref": _text("the buyer's own reference of the tender, as its portal has it"),
            "release_date": _date("day of the release"),
            "stage": _text("tag of the release: tender, award, contract, ..."),
            "buyer_name": _text("the buyer, as the notice writes it", required=True),
            "title": _text("title of the tender"),
            "status": _text("status of the tender"),
            "procurement_method": _text("open, selective, limited or direct"),
            "procurement_method_details": _text("the procedure, in the notice's own words"),
            "main_category": _text("goods, services or works"),
            "cpv_code": _text("Common Procurement Vocabulary code"),
            "notice_value": _money("pounds expected or awarded, in the notice's currency"),
            "currency": _text("ISO 4217 code"),
            "published_date": _date("day the tender was published"),
            "tender_end_date": _date("last day for tenders"),
            "award_date": _date("day of the first award"),
            "contract_start_date": _date("first day of the contract"),
            "contract_end_date": _date("last day of the contract"),
            "supplier_name": _text("the first supplier of the first award"),
            "company_number": _text("identifier of that supplier, as given"),
            "suitable_for_sme": _flag("the notice says: suitable for small and medium enterprises"),
            "suitable_for_vcse": _flag("the notice says: suitable for the voluntary sector"),
        },
    ),
    # Strategy lines 1120-1138 and 549-562.
    "exemption": Kind(
        meaning="register of exemptions from the procurement rules: one request",
        amount="exemption_value",
        dated="requested_date",
        identity="exemption_ref",
        fields={
            "exemption_ref": _text("reference of the request", required=True, filled=True),
            "requested_date": _date("day it was received", required=True),
            "decided_date": _date("day it was decided"),
            "decision": _text("approved, rejected, withdrawn, or empty while open", required=True),
            "approved_by": _text("role that decided", required=True),
            "reason": _text("ground of the exemption"),
            "description": _text("what is bought, in words"),
            "supplier_name": _text("the supplier it is for"),
            "supplier_postcode": _text("postcode of that supplier"),
            "exemption_value": _money("pounds exempted"),
            "department": _text("department or directorate"),
            "category_code": _text("ProClass code of what is bought"),
            "contract_ref": _text("contract it led to"),
        },
    ),
    # Strategy lines 1140-1152.
    "saving": Kind(
        meaning="register of procurement savings: one saving",
        amount="saving_amount",
        dated=None,
        identity="saving_ref",
        fields={
            "saving_ref": _text("reference of the saving", required=True, filled=True),
            "saving_date": _date("day from which it counts", required=True),
            "saving_amount": _money("pounds saved in the financial year of its date", required=True),
            "saving_type": _text("cashable or cost avoidance"),
            "status": _text("planned, achieved or signed off", required=True),
            "approved_by": _text("role that signed it off", required=True),
            "description": _text("how it was saved"),
            "department": _text("department or directorate"),
            "contract_ref": _text("contract it was saved on"),
        },
    ),
    # Strategy lines 1106-1118.
    "event": Kind(
        meaning="register of engagement events: one event",
        amount=None,
        dated=None,
        identity="event_ref",
        fields={
            "event_ref": _text("reference of the event", required=True, filled=True),
            "event_date": _date("day it was or is to be held", required=True),
            "event_type": _text("meet the buyer, supplier forum, ...", required=True),
            "status": _text("planned, held or cancelled", required=True),
            "approved_by": _text("role that confirmed it", required=True),
            "title": _text("title of the event"),
            "venue": _text("where it was held"),
            "suppliers_attending": _count("suppliers that came"),
            "local_suppliers_attending": _count("local suppliers that came"),
        },
    ),
    # Strategy lines 1063-1077; Public Services (Social Value) Act 2012.
    "social_value": Kind(
        meaning="register of social value: one commitment under a contract",
        amount="promised_amount",
        dated=None,
        identity="commitment_ref",
        fields={
            "commitment_ref": _text("reference of the commitment", required=True, filled=True),
            "contract_ref": _text("contract it was promised under", required=True),
            "supplier_name": _text("who promised it", required=True),
            "supplier_postcode": _text("postcode of that supplier"),
            "recorded_date": _date("day of the record", required=True),
            "measure": _text("what is promised, as the institution's framework names it", required=True),
            "unit": _text("unit of the quantities"),
            "promised_quantity": _count("how much was promised"),
            "delivered_quantity": _count("how much was delivered"),
            "promised_amount": _money("pounds of social value promised"),
            "delivered_amount": _money("pounds of social value delivered"),
            "approved_by": _text("role that confirmed the delivery", required=True),
        },
    ),
    # Companies House, free company data product (basic company data); its URI column and mortgage counts are not kept.
    "company": Kind(
        meaning="register of companies: one company",
        amount=None,
        dated=None,
        identity="company_number",
        is_register=True,
        fields={
            "company_number": _text("eight characters, with leading zeros or a prefix", required=True, filled=True),
            "company_name": _text("name in force", required=True, filled=True),
            **{f"address_line{number}": _text(f"registered office, line {number}") for number in (1, 2)},
            "post_town": _text("registered office, post town"),
            "postcode": _text("registered office, postcode"),
            "country": _text("registered office, country"),
            "company_category": _text("legal form, such as Private Limited Company", required=True),
            "company_status": _text("active, in liquidation, ...", required=True),
            "country_of_origin": _text("country of incorporation"),
            "incorporation_date": _date("day of incorporation"),
            "dissolution_date": _date("day of dissolution"),
            "accounts_made_up_date": _date("last day of the newest filed accounts"),
            "accounts_category": _text("one of Companies House's account types, such as MICRO ENTITY"),
            **{f"sic_{number}": _text(f"SIC 2007 class, number {number}") for number in range(1, 5)},
            **{
                f"previous_name_{number}": _text(f"name before, newest first, number {number}")
                for number in range(1, 11)
            },
        },
    ),
    # Charity Commission for England and Wales, public register extract, table `charity`.
    "charity": Kind(
        meaning="register of charities: one charity, or one charity linked to it",
        amount=None,
        dated=None,
        identity="organisation_number",
        is_register=True,
        fields={
            "organisation_number": _text("the Commission's own number of the row", required=True, filled=True),
            "charity_number": _text("registered charity number", required=True, filled=True),
            "linked_charity_number": _text("0 for the charity itself, else the number of the linked one"),
            "charity_name": _text("name in force", required=True, filled=True),
            "charity_type": _text("trust, charitable company, CIO, ..."),
            "registration_status": _text("Registered or Removed", required=True),
            "registration_date": _date("day of registration"),
            "removal_date": _date("day of removal"),
            "latest_income": _money("pounds of income in the newest filed year"),
            "latest_expenditure": _money("pounds of expenditure in the newest filed year"),
            **{f"address_line{number}": _text(f"contact address, line {number}") for number in range(1, 6)},
            "postcode": _text("contact address, postcode"),
            "company_number": _text("Companies House number; the extract writes it as a number without leading zeros"),
            "is_cio": _flag("charitable incorporated organisation"),
        },
    ),
    # Financial Conduct Authority, Mutuals Public Register.
    "mutual": Kind(
        meaning="register of mutual societies: one society",
        amount=None,
        dated=None,
        identity="society_number",
        is_register=True,
        fields={
            "society_number": _text("full registration number", required=True, filled=True),
            "society_name": _text("name in force", required=True, filled=True),
            "society_status": _text("Registered or Deregistered", required=True),
            "registered_as": _text("community benefit society, co-operative society, credit union, ...", required=True),
            "registration_date": _date("day of registration"),
            "deregistration_date": _date("day of deregistration"),
            "address": _text("registered office"),
            "postcode": _text("registered office, postcode"),
        },
    ),
    # Companies House, people with significant control (a daily snapshot in JSON), which the partnership flattens: of
    # each company the corporate entity with the largest share. Companies without one are not in it.
    "company_parent": Kind(
        meaning="who owns a company: one company with a corporate parent",
        amount=None,
        dated=None,
        identity="company_number",
        is_register=True,
        fields={
            "company_number": _text("Companies House number of the company owned", required=True, filled=True),
            "parent_number": _text("number of its parent, in the register of the parent's country"),
            "parent_name": _text("name of its parent", required=True, filled=True),
            "nature_of_control": _text("the share held, in Companies House's words", required=True),
            "as_of_date": _date("day of the snapshot"),
            "source": _text("where it was taken from", required=True),
        },
    ),
    # Living Wage Foundation; no public file specification exists.
    "living_wage_employer": Kind(
        meaning="employers accredited for the real living wage: one employer",
        amount=None,
        dated=None,
        identity="employer_name",
        is_register=True,
        fields={
            "employer_name": _text("name as accredited", required=True, filled=True),
            "accredited_date": _date("day of accreditation"),
            "company_number": _text("Companies House number, as given"),
            "charity_number": _text("charity number, as given"),
            "postcode": _text("postcode of the head office"),
            "sector": _text("private, public or third sector, as the list says"),
        },
    ),
    # Kept by the partnership from GOV.UK, NHS Digital and Department for Education lists.
    "public_body": Kind(
        meaning="public bodies: one body under one of its names",
        amount=None,
        dated=None,
        identity="body_name",
        is_register=True,
        fields={
            "body_name": _text("a name the body goes by", required=True, filled=True),
            "body_id": _text("the same for every name of one body", required=True, filled=True),
            "body_type": _text(
                "council, nhs, police, fire, school, academy, university, department, ...", required=True
            ),
            "official_code": _text("GSS code, ODS code, URN or UKPRN"),
            "company_number": _text("Companies House number, where it has one"),
            "charity_number": _text("charity number, where it has one"),
            "postcode": _text("postcode of its head office"),
            "source": _text("the list it was taken from", required=True),
        },
    ),
    # Ministry of Housing, Communities and Local Government, English indices of deprivation, postcode look-up.
    "deprivation": Kind(
        meaning="deprivation by postcode: one postcode in one edition of the indices",
        amount=None,
        dated=None,
        identity="postcode",
        is_register=True,
        fields={
            "postcode": _text("postcode", required=True, filled=True),
            "area_code": _text("lower-layer super output area", required=True),
            "rank": _count("1 is the most deprived area of England"),
            "decile": _count("1 is the most deprived tenth"),
        },
    ),
}
