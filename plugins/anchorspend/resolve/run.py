"""The stage: reads the supplier records and decisions, links what is new, keeps ids, and writes what changed."""

import json
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg

from anchorspend import warehouse
from anchorspend.resolve import link, model, register
from anchorspend.resolve.decisions import Decision, in_force
from anchorspend.resolve.profiles import IDENTIFIERS, contradict
from anchorspend.resolve.records import collect, read_records

Rows = list[dict[Any, Any]]
"""Records as `link.Linked.table` has them, one dictionary each."""

_NAMESPACE = uuid.UUID("6f6f4c5e-2f3a-5d0c-9c68-0f7b3f0a4a11")
_REGISTER_MERGES = 0.9
"""Two groups of one register entry are one supplier where both are at least so probably that entry."""


@dataclass(frozen=True)
class Run:
    """What a run did. `run_id` is None where nothing had changed, and nothing was written."""

    run_id: int | None
    records: int
    new_records: int
    suppliers: int
    changed_links: int
    seconds: float

    def __str__(self) -> str:
        if self.run_id is None:
            return f"nothing new: {self.records:,} records are {self.suppliers:,} suppliers"
        return (
            f"resolution {self.run_id}: {self.records:,} records, {self.new_records:,} of them new, are "
            f"{self.suppliers:,} suppliers; {self.changed_links:,} links changed; {self.seconds:.0f} s"
        )


def resolve(*, full: bool = False, progress: Callable[[str], None] = lambda message: None) -> Run:
    """Decide for every supplier record of the batches loaded by now which supplier it is, in one transaction.

    Only records without a link, those whose fields changed, and what decisions touch are compared, unless `full` is set
    or another version of a register is loaded.
    """
    started = time.monotonic()
    with warehouse.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('anchorspend.resolve'))")
        collect(connection)
        records = read_records(connection)
        if records.empty:
            return Run(None, 0, 0, 0, 0, time.monotonic() - started)
        known = _links(connection)
        decisions = in_force(connection)
        before = _last(connection)
        digests = (model.model().digest, register.version(connection), decisions.digest)
        full = full or before is None or before[:2] != digests[:2]
        held = records.supplier_record_id.map(known.supplier_id)
        fresh = held.isna() | (records.supplier_record_id.map(known.record_digest) != records.record_digest)
        new = int(held.isna().sum())
        if before is not None and before[2] != digests[2]:
            touched = decisions.touched | set(held[records.supplier_record_id.isin(decisions.touched)].dropna())
            fresh |= records.supplier_record_id.isin(touched) | held.isin(touched)
        if not full and not fresh.any():
            count = connection.execute("select count(*) from reference.supplier").fetchone()
            return Run(None, len(records), 0, count[0] if count else 0, 0, time.monotonic() - started)
        if full:
            register.refresh(connection)
            progress("registers are ready")
        same, different = decisions.edges(records.supplier_record_id, held)
        linked = link.link(records, None if full else fresh, held, same, different)
        progress(f"{len(linked.table):,} records compared, {len(linked.pairs):,} pairs")
        run_id = _open(connection, full, digests)
        changed = _write(connection, run_id, linked, held, decisions)
        suppliers = _close(connection, run_id, len(records), new, started)
    return Run(run_id, len(records), new, suppliers, changed, time.monotonic() - started)


def _links(connection: psycopg.Connection) -> pd.DataFrame:
    rows = connection.execute(
        "select supplier_record_id, supplier_id, record_digest from reference.supplier_link"
    ).fetchall()
    return pd.DataFrame(rows, columns=["supplier_record_id", "supplier_id", "record_digest"]).set_index(
        "supplier_record_id"
    )


def _last(connection: psycopg.Connection) -> tuple[str, str, str] | None:
    return connection.execute(
        """
        select model_digest, registers_digest, decisions_digest from reference.resolution_run
        order by run_id desc limit 1
        """
    ).fetchone()


def _open(connection: psycopg.Connection, full: bool, digests: tuple[str, str, str]) -> int:
    row = connection.execute(
        """
        insert into reference.resolution_run (is_full, records, new_records, suppliers, seconds,
            model_digest, registers_digest, decisions_digest)
        values (%s, 0, 0, 0, 0, %s, %s, %s) returning run_id
        """,
        [full, *digests],
    ).fetchone()
    assert row
    return int(row[0])


def _close(connection: psycopg.Connection, run_id: int, records: int, new: int, started: float) -> int:
    connection.execute(
        """
        delete from reference.supplier where not exists (
            select from reference.supplier_link where supplier_link.supplier_id = supplier.supplier_id)
        """
    )
    row = connection.execute(
        """
        update reference.resolution_run set records = %s, new_records = %s, seconds = round(%s::numeric, 1),
            suppliers = (select count(*) from reference.supplier)
        where run_id = %s returning suppliers
        """,
        [records, new, time.monotonic() - started, run_id],
    ).fetchone()
    assert row
    return int(row[0])


def _write(
    connection: psycopg.Connection, run_id: int, linked: link.Linked, held: pd.Series, decisions: Decision
) -> int:
    table = linked.table.assign(held=held)
    everything = [{**row, "place": place} for place, row in zip(table.index, table.to_dict("records"), strict=True)]
    members = _by(everything, "group")
    sought = {group: _sought(rows) for group, rows in members.items() if not _is_private(rows)}
    entries = register.find(connection, sought)
    for group, entry in decisions.entries(table).items():
        entries[group] = entry
    joined = _joined_by_register(members, entries, decisions, table)
    for row in everything:
        row["supplier"] = joined[row["group"]]
    by_supplier = _by(everything, "supplier")
    ids = _ids(connection, run_id, by_supplier, entries)
    suppliers, links = [], []
    for lead, rows in by_supplier.items():
        entry = entries.get(lead, register.Entry())
        name = None if _is_private(rows) else _name(rows)
        suppliers.append((ids[lead], name, entry.register, entry.number, run_id))
        merged = len({row["group"] for row in rows}) > 1
        for row in rows:
            own = entries.get(row["group"], entry)
            others = [
                {"supplier_id": ids[joined[group]], "probability": likely}
                for group, likely in row["others"]
                if group in joined and joined[group] != lead
            ]
            others += [{"register": r, "register_number": n, "probability": p} for r, n, p in own.others]
            is_by_register = merged and own.by_name and row["rule"] in ("own_record", "model")
            links.append(
                (
                    *(row["supplier_record_id"], row["institution_id"], ids[lead]),
                    "register_name" if is_by_register else row["rule"],
                    own.probability if is_by_register else row["probability"],
                    "; ".join(filter(None, (row["evidence"], own.evidence))),
                    json.dumps(others),
                    *(entry.register, entry.number, entry.probability, row["record_digest"], run_id),
                )
            )
    return _upsert(connection, suppliers, links)


def _by(rows: Rows, column: str) -> dict[Any, Rows]:
    """Rows by a column's value, in its order; plain lists, as a table for each of many thousands takes minutes."""
    found: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return dict(sorted(found.items()))


def _values(rows: Rows, column: str) -> set[str]:
    return {row[column] for row in rows if isinstance(row[column], str)}


def _is_private(rows: Rows) -> bool:
    return any(row["is_private"] for row in rows)


def _sought(rows: Rows) -> register.Sought:
    return register.Sought(
        frozenset((one.core, one.form, one.qualifier) for row in rows for one in row["names"]),
        frozenset(_values(rows, "postcode")),
        frozenset(_values(rows, "company_number")),
        frozenset(_values(rows, "charity_number")),
    )


def _joined_by_register(
    members: dict[int, Rows], entries: dict[int, register.Entry], decisions: Decision, table: pd.DataFrame
) -> dict[int, int]:
    """Each group's first group of the same register entry, itself where there is none it may join."""
    lead: dict[int, int] = {}
    of_entry: dict[tuple[str, str], list[int]] = defaultdict(list)
    ids: dict[int, dict[str, set[str]]] = {}
    apart = decisions.groups_apart(table)
    for group, rows in members.items():
        entry = entries.get(group)
        ids[group] = {kind: _values(rows, kind) for kind in IDENTIFIERS}
        lead[group] = group
        if not entry or not entry.register or not entry.number or (entry.probability or 0) < _REGISTER_MERGES:
            continue
        key = (entry.register, entry.number)
        for other in of_entry[key]:
            kept_apart = bool(apart) and any(
                frozenset((group, one)) in apart for one, of in lead.items() if of == other
            )
            if not kept_apart and not contradict(ids[group], ids[other]):
                lead[group] = other
                for kind in IDENTIFIERS:
                    ids[other][kind] |= ids[group][kind]
                break
        else:
            of_entry[key].append(group)
    return lead


def _ids(
    connection: psycopg.Connection,
    run_id: int,
    by_supplier: dict[int, Rows],
    entries: dict[int, register.Entry],
) -> dict[int, str]:
    """The id of each supplier: one its records had before, the oldest of them, else one of its own making.

    An id that several suppliers' records had goes to the one with most of them, the older record deciding a tie. Ids
    that a merge left over are kept in `reference.supplier_retired`.
    """
    seen: dict[str, int] = dict(
        connection.execute("select supplier_id, first_seen_run from reference.supplier").fetchall()
    )
    in_register: dict[tuple[str | None, str | None], str] = {
        (register_, number): supplier
        for supplier, register_, number in connection.execute(
            "select supplier_id, register, register_number from reference.supplier where register is not null"
        )
    }
    claims = sorted(
        (seen.get(held, run_id), -len(of), of[0]["place"], held, lead)
        for lead, rows in by_supplier.items()
        for held, of in _by([row for row in rows if isinstance(row["held"], str)], "held").items()
    )
    # Most of an id's records first, so that a split leaves it with the larger part.
    best: dict[str, tuple[int, int, int]] = {}
    for _, size, first, held, lead in claims:
        best[held] = min(best.get(held, (size, first, lead)), (size, first, lead))
    ids: dict[int, str] = {}
    for _, _, _, held, lead in claims:
        if best[held][2] == lead:
            ids.setdefault(lead, held)
    touched = {held for *_, held, _ in claims}
    taken = (set(seen) - touched) | set(ids.values())
    for lead, rows in by_supplier.items():
        if lead in ids:
            continue
        entry = entries.get(lead, register.Entry())
        key = (entry.register, entry.number)
        standing = in_register.get(key) if entry.register else None
        if standing and standing not in touched and (entry.probability or 0) >= _REGISTER_MERGES:
            ids[lead] = standing
            continue
        wanted = [f"{entry.register}:{entry.number}"] if entry.register else []
        wanted.append(f"record:{rows[0]['supplier_record_id']}")
        made = next((one for one in (str(uuid.uuid5(_NAMESPACE, text)) for text in wanted) if one not in taken), None)
        ids[lead] = made or str(uuid.uuid5(_NAMESPACE, f"{run_id}:{wanted[-1]}"))
        taken.add(ids[lead])
    retired = [(held, ids[best[held][2]], run_id) for held in touched - set(ids.values())]
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into reference.supplier_retired values (%s, %s, %s)
            on conflict (supplier_id) do update set
                now_supplier_id = excluded.now_supplier_id, run_id = excluded.run_id
            """,
            retired,
        )
    connection.execute("delete from reference.supplier_retired where supplier_id = any(%s)", [list(ids.values())])
    return ids


def _name(rows: Rows) -> str | None:
    """The name most records write; among equals the longest, which was cut least."""
    counts = Counter(row["supplier_name"] for row in rows if isinstance(row["supplier_name"], str))
    return max(counts, key=lambda name: (counts[name], len(name), name)) if counts else None


def _upsert(connection: psycopg.Connection, suppliers: list[tuple[Any, ...]], links: list[tuple[Any, ...]]) -> int:
    with connection.cursor() as cursor:
        for table, rows in (("supplier", suppliers), ("supplier_link", links)):
            cursor.execute(f"drop table if exists new_{table}".encode())
            cursor.execute(f"create temporary table new_{table} (like reference.{table}) on commit drop".encode())
            with cursor.copy(f"copy new_{table} from stdin".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
        cursor.execute(
            """
            insert into reference.supplier select distinct on (supplier_id) * from new_supplier order by supplier_id
            on conflict (supplier_id) do update set name = excluded.name, register = excluded.register,
                register_number = excluded.register_number
            """
        )
        # A link that stays as it is keeps the run that made it.
        cursor.execute(
            """
            insert into reference.supplier_link as old select * from new_supplier_link
            on conflict (supplier_record_id) do update set
                supplier_id = excluded.supplier_id, rule = excluded.rule, probability = excluded.probability,
                evidence = excluded.evidence, alternatives = excluded.alternatives, register = excluded.register,
                register_number = excluded.register_number, register_probability = excluded.register_probability,
                record_digest = excluded.record_digest, run_id = excluded.run_id
            where (old.supplier_id, old.rule, old.probability, old.evidence, old.alternatives, old.register,
                old.register_number, old.register_probability, old.record_digest)
                is distinct from (excluded.supplier_id, excluded.rule, excluded.probability, excluded.evidence,
                excluded.alternatives, excluded.register, excluded.register_number, excluded.register_probability,
                excluded.record_digest)
            """
        )
        return cursor.rowcount
