"""Compare: which suppliers two definitions of local judge differently, and by how many pounds. Reads `marts` alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from rich.console import Group
from rich.table import Table

from anchorspend import contract, warehouse
from anchorspend.errors import UserError

COLUMNS = (
    *("status_a", "status_b", "amount", "institution_id", "supplier_name", "is_individual", "ring"),
    *("location_evidence", "local_probability_a", "local_probability_b", "line_count"),
)
_SHOWN = 20


@dataclass(frozen=True)
class Comparison:
    """What two definitions judge differently. Money in pounds; `local_a` and `local_b` are the scorecard's numerators.

    `suppliers` has one dict per supplier of an institution, ring, evidence and pair of statuses, with the keys of
    `COLUMNS`, the largest sum first. Private persons stand together, without a name.
    """

    a: str
    b: str
    institution: str
    year: str | None
    local_a: Decimal
    local_b: Decimal
    suppliers: list[dict[str, Any]]

    def moves(self) -> dict[tuple[str, str], Decimal]:
        """Pounds by status under the one and the other, where the two differ."""
        summed: dict[tuple[str, str], Decimal] = {}
        for row in self.suppliers:
            key = (row["status_a"], row["status_b"])
            summed[key] = summed.get(key, Decimal(0)) + row["amount"]
        return summed

    def gained(self) -> Decimal:
        """Pounds that are local under the second definition and not under the first."""
        return sum((amount for (_, to), amount in self.moves().items() if to == "local"), Decimal(0))

    def lost(self) -> Decimal:
        """Pounds that are local under the first definition and not under the second."""
        return sum((amount for (was, _), amount in self.moves().items() if was == "local"), Decimal(0))

    def rows(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The suppliers, of each pair of statuses the first `limit`."""
        seen: dict[tuple[str, str], int] = {}
        kept = []
        for row in self.suppliers:
            key = (row["status_a"], row["status_b"])
            seen[key] = seen.get(key, 0) + 1
            if limit is None or seen[key] <= limit:
                kept.append(row)
        return kept


def compare(a: str, b: str, institution: str | None = None, year: str | None = None) -> Comparison:
    """Compare definition `a` with `b` over the counted spend of one institution or of all, in one year or in all.

    Raises `UserError` where there is no such definition, institution or year, or nothing is published.
    """
    chosen = None if institution in {None, "partnership"} else institution
    with warehouse.connect(warehouse.reader_url()) as connection:
        try:
            _known(connection, "definition", "dim_local_definition", "definition_id", a, b)
            _known(connection, "institution", "dim_institution", "institution_id", *([chosen] if chosen else []))
            _known(connection, "financial year", "kpi_scorecard", "financial_year", *([year] if year else []))
            parameters = {"a": a, "b": b, "institution": chosen, "year": year}
            local = warehouse.rows(connection, _LOCAL, parameters)[0]
            suppliers = warehouse.rows(connection, _SUPPLIERS, parameters)
        except psycopg.errors.UndefinedTable:
            raise UserError("nothing is published yet; run `make demo`, or `ingest` and `release`") from None
    return Comparison(a, b, chosen or "partnership", year, local["local_a"], local["local_b"], suppliers)


def as_json(done: Comparison, limit: int | None) -> dict[str, Any]:
    """The comparison for a program; `suppliers` is cut to `limit` of each pair of statuses, the sums never."""
    return {
        "a": done.a,
        "b": done.b,
        "institution": done.institution,
        "year": done.year,
        "local_a": done.local_a,
        "local_b": done.local_b,
        "difference": done.local_b - done.local_a,
        "local_in_b_only": done.gained(),
        "local_in_a_only": done.lost(),
        "moves": [
            {"status_a": was, "status_b": to, "amount": amount} for (was, to), amount in sorted(done.moves().items())
        ],
        "suppliers": done.rows(limit),
    }


def shown(done: Comparison, limit: int | None) -> Group:
    """The comparison for a terminal: the sum from one numerator to the other, then the suppliers it is made of."""
    scope = f"{done.institution}, {done.year or 'all years'}"
    total = Table("", "£", title=f"Local spend, {scope}", box=None, header_style="bold", title_justify="left")
    total.columns[1].justify = "right"
    for label, amount in (
        (f"local under {done.a}", done.local_a),
        (f"  not under {done.b}", -done.lost()),
        (f"  only under {done.b}", done.gained()),
        (f"local under {done.b}", done.local_b),
    ):
        total.add_row(label, f"{amount:,.2f}")
    return Group(total, *(_moved(done, key, limit or _SHOWN) for key in sorted(done.moves(), key=_order)))


def _order(statuses: tuple[str, str]) -> tuple[bool, bool, tuple[str, str]]:
    return statuses[0] != "local", statuses[1] != "local", statuses


def _moved(done: Comparison, statuses: tuple[str, str], limit: int) -> Table:
    rows = [row for row in done.suppliers if (row["status_a"], row["status_b"]) == statuses]
    was, to = (status.replace("_", " ") for status in statuses)
    title = f"\n{was} under {done.a}, {to} under {done.b}: £{done.moves()[statuses]:,.2f}"
    told = Table("£", "Supplier", "Institution", "Ring", "Evidence", box=None, header_style="bold", title=title)
    told.title_justify, told.columns[0].justify = "left", "right"
    if len(rows) > limit:
        told.caption = f"the first {limit} of {len(rows):,}; --limit shows more"
    for row in rows[:limit]:
        told.add_row(
            f"{row['amount']:,.2f}", *_words(row, "supplier_name", "institution_id", "ring", "location_evidence")
        )
    return told


def _words(row: dict[str, Any], *names: str) -> Sequence[str]:
    return [str(row[name]) for name in names]


def _known(connection: psycopg.Connection, word: str, table: str, column: str, *given: str) -> None:
    rows = connection.execute(f"select distinct {column} from marts.{table}".encode()).fetchall()  # noqa: S608
    known = {value for (value,) in rows}
    for one in given:
        if one not in known:
            raise UserError(f"no {word} {one!r}; {contract.did_you_mean(one, known)}")


_LOCAL = """
select
    coalesce(sum(numerator) filter (where definition_id = %(a)s), 0) as local_a,
    coalesce(sum(numerator) filter (where definition_id = %(b)s), 0) as local_b
from marts.kpi_scorecard
where kpi_id = 'local_spend_gbp'
    and institution_id <> 'partnership'
    and (%(institution)s::text is null or institution_id = %(institution)s)
    and (%(year)s::text is null or financial_year = %(year)s)
"""

_SUPPLIERS = """
with judged as (
    select
        a.supplier_record_id,
        a.location_evidence,
        a.local_status as status_a,
        b.local_status as status_b,
        a.local_probability as local_probability_a,
        b.local_probability as local_probability_b
    from marts.supplier_local as a
    inner join marts.supplier_local as b using (supplier_record_id)
    where a.definition_id = %(a)s and b.definition_id = %(b)s and a.local_status <> b.local_status
),

spent as (
    select institution_id, supplier_record_id, sum(amount) as amount, count(*) as line_count
    from marts.fct_spend
    where (%(institution)s::text is null or institution_id = %(institution)s)
        and (%(year)s::text is null or financial_year = %(year)s)
    group by institution_id, supplier_record_id
)

select
    judged.status_a,
    judged.status_b,
    sum(spent.amount) as amount,
    spent.institution_id,
    supplier.supplier_name,
    supplier.is_individual,
    supplier.ring,
    judged.location_evidence,
    judged.local_probability_a,
    judged.local_probability_b,
    sum(spent.line_count)::bigint as line_count
from spent
inner join judged using (supplier_record_id)
inner join marts.dim_supplier as supplier using (supplier_record_id, institution_id)
group by
    judged.status_a, judged.status_b, spent.institution_id, supplier.supplier_name, supplier.is_individual,
    case when not supplier.is_individual then supplier.supplier_id end, supplier.ring, judged.location_evidence,
    judged.local_probability_a, judged.local_probability_b
order by abs(sum(spent.amount)) desc, spent.institution_id, supplier.supplier_name
"""
