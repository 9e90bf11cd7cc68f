"""Export: every published table of a release as files that need no database, and one institution's own payments as the
Transparency Code wants them published."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Literal, TextIO

import psycopg
from psycopg import sql

from anchorspend import settings, warehouse
from anchorspend.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "parquet"]
_BATCH_ROWS = 50_000
_BLOCK_BYTES = 4 << 20
_TOLD_EVERY_BYTES = 64 << 20


@dataclass(frozen=True)
class Exported:
    """One table's file: its name, rows and SHA-256."""

    table: str
    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds, and of which release; `published_at` is the day its figures are as of."""

    release_id: int
    published_at: datetime
    is_sample: bool
    format: Format
    tables: Sequence[Exported]


class _Hashed(FileIO):
    """A file that keeps the SHA-256 of what is written to it, front to back."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return super().write(data)


def export(
    folder: Path, form: Format, release_id: int | None = None, progress: Callable[[str], None] = lambda message: None
) -> Manifest:
    """Write every table of a release, the published one when none is named, into an empty folder, with `manifest.json`.

    Read as `bi_reader`; an earlier release as the owner, since readers see the published one alone. Each table is one
    statement of its own, so that a release can be published meanwhile: then, or where the folder is not empty or there
    is no such release, `UserError`. The manifest is written last: a folder without it is not whole.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name a new folder")
    with warehouse.connect(warehouse.reader_url(), autocommit=True) as reader:
        newest, *_ = history = _history(reader)
        chosen = next((one for one in history if one[0] == (release_id or newest[0])), None)
        if chosen is None:
            raise UserError(f"no release {release_id}; published are {', '.join(str(one[0]) for one in history)}")
        schema = "marts" if chosen is newest else chosen[3]
        folder.mkdir(parents=True, exist_ok=True)
        with warehouse.connect(None if schema != "marts" else warehouse.reader_url(), autocommit=True) as connection:
            connection.read_only = True
            tables = []
            for name in _tables(connection, schema):
                tables.append(_written(connection, schema, name, folder / f"{name}.{form}", progress))
                progress(f"{name}: {tables[-1].rows:,} rows")
        if schema == "marts" and _history(reader)[0] != newest:
            raise UserError("another release was published meanwhile, and the tables are of both; export again")
    manifest = Manifest(chosen[0], chosen[1], chosen[2], form, tables)
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), default=str, indent=2) + "\n", encoding="utf-8")
    return manifest


def _history(connection: psycopg.Connection) -> list[tuple[int, datetime, bool, str]]:
    """Published releases, newest first: id, when, whether sample data, schema."""
    try:
        return connection.execute(
            "select release_id, published_at, is_sample, schema_name from marts.release order by release_id desc"
        ).fetchall()
    except psycopg.errors.UndefinedTable:
        raise UserError("nothing is published yet") from None


def _tables(connection: psycopg.Connection, schema: str) -> list[str]:
    rows = connection.execute(
        "select relname from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'v') order by 1",
        [schema],
    )
    return [name for (name,) in rows]


def _written(
    connection: psycopg.Connection, schema: str, name: str, path: Path, progress: Callable[[str], None]
) -> Exported:
    table = sql.Identifier(schema, name)

    def tell(written: int) -> None:
        progress(f"  {name}: {written >> 20:,} MB of CSV")

    with _Hashed(path) as file:
        if path.suffix == ".csv":
            rows = _copy(connection, table, file, tell)
        else:
            with TemporaryFile(dir=path.parent) as copied:
                rows = _copy(connection, table, copied, tell)
                copied.seek(0)
                _convert(copied, _types(connection, table), file)
        return Exported(name, path.name, rows, file.sha256.hexdigest())


def _copy(
    connection: psycopg.Connection, table: sql.Identifier, file: IO[bytes] | FileIO, progress: Callable[[int], None]
) -> int:
    """Stream a table as CSV into a file; the number of rows."""
    statement = sql.SQL("copy (select * from {}) to stdout with (format csv, header)").format(table)
    held, written = bytearray(), 0
    with connection.cursor() as cursor:
        with cursor.copy(statement) as lines:
            for line in lines:
                held += line
                if len(held) >= _BLOCK_BYTES:
                    file.write(held)
                    written += len(held)
                    held.clear()
                    if written % _TOLD_EVERY_BYTES < _BLOCK_BYTES:
                        progress(written)
        file.write(held)
        return cursor.rowcount


def _convert(copied: IO[bytes], types: dict[str, "pa.DataType"], file: _Hashed) -> None:
    """Rewrite CSV as Parquet, block by block."""
    import pyarrow as pa  # a tenth of a second, and no other command needs it
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    schema = pa.schema(types.items())
    with parquet.ParquetWriter(pa.PythonFile(file, mode="w"), schema) as writer:
        reader = arrow_csv.open_csv(
            copied,
            arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            arrow_csv.ParseOptions(newlines_in_values=True),
            # Null is nothing at all, and an empty text two quotes.
            arrow_csv.ConvertOptions(
                column_types=schema,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for batch in reader:
            writer.write_batch(batch)


def _types(connection: psycopg.Connection, table: sql.Identifier) -> dict[str, "pa.DataType"]:
    """A table's columns as Parquet has them: each number with as many decimals as its longest has, so that none is
    rounded; keys that are UUIDs as text."""
    import pyarrow as pa

    found = connection.execute(sql.SQL("select * from {} limit 0").format(table)).description or ()
    types = {
        "bool": pa.bool_(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", "UTC"),
        "text": pa.string(),
        "uuid": pa.string(),
    }
    names = {column.name: connection.adapters.types[column.type_code].name for column in found}
    numbers = [name for name, kind in names.items() if kind == "numeric"]
    scales: dict[str, int] = {}
    if numbers:
        longest = sql.SQL(", ").join(sql.SQL("coalesce(max(scale({})), 0)").format(sql.Identifier(n)) for n in numbers)
        row = connection.execute(sql.SQL("select {} from {}").format(longest, table)).fetchone()
        scales = dict(zip(numbers, row or (), strict=True))
    return {name: pa.decimal128(38, scales[name]) if name in scales else types[kind] for name, kind in names.items()}


_COLUMNS = (
    *("OrganisationLabel", "OrganisationURI", "OrganisationalUnit", "ServiceCategoryLabel", "ServiceCategoryURI"),
    *("BeneficiaryName", "BeneficiaryOtherID", "CompaniesHouseRegistrationNumber", "CharityCommissionNumber"),
    *("VCSEGrant", "PaymentDate", "TransactionNumber", "Amount", "IrrecoverableVATAmount", "Purpose"),
    *("CategoryInternalName", "CPVLabel", "CPVCode", "ProclassLabel", "ProclassCode", "CardTransaction", "ContractRef"),
)
"""Columns of the Local Government Association's spend schema, in its order."""


@dataclass(frozen=True)
class Transparency:
    """What a Transparency Code file holds: its lines and pounds, of which `not_net` stand with VAT or nobody knows."""

    lines: int
    amount: Decimal
    not_net: int


def transparency_rules() -> dict[str, str]:
    """Rules of the seed `transparency_rule` by id: the thresholds in pounds, and which scopes of payment are in."""
    path = settings.dbt_project() / "seeds" / "transparency_rule.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["rule_id"]: row["value"] for row in csv.DictReader(stream)}


def transparency_code(
    target: TextIO, institution_id: str, year: str, quarter: int | None = None, *, recommended: bool = False
) -> Transparency:
    """Write an institution's payments of a financial year, or of a quarter of it, in the spend schema of the Local
    Government Association: dates as dd/mm/yyyy, pounds and pence without signs, credits negative.

    In are payments of more than the threshold, or the recommended one, either way, with every line of theirs, and card
    purchases of any amount. Private persons are not named. Thresholds and what is left out are the rows of
    `seeds/transparency_rule.csv`, after the Local Government Transparency Code 2015. Raises `UserError` where there is
    nothing to publish: an institution whose figures stand on a vendor's yearly totals has no payments.
    """
    rules = transparency_rules()
    parameters = {
        "institution": institution_id,
        "year": year,
        "quarter": quarter,
        "threshold": Decimal(rules["recommended_threshold" if recommended else "threshold"]),
        "left_out": rules["scopes_left_out"].split(),
        "persons_in": rules["scopes_of_persons"].split(),
    }
    lines, amount, not_net = 0, Decimal(0), 0
    # As the owner: VAT that is not recovered stands in the ledger's own lines, which readers do not see.
    with warehouse.connect() as connection, connection.transaction():
        connection.execute("set transaction read only")
        _history(connection)
        with connection.cursor("transparency") as cursor:
            cursor.execute(_PAYMENTS, parameters)
            rows = _told(cursor)
            first = next(rows, None)
            if first is None:
                raise UserError(
                    f"{institution_id} has no payments in {year}{f', quarter {quarter}' if quarter else ''} to publish"
                )
            writer = csv.writer(target, lineterminator="\r\n")
            writer.writerow(_COLUMNS)
            for vat_basis, pounds, *cells in (first, *rows):
                writer.writerow(cells)
                lines, amount, not_net = lines + 1, amount + Decimal(pounds), not_net + (vat_basis != "net")
    return Transparency(lines, amount, not_net)


def _told(cursor: psycopg.ServerCursor) -> Iterator[tuple[Any, ...]]:
    cursor.itersize = _BATCH_ROWS
    yield from cursor


_PAYMENTS = """
with line as (
    select fct_spend.*,
        sum(amount) over (partition by supplier_record_id, spend_date,
            coalesce(transaction_ref, batch_id || '/' || line_no)) as payment
    from marts.fct_spend
    inner join marts.dim_institution using (institution_id)
    where institution_id = %(institution)s and financial_year = %(year)s and basis in ('ledger', 'card')
        and (%(quarter)s::integer is null
            or (extract(month from spend_date)::integer + 12 - financial_year_start) %% 12 / 3 + 1 = %(quarter)s)
        and scope <> all (%(left_out)s)
),

-- In a scope of persons a payee stays unnamed unless it is shown to be none.
payee as (
    select *, is_individual or payee_type in ('private_person', 'unknown') as may_be_a_person
    from marts.dim_supplier
),

voluntary as (select supplier_record_id, vcs_status from marts.supplier_sector where definition_id = 'lga')

select
    line.vat_basis,
    round(line.amount, 2),
    institution_name,
    'http://statistics.data.gov.uk/id/statistical-geography/' || gss_code,
    coalesce(nullif(trim(line.organisational_unit), ''), institution_name),
    null,
    null,
    case
        when is_individual or (scope = any (%(persons_in)s) and may_be_a_person) then 'REDACTED PERSONAL DATA'
        when redaction = 'commercial' then 'REDACTED COMMERCIAL CONFIDENTIALITY'
        else coalesce(nullif(trim(record_name), ''), 'NOT STATED')
    end,
    case when not is_individual and not (scope = any (%(persons_in)s) and may_be_a_person) then payee.supplier_ref end,
    case when not is_individual then payee.company_number end,
    case when not is_individual and register = 'charity' then register_number end,
    case
        when scope <> 'grant' or vcs_status = 'not_voluntary' then 'false'
        when vcs_status = 'voluntary' then 'true'
    end,
    to_char(spend_date, 'DD/MM/YYYY'),
    line.transaction_ref,
    round(line.amount, 2),
    round(coalesce(ledger.irrecoverable_vat, 0), 2),
    coalesce(nullif(trim(line.expense_type), ''), nullif(trim(line.category_label), ''), 'Not stated'),
    line.category_label,
    null,
    null,
    case when line.category_code ~ '^[0-9]{6}$' then dim_category.category_label end,
    case when line.category_code ~ '^[0-9]{6}$' then line.category_code end,
    case line.basis when 'card' then 'GPC' else 'None' end,
    line.contract_ref
from line
inner join marts.dim_institution using (institution_id)
inner join payee using (institution_id, supplier_record_id)
left join voluntary using (supplier_record_id)
left join marts.dim_category on line.category_code = dim_category.category_code
left join raw.ledger on line.basis = 'ledger' and line.batch_id = ledger.batch_id and line.line_no = ledger.line_no
where line.basis = 'card' or abs(payment) > %(threshold)s
order by spend_date, line.batch_id, line.line_no
"""
