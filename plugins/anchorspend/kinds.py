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
    """A kind of feed. `amount` names the field whose pounds are reconciled; `dated` the field that dates a line."""

    meaning: str
    fields: Mapping[str, Field]
    amount: str
    dated: str | None

    @property
    def required(self) -> list[str]:
        """Names of the fields every layout must map."""
        return [name for name, field in self.fields.items() if field.required]


def _text(meaning: str, required: bool = False) -> Field:
    return Field(FieldType.TEXT, meaning, required)


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
        fields={
            "payment_date": Field(FieldType.DATE, "date of payment in the ledger", required=True, filled=True),
            **_WHO_WAS_PAID,
            "amount": Field(FieldType.MONEY, "pounds paid, VAT as the feed's `vat` says", required=True, filled=True),
            "irrecoverable_vat": Field(FieldType.MONEY, "VAT that cannot be recovered, where shown apart"),
            "invoice_date": Field(FieldType.DATE, "date on the supplier's invoice"),
            "received_date": Field(FieldType.DATE, "date the institution received the invoice"),
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
        fields={
            **_WHO_WAS_PAID,
            "amount": Field(FieldType.MONEY, "pounds of the year with the supplier", required=True, filled=True),
            "transactions": Field(FieldType.INTEGER, "number of ledger lines behind the amount"),
            "employees": Field(FieldType.INTEGER, "number of employees, as the vendor knows it"),
            "claimed_sme": Field(FieldType.FLAG, "the vendor says: small or medium enterprise"),
            "claimed_local": Field(FieldType.FLAG, "the vendor says: local"),
            "claimed_charity": Field(FieldType.FLAG, "the vendor says: charity or voluntary sector"),
            "category_code": _text("the vendor's category code"),
            "category_label": _text("the vendor's category: the supplier's main business"),
        },
    ),
}
