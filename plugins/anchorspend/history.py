"""History: what was done, as the owner reads it in `ops`: releases, their checks, batches, lines in quarantine.

What may hold a payee's name (a cell, a file's refusal that quotes one, an example of a failed check) stands apart in
`PERSONAL`; who shows rows to others says whether those may see it.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from anchorspend import warehouse
from anchorspend.errors import UserError

PERSONAL = ("value", "examples", "reason", "change_note")
"""The keys of rows in which a cell of an institution's file can stand. A quarantined line's reason never quotes one."""

Rows = list[dict[str, Any]]


def releases() -> Rows:
    """Every attempt at a release, newest first, with how many checks were made, and how many of each severity failed.

    `status` is building, published, failed or withdrawn; the greatest published id is the one readers see.
    `signed_by` names who signed it, separated by semicolons. Times are UTC.
    """
    return _read(
        """
        select release.release_id, release.status, release.closed_at, release.is_sample, release.batches, release.lines,
            release.amount, release.reason, release.opened_at, release.withdrawn_at, release.withdrawn_by,
            signature.signed_by, audit.checks, audit.failed_critical, audit.warnings
        from ops.release
        inner join lateral (
            select string_agg(signed_by, '; ' order by signed_at) as signed_by
            from ops.release_signature where release_signature.release_id = release.release_id
        ) as signature on true
        inner join lateral (
            select count(*) as checks, count(*) filter (where not passed and severity = 'critical') as failed_critical,
                count(*) filter (where not passed and severity <> 'critical') as warnings
            from ops.audit where audit.release_id = release.release_id
        ) as audit on true
        order by release.release_id desc
        """
    )


def checks(release_id: int) -> Rows:
    """The checks of a release, failed ones first, critical before the rest."""
    return _read(
        """
        select suite, description, severity, owner, passed, observed, examples, checked_at
        from ops.audit where release_id = %(release_id)s
        order by passed, severity <> 'critical', severity <> 'warning', suite, check_no
        """,
        {"release_id": release_id},
    )


def batches(ids: Sequence[int]) -> Rows:
    """Batches, each with its file, its lines and pounds, and the published releases that counted it."""
    return _read(
        """
        select batch.batch_id, batch.institution_id, batch.feed_id, batch.kind, file.name as file, batch.status,
            batch.period_label, batch.lines_read, batch.lines_loaded, batch.lines_quarantined, batch.amount_read,
            batch.amount_loaded, batch.amount_quarantined, batch.control_amount, batch.started_at, batch.finished_at,
            file.sha256, file.is_sample, batch.reason, batch.change_note,
            array(select release_id from ops.release_batch where release_batch.batch_id = batch.batch_id
                order by release_id) as releases
        from ops.batch inner join landing.file on batch.file_id = file.file_id
        where batch.batch_id = any(%(ids)s) order by batch.batch_id
        """,
        {"ids": list(ids)},
    )


def quarantine(ids: Sequence[int], limit: int) -> Rows:
    """What could not be read of batches, in the order of their files; at most `limit` rows."""
    return _read(
        """
        select batch_id, file, sheet, source_row, column_name, reason as problem, value, amount
        from ops.quarantine where batch_id = any(%(ids)s) order by batch_id, line_no, column_name limit %(limit)s
        """,
        {"ids": list(ids), "limit": limit},
    )


def without_personal(rows: Rows) -> Rows:
    """The rows without the keys that can hold a payee's name."""
    return [{key: cell for key, cell in row.items() if key not in PERSONAL} for row in rows]


def _read(query: str, parameters: dict[str, object] | None = None) -> Rows:
    with warehouse.connect() as connection:
        try:
            return warehouse.rows(connection, query, parameters)
        except psycopg.errors.UndefinedTable:
            raise UserError("the warehouse has no tables yet; run `anchorspend setup`") from None
