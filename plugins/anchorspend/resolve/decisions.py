"""What people decided about suppliers, kept for ever: the newest decision that is not undone wins over every rule."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from typing import Literal

import pandas as pd
import psycopg

from anchorspend import warehouse
from anchorspend.errors import UserError
from anchorspend.resolve.profiles import Edge
from anchorspend.resolve.register import REGISTERS, Entry

Kind = Literal["same", "different", "register"]
_DOUBTFUL = 0.02
"""Alternatives less likely than this are no question worth a person's time."""


@dataclass(frozen=True)
class _Row:
    decision_id: int
    kind: str
    left: list[str]
    right: list[str] | None
    register: str | None
    number: str | None


@dataclass(frozen=True)
class Decision:
    """The decisions in force, newest first. `touched`: every record any decision, undone or not, was ever about."""

    rows: list[_Row]
    touched: frozenset[str]
    digest: str

    def edges(self, records: pd.Series, held: pd.Series) -> tuple[list[Edge], list[Edge]]:
        """Pairs of positions of `records` (ids) that are the same supplier, and that are not; newest first."""
        assert len(records) == len(held)
        place = dict(zip(records, records.index, strict=True))
        settled: set[frozenset[int]] = set()
        same: list[Edge] = []
        different: list[Edge] = []
        for row in self.rows:
            left, right = ([place[one] for one in ids or [] if one in place] for ids in (row.left, row.right))
            match row.kind:
                case "same":
                    wanted = list(pairwise([*left, *right])) if left and right else []
                case "different":
                    wanted = list(product(left, right))
                case _:
                    continue
            # A pair that a newer decision is about is settled.
            new = [pair for pair in wanted if frozenset(pair) not in settled and pair[0] != pair[1]]
            settled |= {frozenset(pair) for pair in product(left, right)}
            (same if row.kind == "same" else different).extend(new)
        return same, different

    def groups_apart(self, table: pd.DataFrame) -> set[frozenset[int]]:
        """Groups of `table` (supplier_record_id, group) that a decision keeps apart."""
        group = dict(zip(table.supplier_record_id, table.group, strict=True))
        return {
            frozenset((int(group[a]), int(group[b])))
            for row in self.rows
            if row.kind == "different"
            for a, b in product(row.left, row.right or [])
            if a in group and b in group
        }

    def entries(self, table: pd.DataFrame) -> dict[int, Entry]:
        """The register entry a person gave to groups of `table`; the newest for each."""
        group = dict(zip(table.supplier_record_id, table.group, strict=True))
        found: dict[int, Entry] = {}
        for row in self.rows:
            if row.kind == "register":
                for one in row.left:
                    if one in group:
                        told = Entry(
                            row.register, row.number, 1.0 if row.number else None, "a person decided the register"
                        )
                        found.setdefault(int(group[one]), told)
        return found


def in_force(connection: psycopg.Connection) -> Decision:
    """The decisions that are not undone."""
    rows = connection.execute(
        """
        select decision_id, kind, left_records, right_records, register, register_number, undone_at is null
        from ops.supplier_decision order by decision_id desc
        """
    ).fetchall()
    kept = [_Row(*row[:-1]) for row in rows if row[-1]]
    text = repr([(row[0], row[-1]) for row in rows])
    return Decision(
        kept,
        frozenset(one for row in rows for one in [*row[2], *(row[3] or [])]),
        hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
    )


def decide(
    kind: Kind,
    left: str,
    right: str | None = None,
    *,
    register: str | None = None,
    number: str | None = None,
    decided_by: str,
    reason: str,
) -> int:
    """Record a decision and return its id; the next `resolve` follows it.

    `left` and `right` are ids of supplier records or of suppliers, which stand for all their records. `same` and
    `different` take both; `register` takes `left` with a register and a number, or neither: it is in none. `decided_by`
    is a role, not a person's name. Raises `UserError` for what does not fit or is not known.
    """
    if (kind == "register") == (right is not None):
        raise UserError(f"a decision of kind {kind!r} takes {'one id' if kind == 'register' else 'two ids'}")
    if register is not None and (kind != "register" or register not in REGISTERS):
        raise UserError(f"a register is one of {', '.join(REGISTERS)}, and belongs to a decision of kind 'register'")
    if (register is None) != (number is None):
        raise UserError("a register and a number belong together")
    if not decided_by.strip() or not reason.strip():
        raise UserError("a decision needs the role that decided and a reason")
    with warehouse.connect() as connection:
        sides = [_records(connection, one) for one in (left, right) if one is not None]
        if len(sides) == 2 and set(sides[0]) & set(sides[1]) and kind == "different":
            raise UserError(f"{left} and {right} are one supplier now; name the records that are not of it")
        row = connection.execute(
            """
            insert into ops.supplier_decision (kind, left_id, right_id, left_records, right_records, register,
                register_number, were_linked, decided_by, reason)
            select %(kind)s, %(left)s, %(right)s, %(lefts)s, %(rights)s, %(register)s, %(number)s,
                case when %(rights)s::text[] is not null then exists (
                    select from reference.supplier_link as one
                    inner join reference.supplier_link as other using (supplier_id)
                    where one.supplier_record_id = any(%(lefts)s) and other.supplier_record_id = any(%(rights)s)
                ) end,
                %(by)s, %(reason)s
            returning decision_id
            """,
            {
                "kind": kind,
                "left": left,
                "right": right,
                "register": register,
                "number": number,
                "lefts": sides[0],
                "rights": sides[1] if right else None,
                "by": decided_by,
                "reason": reason,
            },
        ).fetchone()
        assert row
        return int(row[0])


def undo(decision_id: int) -> None:
    """Take a decision back; it stays on record. Raises `UserError` where there is none in force of that id."""
    with warehouse.connect() as connection:
        done = connection.execute(
            "update ops.supplier_decision set undone_at = clock_timestamp()"
            " where decision_id = %s and undone_at is null",
            [decision_id],
        )
        if not done.rowcount:
            raise UserError(f"there is no decision {decision_id} in force")


def _records(connection: psycopg.Connection, given: str) -> Sequence[str]:
    found = [
        one
        for (one,) in connection.execute(
            """
            select supplier_record_id from reference.supplier_link
            where supplier_record_id = %(id)s or supplier_id = %(id)s or supplier_id = (
                select now_supplier_id from reference.supplier_retired where supplier_id = %(id)s)
            order by supplier_record_id
            """,
            {"id": given},
        )
    ]
    if not found:
        raise UserError(f"{given} is neither a supplier record nor a supplier that was resolved")
    return found


@dataclass(frozen=True)
class Question:
    """Two suppliers that may be one: a pair of them, what speaks for it, and what hangs on it.

    `pounds`: of the record and of everything of the other supplier, whichever is less, since that much would move.
    """

    supplier_record_id: str
    institution_id: str
    name: str | None
    supplier_id: str
    other_supplier_id: str
    other_name: str | None
    other_institutions: tuple[str, ...]
    probability: float
    evidence: str
    pounds: Decimal


def review(limit: int = 50) -> list[Question]:
    """The undecided pairs on which most pounds hang, dearest first.

    A pair is undecided where a record that abstained could be another supplier's. Pounds are those of
    `warehouse.fct_spend` where it stands, else 0. Names are as published: for the eyes of those who may see `raw`.
    """
    with warehouse.connect() as connection:
        connection.execute("create temporary table spent (supplier_record_id text, pounds numeric)")
        stands = connection.execute("select to_regclass('warehouse.fct_spend') is not null").fetchone()
        if stands and stands[0]:
            connection.execute(
                """
                insert into spent
                select supplier_record_id::text, sum(abs(amount)) from warehouse.fct_spend group by supplier_record_id
                """
            )
        rows = connection.execute(
            """
            with supplier_spent as (
                select supplier_id, sum(pounds) as pounds, array_agg(distinct institution_id) as institutions
                from reference.supplier_link left join spent using (supplier_record_id) group by supplier_id
            )
            select link.supplier_record_id, link.institution_id, record.supplier_name, link.supplier_id,
                other.supplier_id, other.name, other_spent.institutions, (one ->> 'probability')::float,
                link.evidence, coalesce(least(own.pounds, other_spent.pounds), 0)
            from reference.supplier_link as link
            cross join lateral jsonb_array_elements(link.alternatives) as one
            inner join raw.supplier_record as record on record.supplier_record_id::text = link.supplier_record_id
            inner join reference.supplier as other on other.supplier_id = one ->> 'supplier_id'
            left join supplier_spent as other_spent on other_spent.supplier_id = other.supplier_id
            left join spent as own on own.supplier_record_id = link.supplier_record_id
            where link.rule in ('own_record', 'model') and (one ->> 'probability')::float >= %s
            order by 10 desc, 8 desc, 1, 5 limit %s
            """,
            [_DOUBTFUL, limit],
        ).fetchall()
    return [
        Question(record, institution, name, supplier, other, other_name, tuple(bodies or ()), likely, evidence, pounds)
        for record, institution, name, supplier, other, other_name, bodies, likely, evidence, pounds in rows
    ]
