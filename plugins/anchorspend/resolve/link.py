"""Records to suppliers, without a database: rules, then the model, then groups. A run and a measurement share it."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from anchorspend.resolve import cluster, model, profiles
from anchorspend.resolve.profiles import IDENTIFIERS, Edge, Node

SURE = 0.999
"""Probability of a link by an identifier that both sides carry: clerks copy numbers from the wrong line too."""


@dataclass(frozen=True)
class Linked:
    """Records of `profiles.prepared` with the group each belongs to.

    `table`: index is the record's position; adds node, group, rule, probability, evidence and others (list of group and
    probability). Records that were not chosen have no row. `nodes` are those of `profiles.nodes`; `pairs` what the
    model scored, by node.
    """

    table: pd.DataFrame
    nodes: list[Node]
    pairs: pd.DataFrame


def link(
    records: pd.DataFrame,
    fresh: pd.Series | None = None,
    groups: pd.Series | None = None,
    same: Iterable[Edge] = (),
    different: Iterable[Edge] = (),
    parameters: model.Model | None = None,
) -> Linked:
    """Group the records of `RECORD` columns and `is_private`.

    `fresh`: which records to compare, all where absent; `groups`: the group each of the others is in already. A group
    that a fresh record is near is looked at again as a whole, so that what is new may join or part it; every other
    record keeps out of it. `same` and `different` are decisions, as positions.
    """
    parameters = parameters or model.model()
    same, different = list(same), list(different)
    table = profiles.prepared(records)
    found, of_record = profiles.nodes(table, same, different)
    table["node"] = of_record.to_numpy()
    private = {number for number, node in enumerate(found) if node.is_private}
    comparable = ~table.node.isin(private)
    seen = profiles.with_known_names(table, table.node, profiles.variants(table, table.node, comparable.tolist()))
    if fresh is None:
        chosen = set(range(len(found)))
        pairs = model.score(seen, chosen, parameters)
    else:
        assert groups is not None
        chosen, pairs = _touched(table, seen, fresh, groups, parameters)
    apart = [(int(of_record[a]), int(of_record[b])) for a, b in different if of_record[a] != of_record[b]]
    places = cluster.clustered(found, sorted(chosen), pairs, apart, parameters)
    chosen_table = table[table.node.isin(chosen)].copy()
    chosen_table["group"] = [places[node].group for node in chosen_table.node]
    decided = {position for edge in same for position in edge}
    told = _told(chosen_table, places, decided, parameters)
    return Linked(chosen_table.join(told), found, pairs)


def _touched(
    table: pd.DataFrame, seen: pd.DataFrame, fresh: pd.Series, groups: pd.Series, parameters: model.Model
) -> tuple[set[int], pd.DataFrame]:
    """Nodes to place anew, and their pairs: the fresh ones and everything of the groups they are near."""
    new = set(table.node[fresh.to_numpy()])
    pairs = model.score(seen, new, parameters)
    close = pairs[pairs.weight >= parameters.accept - parameters.margin]
    near = new | set(close.left) | set(close.right)
    held = groups[table.node.isin(near).to_numpy()].dropna()
    chosen = set(table.node[groups.isin(held).to_numpy()]) | near
    again = model.score(seen[seen.node.isin(chosen)], chosen - new, parameters, of=seen)
    pairs = pd.concat([pairs, again]).drop_duplicates(["left", "right"])
    return chosen, pairs[pairs.left.isin(chosen) & pairs.right.isin(chosen)]


def _told(
    table: pd.DataFrame, places: dict[int, cluster.Place], decided: set[int], parameters: model.Model
) -> pd.DataFrame:
    """Rule, probability, evidence and others of each record of a group."""
    equal = model.probability(model.weight_of_equals(parameters))
    shared = {
        kind: table.groupby(["group", kind])[kind].transform("size").reindex(table.index).fillna(0) > 1
        for kind in IDENTIFIERS
    }
    cores = table.names.map(lambda found: found[0].core if found else "") + "|" + table.postcode.fillna("")
    elsewhere = table.groupby("node").institution_id.transform("nunique") > 1
    alike = table.groupby(["node", cores]).institution_id.transform("nunique") > 1
    rows = []
    for position, node, is_elsewhere, is_alike in zip(table.index, table.node, elsewhere, alike, strict=True):
        place = places[node]
        others = [(group, round(model.probability(weight), 4)) for group, weight in place.others]
        kind = next((kind for kind in IDENTIFIERS if shared[kind][position]), None)
        if position in decided:
            row = ("decision", 1.0, "a person decided")
        elif kind:
            row = (kind, SURE, f"same {kind.replace('_', ' ')} {table[kind][position]!s}")
        elif place.weight is not None:
            row = ("model", model.probability(place.weight), place.evidence)
        elif is_elsewhere and is_alike:
            row = ("model", equal, "same name, same postcode")
        else:
            row = ("own_record", 1 - max((one for _, one in others), default=0.0), place.evidence)
        rows.append((*row[:1], round(row[1], 4), row[2], others))
    return pd.DataFrame(rows, index=table.index, columns=["rule", "probability", "evidence", "others"])
