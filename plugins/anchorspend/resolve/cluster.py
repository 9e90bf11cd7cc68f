"""Which nodes become one supplier: groups grow by their mean weight, never over a contradiction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from anchorspend.resolve.model import Model, probability
from anchorspend.resolve.profiles import Node, contradict

LARGEST = 60
"""More nodes than this in one component are taken for a chain: it is cut at rising weights until its parts are smaller.
Suppliers of more nodes are made by identifiers and equal names, which need no chain."""

_DOUBT = 8
"""Pairs that weigh less than this under `accept` are no alternative that a person need see."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """Where a node went: its group (the lowest node of it), the weight that holds it there (None where it is alone or
    a decision holds it), the evidence, and other groups with their weight, best first."""

    group: int
    weight: float | None
    evidence: str
    others: tuple[tuple[int, float], ...]
    is_torn: bool = False


def clustered(
    nodes: Sequence[Node], chosen: Iterable[int], pairs: pd.DataFrame, apart: Iterable[Pair], parameters: Model
) -> dict[int, Place]:
    """Put every chosen node into a group.

    `pairs`: of `model.score`. `apart`: nodes a decision keeps apart. Two groups become one, best first, while the mean
    weight of their pairs reaches `accept`, no pair is under `floor`, and neither identifiers nor a decision
    contradict. A node that two groups pull at nearly the same weight stays alone: it is nobody's until more is known.
    """
    kept_apart = {frozenset(pair) for pair in apart}
    weights: dict[Pair, float] = {}
    evidence: dict[Pair, str] = {}
    near: dict[int, list[int]] = defaultdict(list)
    for left, right, weight, told in zip(pairs.left, pairs.right, pairs.weight, pairs.evidence, strict=True):
        weights[left, right], evidence[left, right] = weight, told
        if weight >= parameters.accept - _DOUBT:
            near[left].append(right)
            near[right].append(left)
    group_of = {node: node for node in chosen}
    for component in _components(group_of, weights, parameters.accept):
        for grown in _grown(component, nodes, weights, kept_apart, parameters):
            group_of.update(dict.fromkeys(grown, min(grown)))
    members: dict[int, list[int]] = defaultdict(list)
    for node, group in group_of.items():
        members[group].append(node)
    placed = {
        node: _placed(node, group_of, near[node], weights, evidence, nodes, kept_apart, parameters) for node in group_of
    }
    # What is left of a group whose torn members went may be one node under another's number.
    leaders: dict[int, int] = {}
    for node in sorted(placed):
        if not placed[node].is_torn:
            leaders.setdefault(placed[node].group, node)
    return {
        node: Place(
            node if place.is_torn else leaders[place.group],
            place.weight if not place.is_torn else None,
            place.evidence,
            tuple((leaders.get(other, other), weight) for other, weight in place.others),
            place.is_torn,
        )
        for node, place in placed.items()
    }


def _components(chosen: Iterable[int], weights: dict[Pair, float], least: float) -> list[list[int]]:
    """Components of more than one node over the pairs of at least a weight, none larger than `LARGEST`."""
    parent = {node: node for node in chosen}

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    inside = [(pair, weight) for pair, weight in weights.items() if weight >= least and set(pair) <= parent.keys()]
    for (left, right), _ in inside:
        parent[find(right)] = find(left)
    found: dict[int, list[int]] = defaultdict(list)
    for node in parent:
        found[find(node)].append(node)
    result = []
    for members in found.values():
        if len(members) <= LARGEST:
            result += [sorted(members)] if len(members) > 1 else []
            continue
        own = set(members)
        part = {pair: weight for pair, weight in inside if pair[0] in own}
        if min(part.values()) == max(part.values()):
            result.append(sorted(members))
        else:
            result += _components(members, part, max(least + 1, min(part.values()) + 0.5))
    return result


def _grown(
    component: Sequence[int],
    nodes: Sequence[Node],
    weights: dict[Pair, float],
    kept_apart: set[frozenset[int]],
    parameters: Model,
) -> list[set[int]]:
    """Groups of a component, grown from single nodes by the best mean weight."""
    groups: dict[int, set[int]] = {node: {node} for node in component}
    ids = {node: {kind: set(values) for kind, values in nodes[node].identifiers.items()} for node in component}

    def judged(a: int, b: int) -> tuple[float, float] | None:
        if contradict(ids[a], ids[b]):
            return None
        found = [
            weights.get((min(left, right), max(left, right)), parameters.missing)
            for left in groups[a]
            for right in groups[b]
        ]
        if kept_apart and any(frozenset((left, right)) in kept_apart for left in groups[a] for right in groups[b]):
            return None
        return sum(found) / len(found), min(found)

    open_pairs = {
        (a, b): seen
        for number, a in enumerate(component)
        for b in component[number + 1 :]
        if (seen := judged(a, b)) is not None
    }
    while True:
        fit = [
            (-mean, a, b)
            for (a, b), (mean, least) in open_pairs.items()
            if mean >= parameters.accept and least >= parameters.floor
        ]
        if not fit:
            return list(groups.values())
        _, a, b = min(fit)
        groups[a] |= groups.pop(b)
        for kind, values in ids.pop(b).items():
            ids[a].setdefault(kind, set()).update(values)
        open_pairs = {pair: seen for pair, seen in open_pairs.items() if not {a, b} & set(pair)}
        for other in groups:
            if other != a and (seen := judged(a, other)) is not None:
                open_pairs[min(a, other), max(a, other)] = seen


def _placed(
    node: int,
    group_of: dict[int, int],
    near: Sequence[int],
    weights: dict[Pair, float],
    evidence: dict[Pair, str],
    nodes: Sequence[Node],
    kept_apart: set[frozenset[int]],
    parameters: Model,
) -> Place:
    best: dict[int, tuple[float, str]] = {}
    for other in near:
        if other not in group_of:
            continue
        # What identifiers or a decision rule out is no alternative.
        if contradict(nodes[node].identifiers, nodes[other].identifiers) or frozenset((node, other)) in kept_apart:
            continue
        pair = (min(node, other), max(node, other))
        found = (weights[pair], evidence[pair])
        best[group_of[other]] = max(best.get(group_of[other], found), found)
    own = best.pop(group_of[node], None)
    others = tuple(sorted(((group, weight) for group, (weight, _) in best.items()), key=lambda one: (-one[1], one[0])))
    told = own[1] if own else ""
    torn = bool(own and others and others[0][1] >= parameters.accept and own[0] - others[0][1] < parameters.margin)
    if torn:
        told = f"as near to another supplier (probability {probability(others[0][1]):.3f}): {told}"
        others = (
            tuple(sorted([*others, (group_of[node], own[0])], key=lambda one: (-one[1], one[0]))) if own else others
        )
    return Place(group_of[node], own[0] if own else None, told, others[:5], torn)
