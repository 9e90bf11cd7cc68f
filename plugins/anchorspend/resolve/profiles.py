"""Supplier records made ready for comparison: identifiers in form, names split, equal records taken together."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from anchorspend.resolve import identifiers
from anchorspend.resolve.names import names

RECORD = (
    "supplier_record_id",
    "institution_id",
    "supplier_ref",
    "supplier_name",
    "supplier_postcode",
    "company_number",
    "charity_number",
    "vat_number",
)
"""Columns of a supplier record, all text; an absent value is None."""

IDENTIFIERS = ("company_number", "charity_number", "vat_number")
"""Identifiers, the one that decides first before the others."""

_ONE_TIME_NAMES = 5
"""A supplier number under which more names than this are paid is an account for one-time payees, no supplier."""
_CARD_WIDTH = 22
"""Card schemes cut a merchant's name here (ISO 8583, field 43)."""
_SHORTEST_CUT = 12
"""Letters and digits of a cut name that tell whose it is."""
_CUT_SHARE, _CUT_WIDTHS, _CUT_RECORDS = 0.03, (20, 60), 20
"""A system cuts names where at least this share of an institution's names ends at its longest, within these widths and
among at least so many records: lengths of names that nothing cuts thin out slowly."""

Edge = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """Records that are one supplier by rule alone: positions in the table of records, what holds them together, and
    their identifiers of each kind."""

    records: tuple[int, ...]
    identifiers: dict[str, frozenset[str]]
    is_private: bool


def prepared(records: pd.DataFrame) -> pd.DataFrame:
    """Records (columns of `RECORD` and `is_private`) with what comparison needs, one row each, positions as index.

    Adds `names` (tuple of `Name`), `is_cut`, `postcode`, and puts identifiers into form; what cannot be one is None.
    Private persons keep no identifier: theirs is nobody's register number.
    """
    table = records.reset_index(drop=True).copy()
    written = table.supplier_name.fillna("").str.strip()
    table["is_cut"] = _is_cut(table.institution_id, written.str.len())
    distinct = {(text, cut): names(text, truncated=cut) for text, cut in set(zip(written, table.is_cut, strict=True))}
    table["names"] = [  # type: ignore[assignment]  # pandas holds any object
        distinct[key] for key in zip(written, table.is_cut, strict=True)
    ]
    table["postcode"] = _mapped(table.supplier_postcode, identifiers.postcode)
    for column in IDENTIFIERS:
        table[column] = _mapped(table[column], getattr(identifiers, column))
        table.loc[table.is_private, column] = None
    return table


def _mapped(column: pd.Series, convert: object) -> list[str | None]:
    assert callable(convert)
    known = {text: convert(text) for text in column.dropna().unique()}
    return [known.get(text) for text in column]


def _is_cut(institutions: pd.Series, lengths: pd.Series) -> pd.Series:
    longest = lengths.groupby(institutions).transform("max")
    # A space at the cut is trimmed away, so a cut name may be one shorter.
    reaches = lengths >= longest - 1
    share = reaches.groupby(institutions).transform("mean")
    count = lengths.groupby(institutions).transform("size")
    by_system = reaches & (share >= _CUT_SHARE) & longest.between(*_CUT_WIDTHS) & (count >= _CUT_RECORDS)
    return by_system | lengths.isin((_CARD_WIDTH, _CARD_WIDTH - 1))


def nodes(table: pd.DataFrame, same: Iterable[Edge], different: Iterable[Edge]) -> tuple[list[Node], pd.Series]:
    """Take together what identifiers, one institution's own number, or an equal name at an equal postcode make one.

    `same` and `different` are decisions of people, as positions in `table` (of `prepared`). Returns the nodes and, for
    each record, its node's position. Records whose identifiers contradict each other are never taken together, unless
    a decision says so.
    """
    groups = Groups(table, different)
    for left, right in same:
        groups.unite(left, right, forced=True)
    for column in IDENTIFIERS:
        groups.unite_all(table.index[table[column].notna()], table[column].dropna())
    numbered = table[table.supplier_ref.fillna("") != ""]
    key = numbered.institution_id + "\n" + numbered.supplier_ref.str.upper().str.strip()
    cores = numbered.names.map(lambda found: found[0].core if found else "")
    one_supplier = (cores.groupby(key).transform("nunique") <= _ONE_TIME_NAMES) | numbered.is_private
    groups.unite_all(numbered.index[one_supplier], key[one_supplier])
    # Without a supplier number, one institution's name and postcode are all that tells its suppliers apart.
    comparable = table[(table.names.map(len) > 0) & ~table.is_private]
    whole = comparable.names.astype(str) + "\n" + comparable.postcode.fillna("")
    placed = comparable.postcode.notna()
    groups.unite_all(comparable.index[placed], whole[placed])
    groups.unite_all(comparable.index[~placed], (comparable.institution_id + "\n" + whole)[~placed])
    return groups.nodes()


class Groups:
    """Disjoint sets of records that refuse to unite what contradicts itself."""

    def __init__(self, table: pd.DataFrame, different: Iterable[Edge]) -> None:
        self._parent = list(range(len(table)))
        self._members = [[position] for position in self._parent]
        self._private = table.is_private.tolist()
        self._ids = [
            {kind: {value} for kind, value in zip(IDENTIFIERS, row, strict=True) if isinstance(value, str)}
            for row in table[list(IDENTIFIERS)].itertuples(index=False)
        ]
        self._apart: dict[int, set[int]] = {}
        for left, right in different:
            self._apart.setdefault(left, set()).add(right)
            self._apart.setdefault(right, set()).add(left)

    def find(self, position: int) -> int:
        """The record that stands for a record's group."""
        while self._parent[position] != position:
            self._parent[position] = self._parent[self._parent[position]]
            position = self._parent[position]
        return position

    def unite(self, left: int, right: int, *, forced: bool = False) -> bool:
        """Make one group of two records' groups; False where that would contradict."""
        a, b = self.find(left), self.find(right)
        if a == b:
            return True
        if self._kept_apart(a, b) or (not forced and contradict(self._ids[a], self._ids[b])):
            return False
        if len(self._members[a]) < len(self._members[b]):
            a, b = b, a
        self._parent[b] = a
        self._members[a] += self._members[b]
        for kind, values in self._ids[b].items():
            self._ids[a].setdefault(kind, set()).update(values)
        return True

    def unite_all(self, positions: Iterable[int], keys: Iterable[str]) -> None:
        """Unite the records that share a key: each joins the first group of its key that it does not contradict."""
        first: dict[str, list[int]] = {}
        for position, key in zip(positions, keys, strict=True):
            known = first.setdefault(key, [])
            if not any(self.unite(other, position) for other in known):
                known.append(position)

    def _kept_apart(self, a: int, b: int) -> bool:
        if not self._apart:
            return False
        others = {self.find(other) for member in self._members[a] for other in self._apart.get(member, ())}
        return b in others

    def nodes(self) -> tuple[list[Node], pd.Series]:
        """The groups as nodes, in the order of their first records, and each record's node."""
        number: dict[int, int] = {}
        of_record = [number.setdefault(self.find(position), len(number)) for position in range(len(self._parent))]
        found = [
            Node(
                tuple(sorted(self._members[root])),
                {kind: frozenset(values) for kind, values in self._ids[root].items()},
                any(self._private[member] for member in self._members[root]),
            )
            for root in number
        ]
        return found, pd.Series(of_record, dtype="int64")


def contradict(
    left: "dict[str, set[str]] | dict[str, frozenset[str]]", right: "dict[str, set[str]] | dict[str, frozenset[str]]"
) -> bool:
    """Whether the identifiers of two suppliers say that they are two.

    The first kind that both have decides: one company may change its VAT number, and two of a VAT group share one.
    """
    for kind in IDENTIFIERS:
        if left.get(kind) and right.get(kind):
            return not left[kind] & right[kind]
    return False


def variants(table: pd.DataFrame, of_record: pd.Series, chosen: Sequence[bool]) -> pd.DataFrame:
    """One row per distinct name, postcode and node of the records that may be compared: what the model sees.

    Columns: node, core, form, qualifier, is_cut, postcode, is_first (the payee's own name rather than a second one).
    `chosen` says of each record whether it takes part; private persons and records that name nobody never do.
    """
    usable = table.assign(node=of_record.to_numpy())[
        pd.Series(chosen, index=table.index) & ~table.is_private & (table.names.map(len) > 0)
    ]

    def rows() -> Iterator[tuple[object, ...]]:
        for node, found, is_cut, postcode in zip(
            usable.node, usable.names, usable.is_cut, usable.postcode, strict=True
        ):
            for number, name in enumerate(found):
                cut = is_cut and number == len(found) - 1
                yield node, name.core, name.form, name.qualifier, cut, postcode, number == 0

    columns = ["node", "core", "form", "qualifier", "is_cut", "postcode", "is_first"]
    return pd.DataFrame(list(dict.fromkeys(rows())), columns=columns).astype({"is_cut": bool, "is_first": bool})


def with_known_names(table: pd.DataFrame, of_record: pd.Series, seen: pd.DataFrame) -> pd.DataFrame:
    """Variants (of `variants`) with the names that other records complete them to.

    A name cut short is also the one longer name that begins with it, where there is only one. And where one record
    says `A Ltd T/A B` and another only `B` at the same postcode, the other's supplier is known as A too; without a
    postcode the same holds where only one supplier trades as B.
    """
    both = table.assign(node=of_record.to_numpy())[table.names.map(len) > 1]
    given = pd.DataFrame(
        [
            (second.core, found[0].core, found[0].form, found[0].qualifier, postcode)
            for found, postcode in zip(both.names, both.postcode, strict=True)
            for second in found[1:]
        ],
        columns=["core", "own", "own_form", "own_qualifier", "place"],
    ).drop_duplicates()
    completed = _completed(seen)
    known = pd.concat([seen, completed])
    owners = given.groupby("core").own.nunique()
    given["is_only"] = given.core.map(owners) == 1
    met = known[known.is_first].merge(given, on="core")
    unplaced = met.postcode.isna() | met.place.isna()
    met = met[(met.postcode == met.place) | (unplaced & met.is_only)]
    added = met.assign(core=met.own, form=met.own_form, qualifier=met.own_qualifier, is_cut=False, is_first=False)
    return pd.concat([known, added[seen.columns]], ignore_index=True).drop_duplicates(
        ["node", "core", "form", "qualifier", "postcode"], ignore_index=True
    )


def _completed(seen: pd.DataFrame) -> pd.DataFrame:
    """The variants cut short, under the longer name, where exactly one begins with what is left."""
    squashed = seen.core.str.replace(" ", "")
    longer = sorted({(letters, core) for letters, core in zip(squashed, seen.core, strict=True)})
    letters = [one for one, _ in longer]
    cut = seen[seen.is_cut & (squashed.str.len() >= _SHORTEST_CUT)]
    whole = set(seen.core[~seen.is_cut])

    def only(core: str) -> str | None:
        left = core.replace(" ", "")
        first, last = bisect_left(letters, left), bisect_left(letters, left + "\U0010ffff")
        found = {one for _, one in longer[first:last] if one in whole and one != core}
        return found.pop() if len(found) == 1 and core not in whole else None

    full = {core: only(core) for core in cut.core.unique()}
    return cut.assign(core=cut.core.map(full), form="", qualifier="", is_cut=False).dropna(subset=["core"])
