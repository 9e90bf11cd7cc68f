"""Which registered company, charity, mutual or public body a supplier is: by number, exact name, else the model."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg

from anchorspend.resolve import identifiers, model
from anchorspend.resolve.names import digest, names

REGISTERS = ("public_body", "company", "charity", "mutual")
"""Where one body stands in several registers, the first of these names it."""

_CHUNK = 20_000
_WRITTEN = 1_000
_NULL = "\\N"
_BREAKS = str.maketrans("\t\n\r", "   ")
_SOURCES = {
    "company": """
        select company_number, name, postcode, company_number, nth = 0
            and coalesce(dissolution_date >= (select min(period_first) from ops.batch), true)
        from raw.company as c, unnest(array[company_name, previous_name_1, previous_name_2, previous_name_3,
            previous_name_4, previous_name_5, previous_name_6, previous_name_7, previous_name_8, previous_name_9,
            previous_name_10]) with ordinality as one (name, ordinal), lateral (select ordinal - 1 as nth) as n
        where name <> ''""",
    "charity": """
        select charity_number, charity_name, postcode, company_number, registration_status <> 'Removed'
        from raw.charity where coalesce(linked_charity_number, '0') = '0'""",
    "mutual": """
        select society_number, society_name,
            coalesce(postcode, substring(upper(address) from '[A-Z]{1,2}[0-9][A-Z0-9]? *[0-9][A-Z]{2}$')), null,
            society_status <> 'Deregistered'
        from raw.mutual""",
    "public_body": "select body_id, body_name, postcode, company_number, true from raw.public_body",
}


@dataclass(frozen=True)
class Entry:
    """What a supplier is in a register: `register` is None where nothing, or too much, fits. `others` are the entries
    that were considered, as (register, number, probability)."""

    register: str | None = None
    number: str | None = None
    probability: float | None = None
    evidence: str = ""
    by_name: bool = False
    others: tuple[tuple[str, str, float], ...] = ()


@dataclass(frozen=True)
class Sought:
    """A supplier to look up: its names (core, form, qualifier), postcodes and identifiers."""

    names: frozenset[tuple[str, str, str]]
    postcodes: frozenset[str]
    company_numbers: frozenset[str]
    charity_numbers: frozenset[str]


def version(connection: psycopg.Connection) -> str:
    """The versions of all registers that are loaded, and of how their names are made comparable, as one text."""
    return " ".join(f"{register}:{told}" for register, told in _versions(connection).items())


def _versions(connection: psycopg.Connection) -> dict[str, str]:
    # From the batches, not the millions of rows: which lines of a register stand is decided in the same order.
    rows = connection.execute(
        """
        select kind, string_agg(batch_id::text, ',' order by batch_id)
        from (
            select distinct on (institution_id, feed_id) kind, batch_id
            from ops.batch where kind = any(%s) and status = 'loaded'
            order by institution_id, feed_id, period_last desc, batch_id desc
        ) as standing
        group by kind
        """,
        [list(REGISTERS)],
    ).fetchall()
    batches: dict[str, str] = dict(rows)
    return {register: f"{batches.get(register, 0)}/{digest()}" for register in REGISTERS}


def refresh(connection: psycopg.Connection) -> None:
    """Rebuild the names of the registers of which another version is loaded."""
    known: dict[str, str] = dict(
        connection.execute("select register, version from reference.compared_register").fetchall()
    )
    changed = [register for register, told in _versions(connection).items() if known.get(register) != told]
    for register in changed:
        rebuild(connection, register)
    if changed:
        connection.execute("analyze reference.register_name")


def rebuild(connection: psycopg.Connection, register: str) -> None:
    """Make comparable the names of all entries that `raw.<register>` holds now."""
    table = f"reference.register_name_{register}"
    with connection.transaction():
        connection.execute(f"drop table if exists {table}".encode())
        connection.execute(f"create table {table} (like reference.register_name)".encode())
        count = _copy_names(connection, register, table)
        # Only now is it given the indexes: one sort each, instead of a search for the place of every row.
        connection.execute(
            f"alter table reference.register_name attach partition {table} for values in ('{register}')".encode()
        )
        connection.execute(
            """
            insert into reference.compared_register values (%s, %s, %s)
            on conflict (register) do update set version = excluded.version, names = excluded.names
            """,
            [register, _versions(connection)[register], count],
        )


def _copy_names(connection: psycopg.Connection, register: str, table: str) -> int:
    count = 0
    with connection.cursor(name="names_of_register") as source, connection.cursor() as target:
        source.execute(_SOURCES[register].encode())
        while rows := source.fetchmany(_CHUNK):
            with target.copy(f"copy {table} from stdin (format text)".encode()) as copy:
                for start in range(0, len(rows), _WRITTEN):  # the server copies while the next are made
                    copy.write("".join(_comparable(register, rows[start : start + _WRITTEN])))
            count += target.rowcount
    return count


def _comparable(register: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """Rows of a register's names as lines of COPY for `reference.register_name`."""
    for number, name, postcode, company, is_current in rows:
        found = names(name)
        if not found:
            continue
        one = found[0]
        company_number = identifiers.company_number(company)
        own = (company_number or number) if register == "company" else number
        yield (
            f"{register}\t{_copied(own)}\t{_copied(name)}\t{one.core}\t{one.form}\t{one.qualifier}\t"
            f"{identifiers.postcode(postcode) or _NULL}\t{is_current}\t{company_number or _NULL}\n"
        )


def _copied(text: str) -> str:
    if text.isprintable() and "\\" not in text:
        return text
    return text.replace("\\", "\\\\").translate(_BREAKS)


def find(connection: psycopg.Connection, sought: dict[int, Sought]) -> dict[int, Entry]:
    """The entry of each supplier, in the order: register number, exact name, model. Abstains where two are close."""
    held: dict[str, int] = dict(
        connection.execute("select register, names from reference.compared_register where names > 0").fetchall()
    )
    found: dict[int, Entry] = {}
    known = _known_numbers(connection, sought.values())
    for key, one in sought.items():
        entry = _by_number(one, known, held)
        if entry:
            found[key] = entry
    left = {key: one for key, one in sought.items() if key not in found and one.names}
    if not held or not left:
        return found
    candidates = _candidates(connection, left)
    if candidates.empty:
        return found
    exact = candidates[candidates.is_exact.astype(bool)]
    matched: dict[int, list[dict[Any, Any]]] = defaultdict(list)
    for row in exact.to_dict("records"):
        matched[row["key"]].append(row)
    found |= {key: by_name(left[key], rows) for key, rows in matched.items()}
    rest = candidates[~candidates.key.isin(set(exact.key))]
    found |= _by_model(left, rest, sum(held.values()))
    return found


def _known_numbers(connection: psycopg.Connection, sought: Iterable[Sought]) -> set[tuple[str, str]]:
    companies, charities = set[str](), set[str]()
    for one in sought:
        companies |= one.company_numbers
        charities |= one.charity_numbers
    rows = connection.execute(
        """
        select distinct register, register_number from reference.register_name
        where (register = 'company' and register_number = any(%s))
            or (register = 'charity' and register_number = any(%s))
        """,
        [list(companies), list(charities)],
    ).fetchall()
    return {(register, number) for register, number in rows}


def _by_number(one: Sought, known: set[tuple[str, str]], held: dict[str, int]) -> Entry | None:
    for register, numbers in (("company", one.company_numbers), ("charity", one.charity_numbers)):
        listed = sorted(number for number in numbers if (register, number) in known)
        if listed:
            return Entry(register, listed[0], 0.999, f"{register} number on the record and in the register")
        if numbers:
            told = "not in the register as loaded" if held.get(register) else "the register is not loaded"
            likely = 0.9 if held.get(register) else 0.97
            return Entry(register, min(numbers), likely, f"{register} number on the record; {told}")
    return None


def _candidates(connection: psycopg.Connection, sought: dict[int, Sought]) -> pd.DataFrame:
    """Entries with an equal name, or at the same postcode with a name that begins alike.

    Columns: key, is_exact, register, register_number, name, core, form, qualifier, postcode, is_current, entity.
    """
    connection.execute("drop table if exists sought_name, sought_place")
    connection.execute("create temporary table sought_name (key bigint, core text)")
    connection.execute("create temporary table sought_place (key bigint, core text, postcode text)")
    with connection.cursor() as cursor:
        with cursor.copy("copy sought_name from stdin") as copy:
            for key, one in sought.items():
                for core in {core for core, _, _ in one.names}:
                    copy.write_row((key, core))
        with cursor.copy("copy sought_place from stdin") as copy:
            for key, one in sought.items():
                for core in {core for core, _, _ in one.names}:
                    for postcode in one.postcodes:
                        copy.write_row((key, core, postcode))
    connection.execute("analyze sought_name")
    connection.execute("analyze sought_place")
    rows = connection.execute(
        """
        select key, true, r.register, register_number, name, core, form, qualifier, postcode, is_current,
            coalesce(company_number, r.register || register_number)
        from sought_name inner join reference.register_name as r using (core)
        union
        select key, false, r.register, register_number, name, r.core, form, qualifier, r.postcode, is_current,
            coalesce(company_number, r.register || register_number)
        from sought_place as s inner join reference.register_name as r
            on r.postcode = s.postcode and left(r.core, 3) = left(s.core, 3) and r.core <> s.core
        """
    ).fetchall()
    columns = [
        *("key", "is_exact", "register", "register_number", "name", "core", "form", "qualifier", "postcode"),
        *("is_current", "entity"),
    ]
    table = pd.DataFrame(rows, columns=columns).astype(object)
    return table.where(table.notna(), None)  # an entry without a postcode has None, as a record has


def by_name(one: Sought, rows: Sequence[dict[Any, Any]]) -> Entry:
    """The entry among those of exactly one's name (columns of `_candidates`), or an abstention that lists them.

    An entry whose legal form, where both write one, differs is another's. Names in force go before previous and
    dissolved ones; where several are left, the one at the same postcode, then the only one in its postcode area.
    """
    forms = defaultdict(set)
    for core, form, qualifier in one.names:
        forms[core].add((form, qualifier))
    fit = [
        row
        for row in rows
        if not row["form"]
        or any(
            not form or (form, qualifier) == (row["form"], row["qualifier"]) for form, qualifier in forms[row["core"]]
        )
    ]
    in_force = [row for row in fit if row["is_current"]] or fit
    areas = {_area(postcode) for postcode in one.postcodes}
    for told, likely, narrowed in (
        ("same name and postcode as", 0.99, [row for row in in_force if row["postcode"] in one.postcodes]),
        ("same name as, and only", 0.97 if in_force and in_force[0]["is_current"] else 0.9, in_force),
        (
            "same name and postcode area as",
            0.9,
            [row for row in in_force if row["postcode"] and _area(row["postcode"]) in areas],
        ),
    ):
        entities = {row["entity"] for row in narrowed}
        if len(entities) == 1:
            best = min(narrowed, key=lambda row: (REGISTERS.index(row["register"]), not row["is_current"]))
            kind = best["register"].replace("_", " ")
            kind += "" if best["is_current"] else ", by a previous name or since gone"
            return Entry(best["register"], best["register_number"], likely, f"{told} a {kind} in the register", True)
    share = round(1 / max(len({row["entity"] for row in in_force}), 1), 3)
    others = sorted({(row["register"], row["register_number"], share) for row in in_force or rows})
    return Entry(evidence="several entries of the name" if in_force else "", others=tuple(others[:5]))


def _by_model(sought: dict[int, Sought], candidates: pd.DataFrame, universe: int) -> dict[int, Entry]:
    if candidates.empty:
        return {}
    parameters = model.model()
    keys = sorted(set(candidates.key))
    entities = candidates.drop_duplicates(["register", "register_number", "core", "postcode"]).reset_index(drop=True)
    number = {entity: len(keys) + i for i, entity in enumerate(dict.fromkeys(entities.entity))}
    own = [
        (i, core, form, qualifier, False, postcode)
        for i, key in enumerate(keys)
        for core, form, qualifier in sorted(sought[key].names)
        for postcode in (*sorted(sought[key].postcodes),) or (None,)
    ]
    theirs = [
        (number[row.entity], row.core, row.form, row.qualifier, False, row.postcode) for row in entities.itertuples()
    ]
    seen = pd.DataFrame([*own, *theirs], columns=["node", "core", "form", "qualifier", "is_cut", "postcode"])
    pairs = model.score(seen, range(len(keys)), parameters, universe=universe)
    pairs = pairs[(pairs.left < len(keys)) & (pairs.right >= len(keys)) & (pairs.weight >= 0)]
    entry = {
        number[row["entity"]]: (str(row["register"]), str(row["register_number"]))
        for row in entities.to_dict("records")
    }
    result: dict[int, Entry] = {}
    for left in sorted(set(pairs.left.tolist())):
        best = pairs[pairs.left == left].sort_values("weight", ascending=False)
        weights, places = best.weight.tolist(), best.right.tolist()
        others = tuple((*entry[p], round(model.probability(w), 4)) for w, p in zip(weights, places, strict=True))
        clear = len(weights) == 1 or weights[0] - weights[1] >= parameters.margin
        if weights[0] >= parameters.accept and clear:
            told = f"{best.evidence.iloc[0]} as in the register"
            result[keys[left]] = Entry(*others[0], told, True, others[1:6])
        else:
            result[keys[left]] = Entry(others=others[:5])
    return result


def _area(postcode: str) -> str:
    return postcode[: 2 if postcode[1:2].isalpha() else 1]
