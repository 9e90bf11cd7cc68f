"""Inspection: what a file is, what its columns mean, and a draft that loads it, over the shapes bodies publish."""

import csv
import gzip
import io
import json
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
import xlwt
from anchorspend import rehearse
from anchorspend.contract import load_institution
from anchorspend.errors import UserError
from anchorspend.inspect import Inspection, inspect_file, naming, printed
from anchorspend.inspect.headers import likeness, vocabulary, words
from anchorspend.inspect.recognise import sniff_delimiter
from anchorspend.kinds import KINDS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table as OdfTable
from odf.table import TableCell, TableRow
from odf.text import P
from rich.console import Console

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SUPPLIERS = ("Luton Paper Ltd", "Bedford Bricks Ltd", "Dunstable Data Ltd", "Leagrave Lifts Ltd")


def text(
    header: str, *rows: str, above: str = "", below: str = "", end: str = "\r\n", encoding: str = "utf-8"
) -> bytes:
    """A CSV: what stands above the header, the header, the rows, what stands below."""
    lines = [*above.splitlines(), header, *rows, *below.splitlines()]
    return (end.join(lines) + end).encode(encoding)


def rows(template: str, count: int = 12, month: int = 4, year: int = 2023) -> list[str]:
    """Lines with {d} day of two digits, {s} supplier, {p} pounds, {i} number."""
    return [
        template.format(d=f"{i + 13:02}", m=f"{month:02}", y=year, s=SUPPLIERS[i % 4], p=f"{500 + i}.25", i=1000 + i)
        for i in range(count)
    ]


TWELVE = sum((Decimal(f"{500 + i}.25") for i in range(12)), Decimal(0))


def book(sheets: dict[str, list[list[object]]], hidden: str | None = None) -> bytes:
    """An XLSX workbook."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, cells in sheets.items():
        sheet = made.create_sheet(name)
        for row in cells:
            sheet.append(row)
        if name == hidden:
            sheet.sheet_state = "hidden"
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()


def old_book(cells: list[list[object]]) -> bytes:
    """An XLS workbook."""
    made = xlwt.Workbook()
    sheet = made.add_sheet("Data")
    days = xlwt.easyxf(num_format_str="DD/MM/YYYY")
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            sheet.write(i, j, cell, days) if isinstance(cell, date) else sheet.write(i, j, cell)
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()


def open_book(cells: list[list[str]]) -> bytes:
    """An ODS workbook of texts."""
    made = OpenDocumentSpreadsheet()
    sheet = OdfTable(name="Data")
    for row in cells:
        line = TableRow()
        for cell in row:
            box = TableCell(valuetype="string")
            box.addElement(P(text=cell))
            line.addElement(box)
        sheet.addElement(line)
    made.spreadsheet.addElement(sheet)
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    """A zip."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return kept.getvalue()


def cells(count: int = 12, month: int = 4) -> list[list[object]]:
    """Lines of a workbook: true date, supplier, amount, reference."""
    return [[datetime(2023, month, i + 13), SUPPLIERS[i % 4], 500.25 + i, f"R{i}"] for i in range(count)]


@dataclass
class Shape:
    """A file as some body publishes it, and what it must come out as."""

    id: str
    name: str
    content: bytes
    columns: dict[str, str]
    kind: str = "ledger"
    lines: int = 12
    amount: Decimal = TWELVE
    period: str = "2023-04"
    layout: dict[str, object] = field(default_factory=dict)
    feed: dict[str, object] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    renamed: bool = False


HEAD: list[object] = ["Payment Date", "Supplier Name", "Amount", "Reference"]
MAPPED = {
    "payment_date": "Payment Date",
    "supplier_name": "Supplier Name",
    "amount": "Amount",
    "transaction_ref": "Reference",
}
PLAIN = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}

SHAPES = [
    Shape(
        "lga schema",
        "spend-2023-04.csv",
        text(
            "OrganisationLabel,OrganisationalUnit,BeneficiaryName,BeneficiaryOtherID,PaymentDate,TransactionNumber,Amount,"
            "IrrecoverableVATAmount,Purpose,ProclassLabel,ProclassCode,ContractRef",
            *rows("Beds Council,Parks,{s},77{i},{y}-{m}-{d},{i},{p},0.00,Benches,Furniture,301100,C{i}"),
        ),
        {
            "department": "OrganisationLabel",
            "organisational_unit": "OrganisationalUnit",
            "supplier_name": "BeneficiaryName",
            "supplier_ref": "BeneficiaryOtherID",
            "payment_date": "PaymentDate",
            "transaction_ref": "TransactionNumber",
            "amount": "Amount",
            "irrecoverable_vat": "IrrecoverableVATAmount",
            "description": "Purpose",
            "category_label": "ProclassLabel",
            "category_code": "ProclassCode",
            "contract_ref": "ContractRef",
        },
        layout={"dates": ["%Y-%m-%d"]},
    ),
    Shape(
        "£25k of a department",
        "HO_GPC_spend_over_25k_April_2023.csv".replace("GPC_", ""),
        text(
            "Department Family,Entity,Date,Expense Type,Expense Area,Supplier,Transaction Number,Amount,Description,"
            "Supplier Postcode",
            *rows('Home Office,Home Office,{d}/{m}/{y},IT,Police,{s},{i},"£{p}",Laptops,LU1 2BQ'),
        ),
        {
            "department": "Department Family",
            "organisational_unit": "Entity",
            "payment_date": "Date",
            "expense_type": "Expense Type",
            "expense_area": "Expense Area",
            "supplier_name": "Supplier",
            "transaction_ref": "Transaction Number",
            "amount": "Amount",
            "description": "Description",
            "supplier_postcode": "Supplier Postcode",
        },
        feed={"publishes_over": Decimal(25000)},
    ),
    Shape(
        "£25k with trailing commas",
        "dhsc-spend-april-2023.csv",
        text(
            "Department Family,Entity,Date,Expense Type,Expense Area,Supplier,Transaction Number,Amount,,,",
            *rows("DHSC,DHSC,{d}/{m}/{y},IT,Health,{s},{i},{p},,,"),
            below=",,,,,,,,,,\n,,,,,,,,,,",
        ),
        {
            "department": "Department Family",
            "organisational_unit": "Entity",
            "payment_date": "Date",
            "expense_type": "Expense Type",
            "expense_area": "Expense Area",
            "supplier_name": "Supplier",
            "transaction_ref": "Transaction Number",
            "amount": "Amount",
        },
        says=("3 columns without header",),
    ),
    Shape(
        "council with a preamble",
        "Payments over £500 April 2023.csv",
        text(
            "Directorate,Service Area,Date Paid,Creditor Name,Net Amount,Expenditure Category",
            *rows("Place,Parks,{d}/{m}/{y},{s},{p},Benches"),
            above="Central Council payments to suppliers over £500,,,,,\nPublished 12/05/2023,,,,,\n,,,,,",
        ),
        {
            "department": "Directorate",
            "organisational_unit": "Service Area",
            "payment_date": "Date Paid",
            "supplier_name": "Creditor Name",
            "amount": "Net Amount",
            "expense_type": "Expenditure Category",
        },
        feed={"vat": "net", "publishes_over": Decimal(500)},
    ),
    Shape(
        "vendor and posting date",
        "apr-23.csv",
        text("Vendor,Posting Date,Value (£),Cost Centre,Document Number", *rows("{s},{d}.{m}.{y},{p},CC10,{i}")),
        {
            "supplier_name": "Vendor",
            "payment_date": "Posting Date",
            "amount": "Value (£)",
            "organisational_unit": "Cost Centre",
            "transaction_ref": "Document Number",
        },
        layout={"dates": ["%d.%m.%Y"]},
    ),
    Shape(
        "semicolons",
        "spend_2023_04.csv",
        text("Body Name;Payee;Transaction Date;Amount", *rows("Beds Council;{s};{d}/{m}/{y};{p}")),
        {"department": "Body Name", "supplier_name": "Payee", "payment_date": "Transaction Date", "amount": "Amount"},
        layout={"delimiter": ";"},
    ),
    Shape(
        "tabs called csv",
        "spend 04 2023.csv",
        text("Date\tSupplier\tAmount", *rows("{d}/{m}/{y}\t{s}, The\t{p}")),
        PLAIN,
        layout={"delimiter": "\t"},
    ),
    Shape(
        "bars",
        "2023-04.txt",
        text("Date|Supplier|Amount", *rows("{d}/{m}/{y}|{s}|{p}")),
        PLAIN,
        layout={"delimiter": "|"},
    ),
    Shape(
        "cp1252 with £ signs",
        "2023-04.csv",
        text("Date,Supplier,Amount (£)", *rows("{d}/{m}/{y},Café {s},£{p}"), encoding="cp1252"),
        {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount (£)"},
    ),
    Shape(
        "utf-16 with a mark",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}"), encoding="utf-16"),
        PLAIN,
    ),
    Shape(
        "utf-8 with a mark",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s} ü,{p}"), encoding="utf-8-sig"),
        PLAIN,
    ),
    Shape("lines end CR", "2023-04.csv", text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}"), end="\r"), PLAIN),
    Shape(
        "brackets are negative",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}"), '25/04/2023,Luton Paper Ltd,"(1,000.50)"'),
        PLAIN,
        lines=13,
        amount=TWELVE - Decimal("1000.50"),
    ),
    Shape(
        "credits marked CR",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p} DR"), "25/04/2023,Luton Paper Ltd,10.50 CR"),
        PLAIN,
        lines=13,
        amount=TWELVE - Decimal("10.50"),
    ),
    Shape(
        "payments are negative",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},-{p}")),
        PLAIN,
        layout={"payments_are": "negative"},
    ),
    Shape(
        "month first",
        "april 2023.csv",
        text("Date,Supplier,Amount", *rows("{m}/{d}/{y},{s},{p}")),
        PLAIN,
        layout={"dates": ["%m/%d/%Y"]},
    ),
    Shape(
        "month first, told by the period alone",
        "april 2023.csv",
        text("Date,Supplier,Amount", *(f"04/{i + 1:02}/2023,{SUPPLIERS[0]},{500 + i}.25" for i in range(12))),
        PLAIN,
        layout={"dates": ["%m/%d/%Y"]},
    ),
    Shape(
        "day and month ambiguous",
        "april 2023.csv",
        text("Date,Supplier,Amount", *(f"{i + 1:02}/04/2023,{SUPPLIERS[0]},{500 + i}.25" for i in range(12))),
        PLAIN,
        layout={"dates": ["%d/%m/%Y"]},
        says=("day and month could be exchanged",),
    ),
    Shape(
        "two ways to write a date",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}", 6), *rows("{d}.{m}.{y},{s},{p}", 12)[6:]),
        PLAIN,
        says=("2 ways to write a date",),
    ),
    Shape(
        "month names in dates",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{d}-Apr-23,{s},{p}")),
        PLAIN,
        layout={"dates": ["%d-%b-%y"]},
    ),
    Shape(
        "dates with a time",
        "2023-04.csv",
        text("Date,Supplier,Amount", *rows("{y}-{m}-{d} 00:00:00,{s},{p}")),
        PLAIN,
        layout={"dates": ["%Y-%m-%d %H:%M:%S"]},
    ),
    Shape(
        "dates are no dates",
        "2023-04.csv",
        text("Paid Date,Supplier,Amount", *rows("00:00:00,{s},{p}")),
        {"supplier_name": "Supplier", "amount": "Amount"},
        layout={"ignore": ["Paid Date"]},
    ),
    Shape(
        "no dates at all",
        "2011-01-payments.csv",
        text("Supplier Name,Sum of Invoice Nett Amount", *rows("{s},{p}")),
        {"supplier_name": "Supplier Name", "amount": "Sum of Invoice Nett Amount"},
        period="2011-01",
        feed={"vat": "net"},
    ),
    Shape(
        "grand total at the end",
        "2023-04.csv",
        text("Supplier,Date,Amount", *rows("{s},{d}/{m}/{y},{p}"), below=f'Grand Total,,"{TWELVE:,}"'),
        PLAIN,
        layout={"totals": {"field": "supplier_name", "label": "grand total"}},
    ),
    Shape(
        "total without a word",
        "2023-04.csv",
        text("Supplier,Date,Amount", *rows("{s},{d}/{m}/{y},{p}"), below=f",,{TWELVE}"),
        PLAIN,
        layout={"totals": {"field": "supplier_name", "label": ""}},
    ),
    Shape(
        "header on every page",
        "2023-04.csv",
        text(
            "Date,Supplier,Amount",
            *rows("{d}/{m}/{y},{s},{p}")[:6],
            "Date,Supplier,Amount",
            *rows("{d}/{m}/{y},{s},{p}")[6:],
        ),
        PLAIN,
        says=("header is repeated 1 times",),
    ),
    Shape(
        "repeated lines are kept",
        "2023-04.csv",
        text("Date,Supplier,Amount", *(["13/04/2023,Luton Paper Ltd,10.00"] * 12)),
        PLAIN,
        amount=Decimal(120),
        says=("11 lines repeat",),
    ),
    Shape(
        "damaged references",
        "2023-04.csv",
        text(
            "Date,Supplier,Amount,Invoice Number",
            *rows("{d}/{m}/{y},{s},{p},{i}/AB")[:10],
            "25/04/2023,Luton Paper Ltd,510.25,1.2E+11",
            "26/04/2023,Luton Paper Ltd,511.25,Jan-12",
        ),
        {**PLAIN, "invoice_ref": "Invoice Number"},
        says=("digits are lost", "took a reference for a date"),
    ),
    Shape(
        "net, VAT and gross",
        "2023-04.csv",
        text("Supplier,Date,Gross Amount,VAT,Net Amount", *rows("{s},{d}/{m}/{y},99.00,1.00,{p}")),
        {**PLAIN, "amount": "Net Amount"},
        feed={"vat": "net"},
        layout={"ignore": ["Gross Amount", "VAT"]},
    ),
    Shape(
        "gross only",
        "2023-04.csv",
        text("Supplier,Date,Amount inc VAT", *rows("{s},{d}/{m}/{y},{p}")),
        {**PLAIN, "amount": "Amount inc VAT"},
        feed={"vat": "gross"},
    ),
    Shape(
        "company, charity and VAT numbers",
        "2023-04.csv",
        text(
            "Supplier Name,Company Number,Charity Number,VAT Reg No,Post Code,Date Paid,Amount",
            *rows("{s},0123{i},20{i},GB81231{i},LU1 2BQ,{d}/{m}/{y},{p}"),
        ),
        {
            "supplier_name": "Supplier Name",
            "company_number": "Company Number",
            "charity_number": "Charity Number",
            "vat_number": "VAT Reg No",
            "supplier_postcode": "Post Code",
            "payment_date": "Date Paid",
            "amount": "Amount",
        },
    ),
    Shape(
        "postcodes beyond the header",
        "2023-04.csv",
        text("Date,Supplier,Amount,Postcode", *rows("{d}/{m}/{y},{s},{p},,,LU1 2BQ")),
        {**PLAIN, "supplier_postcode": "Postcode"},
        layout={"fallback": {"supplier_postcode": 6}},
        says=("12 lines have cells right of the header",),
    ),
    Shape(
        "a column without header",
        "2023-04.csv",
        text("Date,Supplier,,Amount", *rows("{d}/{m}/{y},{s},note {i},{p}")),
        PLAIN,
        says=("no header stands over column 3",),
    ),
    Shape(
        "header spelled wrongly",
        "2023-04.csv",
        text("Date,Suplier Name,Organisatonal Unit,Amount", *rows("{d}/{m}/{y},{s},Parks,{p}")),
        {
            "payment_date": "Date",
            "supplier_name": "Suplier Name",
            "organisational_unit": "Organisatonal Unit",
            "amount": "Amount",
        },
    ),
    Shape(
        "snake case",
        "2023-04.csv",
        text(
            "body_name,organisational_unit,paid_date,trans_no,amount,supplier_id,supplier_name",
            *rows("Beds Council,Parks,{d}/{m}/{y},{i}_1,{p},2000{i},{s}"),
        ),
        {
            "department": "body_name",
            "organisational_unit": "organisational_unit",
            "payment_date": "paid_date",
            "transaction_ref": "trans_no",
            "amount": "amount",
            "supplier_ref": "supplier_id",
            "supplier_name": "supplier_name",
        },
    ),
    Shape(
        "quotes are inches",
        "2023-04.csv",
        text("Date,Supplier,Description,Amount", *rows('{d}/{m}/{y},{s},"9 pipe,{p}')),
        {**PLAIN, "description": "Description"},
        layout={"quotechar": ""},
    ),
    Shape(
        "newlines in cells", "2023-04.csv", text("Date,Supplier,Amount", *rows('{d}/{m}/{y},"{s}\nBeds",{p}')), PLAIN
    ),
    Shape(
        "quarter by months",
        "expenditure-over-500-apr-jun-2023.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}", month=6)),
        PLAIN,
        period="2023-04..2023-06",
        feed={"publishes_over": Decimal(500)},
    ),
    Shape(
        "quarter by number",
        "Q1 2023-24 spend.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}")),
        PLAIN,
        period="2023-Q1",
    ),
    Shape(
        "financial year",
        "spend_2023-24.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}")),
        PLAIN,
        period="2023-24",
    ),
    Shape(
        "no year in the name",
        "TRUST 01 - April.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}")),
        PLAIN,
        renamed=True,
    ),
    Shape(
        "no period in the name",
        "payments to suppliers.csv",
        text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}")),
        PLAIN,
        renamed=True,
    ),
    Shape(
        "workbook with title rows",
        "Spend April 2023.xlsx",
        book({"April": [["Beds Police: payments over £500"], [], HEAD, *cells()]}),
        MAPPED,
        layout={"format": "workbook"},
    ),
    Shape(
        "workbook with a cover sheet",
        "Spend April 2023.xlsx",
        book({"Notes": [["Published under the Specified Information Order"]], "Data": [HEAD, *cells()]}),
        MAPPED,
        layout={"sheets": "Data"},
    ),
    Shape(
        "workbook with a hidden sheet",
        "Spend April 2023.xlsx",
        book({"Data": [HEAD, *cells()], "Pivot": [HEAD, *cells(3)]}, hidden="Pivot"),
        MAPPED,
        layout={"sheets": "Data"},
    ),
    Shape(
        "workbook, a sheet a month",
        "Spend 2023-24.xlsx",
        book({"Apr": [HEAD, *cells(6)], "May": [HEAD, *cells(12, 5)[6:]]}),
        MAPPED,
        period="2023-24",
    ),
    Shape(
        "workbook called csv",
        "Spend April 2023.csv",
        book({"Data": [HEAD, *cells()]}),
        MAPPED,
        says=("the name ends in .csv, and the file is an XLSX workbook",),
    ),
    Shape(
        "workbook with a total",
        "Spend April 2023.xlsx",
        book({"Data": [HEAD, *cells(), [None, "Total", float(TWELVE), None]]}),
        MAPPED,
        layout={"totals": {"field": "supplier_name", "label": "total"}},
    ),
    Shape("XLS", "Spend April 2023.xls", old_book([HEAD, *cells()]), MAPPED, layout={"format": "workbook"}),
    Shape(
        "ODS",
        "Spend April 2023.ods",
        open_book(
            [["Payment Date", "Supplier Name", "Amount"], *(row.split(",") for row in rows("{d}/{m}/{y},{s},{p}"))]
        ),
        {"payment_date": "Payment Date", "supplier_name": "Supplier Name", "amount": "Amount"},
    ),
    Shape(
        "zip of a CSV",
        "spend-2023-04.zip",
        packed({"spend.csv": text("Date,Supplier,Amount", *rows("{d}/{m}/{y},{s},{p}"))}),
        PLAIN,
    ),
    Shape(
        "zip with notes beside",
        "spend-2023-04.zip",
        packed({"readme.pdf": b"%PDF-1.4", "spend.csv": text("Date;Supplier;Amount", *rows("{d}/{m}/{y};{s};{p}"))}),
        PLAIN,
        layout={"members": r".*\.csv", "delimiter": ";"},
    ),
    Shape(
        "JSON records",
        "spend-2023-04.json",
        json.dumps(
            {
                "data": [
                    {"Supplier Name": SUPPLIERS[i % 4], "Payment Date": f"2023-04-{i + 1:02}", "Amount": 500.25 + i}
                    for i in range(12)
                ]
            }
        ).encode(),
        {"supplier_name": "Supplier Name", "payment_date": "Payment Date", "amount": "Amount"},
        layout={"format": "json", "records": "data"},
    ),
    Shape(
        "procurement cards",
        "Procurement Card Transactions April 2023.csv",
        text(
            "Directorate,Transaction Date,Merchant Name,Merchant Category,Transaction Amount,Purpose",
            *rows("Place,{d}/{m}/{y},{s},Stationers,{p},Paper"),
        ),
        {
            "department": "Directorate",
            "payment_date": "Transaction Date",
            "supplier_name": "Merchant Name",
            "category_label": "Merchant Category",
            "amount": "Transaction Amount",
            "description": "Purpose",
        },
        kind="card",
    ),
    Shape(
        "contract register",
        "contracts-register-2023-04.csv",
        text(
            "Contract Reference,Contract Title,Supplier Name,Start Date,End Date,Contract Value,Department,SME",
            *rows("C{i},Benches {i},{s},01/04/2023,31/03/2026,{p},Place,Yes"),
        ),
        {
            "contract_ref": "Contract Reference",
            "title": "Contract Title",
            "supplier_name": "Supplier Name",
            "start_date": "Start Date",
            "end_date": "End Date",
            "contract_value": "Contract Value",
            "department": "Department",
            "claimed_sme": "SME",
        },
        kind="contract",
    ),
    Shape(
        "exemptions",
        "exemptions-2023-24.csv",
        text(
            "Exemption Reference,Date Requested,Decision,Approved By,Reason,Supplier,Value",
            *rows("E{i},{d}/{m}/{y},Approved,Head of Procurement,Only one supplier,{s},{p}"),
        ),
        {
            "exemption_ref": "Exemption Reference",
            "requested_date": "Date Requested",
            "decision": "Decision",
            "approved_by": "Approved By",
            "reason": "Reason",
            "supplier_name": "Supplier",
            "exemption_value": "Value",
        },
        kind="exemption",
        period="2023-24",
    ),
    Shape(
        "savings",
        "savings-register-2023-24.csv",
        text(
            "Saving ID,Saving Date,Saving Amount,Status,Approved By,Directorate",
            *rows("S{i},{d}/{m}/{y},{p},Achieved,Head of Finance,Place"),
        ),
        {
            "saving_ref": "Saving ID",
            "saving_date": "Saving Date",
            "saving_amount": "Saving Amount",
            "status": "Status",
            "approved_by": "Approved By",
            "department": "Directorate",
        },
        kind="saving",
        period="2023-24",
    ),
    Shape(
        "observatory",
        "observatory_2023-24.csv",
        text(
            "Supplier Cluster,Supplier,Postcode,Spend (ex VAT),Transactions,SME,Local",
            *rows("{i},{s},LU1 2BQ,{p},7,Yes,No"),
        ),
        {
            "supplier_ref": "Supplier Cluster",
            "supplier_name": "Supplier",
            "supplier_postcode": "Postcode",
            "amount": "Spend (ex VAT)",
            "transactions": "Transactions",
            "claimed_sme": "SME",
            "claimed_local": "Local",
        },
        kind="observatory",
        period="2023-24",
        feed={"vat": "net"},
    ),
]


def inspected(tmp_path: Path, name: str, content: bytes, **options: str) -> Inspection:
    path = tmp_path / name
    path.write_bytes(content)
    return inspect_file(path, **options)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.id)
def test_a_shape_comes_out_right_and_its_draft_loads_it_unedited(shape: Shape, tmp_path: Path) -> None:
    done = inspected(tmp_path, shape.name, shape.content)
    assert done.draft, done.problem
    feed = done.draft.institution.feeds[done.draft.feed_id]
    (layout,) = feed.layouts
    assert (feed.kind, layout.columns) == (shape.kind, shape.columns)
    assert {key: layout.model_dump(exclude_none=True)[key] for key in shape.layout} == shape.layout
    assert {key: getattr(feed, key) for key in shape.feed} == shape.feed
    loaded = done.rehearsal
    assert loaded
    assert (loaded.refused, loaded.lines, loaded.lines_quarantined) == (None, shape.lines, 0)
    assert loaded.amount == shape.amount
    assert loaded.period == shape.period
    assert done.named
    assert done.named.is_renamed is shape.renamed
    said = "\n".join(printed.oddities(done))
    assert all(words in said for words in shape.says), said


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.id)
def test_what_is_printed_fits_80_columns_and_json_holds_it_all(shape: Shape, tmp_path: Path) -> None:
    done = inspected(tmp_path, shape.name, shape.content)
    console = Console(width=80, file=io.StringIO(), highlight=False)
    console.print(printed.shown(done))
    told = printed.as_json(done)
    assert json.loads(json.dumps(told)) == told
    assert told["kind"] == shape.kind
    assert {one["field"]: one["header"] for one in told["columns"] if one["field"]} == shape.columns


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("spend.csv", b"%PDF-1.4\n...", "PDF document called .csv"),
        ("spend.csv", b"<!DOCTYPE html><html><body>Not found</body></html>", "HTML page called .csv"),
        ("spend.xls", b"<html><table><tr><td>Supplier</td></tr></table></html>", "HTML page called .xls"),
        ("spend.csv.gz", gzip.compress(b"a,b\n1,2\n"), "gzip archive"),
        ("spend.csv", b"", "empty file"),
        ("spend.csv", b"\xef\xbb\xbf\r\n", "empty file"),
        ("spend.csv", bytes(range(256)) * 20, "unknown binary file"),
        ("spend.zip", packed({"a.pdf": b"%PDF"}), "zip of a.pdf"),
        ("spend.zip", b"PK\x03\x04 broken", "broken zip"),
        ("spend.json", b'{"a": [1, 2', "JSON, damaged"),
        ("spend.json", b'{"a": 1}', "JSON"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_named_for_what_it_is(tmp_path: Path, name: str, content: bytes, format_name: str) -> None:
    done = inspected(tmp_path, name, content)
    assert (done.found.format, done.draft) == (format_name, None)
    assert done.problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Date,Supplier,Amount\n", "no line below the header"),
        (b"13/04/2023,Luton Paper Ltd,10.00\n14/04/2023,Luton Paper Ltd,11.00\n", "no header row"),
        (b"Colour,Weight\nred,1\nblue,2\n", "no kind of feed fits"),
    ],
)
def test_a_table_without_a_draft_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in str(inspected(tmp_path, "2023-04.csv", content).problem)


def test_a_kind_that_is_named_has_a_draft_with_places_to_fill_in(tmp_path: Path) -> None:
    done = inspected(tmp_path, "2023-04.csv", b"Colour,Amount\nred,1.00\nblue,2.00\n", kind="ledger")
    assert done.draft
    assert "WRITE ITS HEADER" in done.draft.text
    assert done.rehearsal
    assert "WRITE ITS HEADER" in str(done.rehearsal.refused).upper()


def test_a_file_that_is_not_there_or_a_kind_nobody_knows_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(UserError, match="no such file"):
        inspect_file(tmp_path / "b.csv")
    with pytest.raises(UserError, match="is a folder"):
        inspect_file(tmp_path)
    with pytest.raises(UserError, match="did you mean 'ledger'"):
        inspect_file(tmp_path / "a.csv", kind="leger")
    with pytest.raises(UserError, match="write 'beds_council'"):
        inspect_file(tmp_path / "a.csv", institution_id="Beds Council")


STARTS = st.sampled_from(
    [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{", b"[{", b"<html", b"Date,Supplier,Amount\n", b"%PDF"]
)
GRID = st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=STARTS, rest=st.binary(max_size=300))
def test_no_bytes_make_it_fail(tmp_path: Path, start: bytes, rest: bytes) -> None:
    done = inspected(tmp_path, "any.csv", start + rest)
    assert done.draft or done.problem
    json.dumps(printed.as_json(done))
    Console(file=io.StringIO(), width=80).print(printed.shown(done))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.sampled_from(["Date", "Supplier", "Amount", "Amount", "", "x'#: \"y"]), max_size=6), grid=GRID)
def test_no_cells_make_it_fail_and_every_draft_is_a_contract(
    tmp_path: Path, names: list[str], grid: list[list[str]]
) -> None:
    kept = io.StringIO()
    csv.writer(kept).writerows([names, *grid])
    done = inspected(tmp_path, "2023-04 {any}'s.csv", kept.getvalue().encode("utf-8", "surrogatepass"))
    assert done.draft or done.problem


def test_the_draft_is_a_file_the_contract_reads(tmp_path: Path) -> None:
    shape = SHAPES[0]
    done = inspected(tmp_path, shape.name, shape.content, institution_id="beds_council")
    assert done.draft
    path = tmp_path / "beds_council.yml"
    path.write_text(done.draft.text)
    institution = load_institution(path)
    assert rehearse.rehearse(tmp_path / shape.name, institution, "ledger").amount == shape.amount


@pytest.mark.parametrize(
    ("name", "label", "pattern", "files"),
    [
        ("dft-monthly-spend-201204.csv", "2012-04", r"spend-(?P<year>\d{4})(?P<month>\d{2})\.csv$",
         "dft-monthly-spend-*.csv"),
        ("2011-01-payments.csv", "2011-01", r"^(?P<year>\d{4})-(?P<month>\d{2})(?!\d)", "*-payments.csv"),
        ("over-500-jan-mar-2015.csv", "2015-01..2015-03",
         r"(?P<month>[a-z]{3,9})-(?P<to_month>[a-z]{3,9})-(?P<year>\d{4})\.csv$", "over-500-*.csv"),
        ("cards_2026-27.csv", "2026-27", r"cards_(?P<year>\d{4})-\d{2}\.csv$", "cards_*.csv"),
        ("Spend Q3 2014-15.csv", "2014-Q3", r"Spend Q(?P<quarter>[1-4]) (?P<year>\d{4})(?!\d)", "Spend *.csv"),
        ("spend January 2014-15.xls", "2015-01", r"spend (?P<month>[a-z]{3,9}) (?P<financial_year>\d{4})-\d{2}\.xls$",
         "spend *.xls"),
        ("May23.csv", "2023-05", r"^(?P<month>[a-z]{3,9})(?P<year>\d{2})\.csv$", "*.csv"),
        ("spend-2023-03-31.ods", "2023-03", r"spend-(?P<year>\d{4})-(?P<month>\d{2})-\d{2}\.ods$", "spend-*.ods"),
        ("year 2014.csv", "2014-15", r"year (?P<year>\d{4})\.csv$", "year *.csv"),
    ],
)  # fmt: skip
def test_the_period_of_a_name(name: str, label: str, pattern: str, files: str) -> None:
    found = naming.period_in(name, 4, None, date(2026, 11, 22))
    assert (found.period.label, found.pattern, found.files, found.name) == (label, pattern, files, name)


def test_a_month_and_a_financial_year_written_alike_are_told_apart_by_the_dates() -> None:
    year = naming.period_in("201112.csv", 4, (date(2011, 4, 5), date(2012, 3, 20)), date(2026, 11, 22))
    month = naming.period_in("201112.csv", 4, (date(2011, 12, 5), date(2011, 12, 20)), date(2026, 11, 22))
    assert (year.period.label, month.period.label) == ("2011-12", "2011-12")
    assert (year.says, month.says) == ("financial year", "month")


@pytest.mark.parametrize(
    ("name", "dates", "new"),
    [
        ("BART 01 - April.xlsx", (date(2020, 4, 3), date(2020, 4, 30)), "BART 01 - April 2020.xlsx"),
        ("June to August.xlsx", (date(2020, 6, 3), date(2020, 8, 30)), "June to August 2020.xlsx"),
        ("payments.csv", (date(2022, 4, 3), date(2023, 3, 30)), "payments 2022-23.csv"),
        ("payments.csv", None, "payments 2026-11.csv"),
    ],
)  # fmt: skip
def test_a_name_without_a_year_gets_one(name: str, dates: tuple[date, date] | None, new: str) -> None:
    found = naming.period_in(name, 4, dates, date(2026, 11, 22))
    assert (found.name, found.is_renamed) == (new, True)


@pytest.mark.parametrize(
    ("name", "pounds"),
    [("over-500-2014.csv", 500), ("spend_over_25k_2023.csv", 25000), ("Over £250 May.csv", 250),
     ("payments-2023.csv", 0), ("spend over 25,000.csv", 25000)],
)  # fmt: skip
def test_the_threshold_of_a_name(name: str, pounds: int) -> None:
    assert naming.threshold(name) == pounds


@pytest.mark.parametrize(
    ("header", "kind", "field_name"),
    [("BeneficiaryName", "ledger", "supplier_name"), ("AMOUNT (£)", "ledger", "amount"),
     ("Inv. No", "ledger", "invoice_ref"), ("Vendor ", "ledger", "supplier_name"),
     ("tender/value/amount", "notice", "notice_value"),
     ("Merchant", "card", "supplier_name"), ("ProClass Code", "ledger", "category_code")],
)  # fmt: skip
def test_a_header_is_likest_its_own_field(header: str, kind: str, field_name: str) -> None:
    assert max(KINDS[kind].fields, key=lambda one: likeness(header, kind, one)) == field_name
    assert likeness(header, kind, field_name) > 0.85


def test_every_required_field_has_a_spelling() -> None:
    for kind_id, kind in KINDS.items():
        assert all(vocabulary().spellings[kind_id][name] for name in kind.required)


def test_words_of_a_header() -> None:
    assert words("VATRegistrationNumber") == words("VAT Reg. No") == ("vat", "registration", "number")


def test_a_delimiter_in_quotes_does_not_count() -> None:
    assert sniff_delimiter('a;b;c\n"x, y, z";1;2\n"p, q";3;4\n') == ";"


def real(pattern: str) -> list[Path]:
    return sorted((DATA / "spend").glob(pattern))


@pytest.mark.skipif(not DATA.exists(), reason="the real files are not beside the checkout")
@pytest.mark.parametrize(
    "path",
    [*real("dft/*.csv"), *real("oxford/*.csv"), *real("nhs/*"), *real("trafford/*.zip"), *real("trafford/*card*.csv"),
     *real("lambeth/2011-01*")],
    ids=lambda path: path.name,
)  # fmt: skip
def test_the_draft_of_a_real_file_loads_it_unedited_to_the_penny(path: Path) -> None:
    done = inspect_file(path)
    assert done.draft, done.problem
    assert done.rehearsal
    assert done.rehearsal.refused is None
    (layout,) = done.draft.institution.feeds[done.draft.feed_id].layouts
    lines, pounds = counted(path, str(layout.columns["amount"]), done.totals.row[0] if done.totals else None)
    assert done.rehearsal.lines == lines
    # What binary floating point left behind, below a millionth of a pound, the reader drops.
    assert abs(done.rehearsal.amount - pounds) < Decimal("0.000001")


def counted(path: Path, header: str, totals_row: int | None) -> tuple[int, Decimal]:
    """Lines and pounds by another road: the csv module, openpyxl and xlrd."""
    table = [row for row in raw_rows(path) if any(cell.strip() for cell in row)]
    start = next(i for i, row in enumerate(table) if header in [" ".join(cell.split()) for cell in row])
    place = [" ".join(cell.split()) for cell in table[start]].index(header)
    below = table[start + 1 : -1 if totals_row else None]
    found = [row[place].replace("£", "").replace(",", "").strip() if len(row) > place else "" for row in below]
    return len(below), sum((exact(cell) for cell in found if cell), Decimal(0))


def exact(cell: str) -> Decimal:
    bare = cell.replace(" ", "")
    sign = -1 if bare.startswith("(") else 1
    return sign * Decimal(bare.strip("()"))


def raw_rows(path: Path) -> list[list[str]]:
    if path.suffix == ".xlsx":
        sheet = openpyxl.load_workbook(path, data_only=True).worksheets[0]
        return [["" if cell is None else penny(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    if path.suffix == ".xls":
        xlrd = pytest.importorskip("xlrd")
        sheet = xlrd.open_workbook(path).sheet_by_index(0)
        return [[penny(cell) for cell in sheet.row_values(i)] for i in range(sheet.nrows)]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as package:
            raw = package.read(package.namelist()[0])
    else:
        raw = path.read_bytes()
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            return list(csv.reader(io.StringIO(raw.decode(encoding), newline="")))
        except UnicodeDecodeError:
            continue
    raise AssertionError


def penny(cell: object) -> str:
    return str(Decimal(repr(cell)).quantize(Decimal("0.01"))) if isinstance(cell, float) else str(cell)
