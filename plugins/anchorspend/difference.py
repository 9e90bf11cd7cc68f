"""Difference: what a new version of a file changed, line by line, in the batch it replaces.

Lines are compared as they were typed, as multisets: a line that stands twice in both versions is the same twice. Lines
left over on both sides that carry the same reference (`Kind.identity`) are one line changed; the rest were added or
removed. Nothing is compared where a period is loaded for the first time.
"""

from dataclasses import dataclass
from decimal import Decimal

import psycopg
from psycopg import sql

from anchorspend.kinds import Kind


@dataclass(frozen=True)
class Difference:
    """Lines and pounds a batch changed; `before` and `after` are the changed lines' pounds in the two versions."""

    replaced_batch_id: int
    lines_added: int
    amount_added: Decimal
    lines_removed: int
    amount_removed: Decimal
    lines_changed: int
    amount_before: Decimal
    amount_after: Decimal

    def __str__(self) -> str:
        return (
            f"replaces batch {self.replaced_batch_id}: {self.lines_added:,} lines added (£{self.amount_added:,.2f}), "
            f"{self.lines_removed:,} removed (£{self.amount_removed:,.2f}), {self.lines_changed:,} changed "
            f"(£{self.amount_before:,.2f} to £{self.amount_after:,.2f})"
        )


def compare(connection: psycopg.Connection, batch_id: int, kind_id: str, kind: Kind) -> Difference | None:
    """Compare a loaded batch with the one before it of the same feed and period, and keep what differs.

    Writes `ops.batch_difference` and `ops.line_difference`; None where there is no batch before it. The cost follows
    the two files.
    """
    replaced = connection.execute(
        """
        select earlier.batch_id from ops.batch as later
        inner join ops.batch as earlier using (institution_id, feed_id, period_label)
        where later.batch_id = %s and earlier.batch_id < later.batch_id and earlier.status = 'loaded'
        order by earlier.batch_id desc limit 1
        """,
        [batch_id],
    ).fetchone()
    if replaced is None:
        return None
    row = connection.execute(
        sql.SQL(_COMPARE).format(
            table=sql.Identifier("raw", kind_id),
            fields=sql.SQL(", ").join(map(sql.Identifier, kind.fields)),
            identity=sql.Identifier(kind.identity),
            amount=sql.Identifier(kind.amount) if kind.amount else sql.SQL("null::numeric"),
        ),
        {"later": batch_id, "earlier": replaced[0]},
    ).fetchone()
    assert row
    return Difference(replaced[0], *row)


_COMPARE = """
with line as (
    select batch_id, line_no, {identity} as identity, {amount} as amount, content,
        row_number() over (partition by batch_id, content order by line_no) as copy
    from (
        select *, md5(row({fields})::text) as content from {table} where batch_id in (%(later)s, %(earlier)s)
    ) as typed
),

unmatched as (
    select line.*, line.batch_id = %(later)s as is_later,
        row_number() over (partition by line.batch_id, line.identity order by line.line_no) as place
    from line
    where not exists (
        select from line as other
        where other.content = line.content and other.copy = line.copy and other.batch_id <> line.batch_id
    )
),

paired as (
    select
        later.line_no, earlier.line_no as replaced_line_no, later.amount, earlier.amount as replaced_amount,
        case when later.line_no is null then 'removed' when earlier.line_no is null then 'added' else 'changed' end
            as change
    from (select * from unmatched where is_later) as later
    full join (select * from unmatched where not is_later) as earlier
        on later.identity = earlier.identity and later.place = earlier.place
),

summed as (
    insert into ops.batch_difference
    select
        %(later)s, %(earlier)s,
        count(*) filter (where change = 'added'), coalesce(sum(amount) filter (where change = 'added'), 0),
        count(*) filter (where change = 'removed'), coalesce(sum(replaced_amount) filter (where change = 'removed'), 0),
        count(*) filter (where change = 'changed'),
        coalesce(sum(replaced_amount) filter (where change = 'changed'), 0),
        coalesce(sum(amount) filter (where change = 'changed'), 0)
    from paired
    returning *
),

kept as (
    insert into ops.line_difference
    select %(later)s, change, line_no, replaced_line_no, amount, replaced_amount from paired
)

select lines_added, amount_added, lines_removed, amount_removed, lines_changed, amount_before, amount_after from summed
"""
