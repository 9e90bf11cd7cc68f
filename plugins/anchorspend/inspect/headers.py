"""Headers: what a column is called, against what bodies call the fields of each kind (`headers.yml`)."""

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import yaml

from anchorspend.kinds import KINDS

_SHORT = {
    **dict.fromkeys(("no", "num", "nr", "nbr", "nos", "numbers"), "number"),
    **dict.fromkeys(("ref", "refs", "references"), "reference"),
    **dict.fromkeys(("amt", "amounts"), "amount"),
    **dict.fromkeys(("desc", "descr", "descrip", "descriptions"), "description"),
    **dict.fromkeys(("dept", "depts"), "department"),
    **dict.fromkeys(("org", "orgn", "organization", "organizational"), "organisation"),
    "organisational": "organisation",
    "inv": "invoice",
    "invoices": "invoice",
    **dict.fromkeys(("trans", "txn", "tran", "trx"), "transaction"),
    "supp": "supplier",
    "suppliers": "supplier",
    "vend": "vendor",
    "cred": "creditor",
    "reg": "registration",
    "val": "value",
    "nett": "net",
    **dict.fromkeys(("exc", "excl", "ex", "exclusive", "without"), "excluding"),
    **dict.fromkeys(("inc", "incl", "inclusive", "with"), "including"),
    "center": "centre",
    "pmt": "payment",
    "payments": "payment",
    "dir": "directorate",
    "exp": "expense",
    "cat": "category",
    "irrec": "irrecoverable",
    "recov": "recoverable",
    "proc": "procurement",
}
_FILLERS = {"the", "of", "a", "an", "in", "for", "gbp", "£", "s", "sterling", "pounds", "is"}
NEAR = 0.6  # below it a header is not taken for a field


@dataclass(frozen=True)
class Vocabulary:
    """`headers.yml`: per kind each field's spellings as words, with the place of each in its list."""

    spellings: Mapping[str, Mapping[str, Mapping[tuple[str, ...], int]]]
    file_names: Mapping[str, str]
    institution_types: Mapping[str, str]
    known: frozenset[tuple[str, ...]]


@functools.cache
def vocabulary() -> Vocabulary:
    """The package's own list of spellings."""
    content = yaml.safe_load(resources.files(__package__).joinpath("headers.yml").read_text(encoding="utf-8"))
    spellings: dict[str, dict[str, dict[tuple[str, ...], int]]] = {}
    for kind_id, kind in KINDS.items():
        only = content["one_kind"].get(kind_id, {})
        spellings[kind_id] = {
            field: _ranked([*only.get(field, []), *content["any_kind"].get(field, []), field.replace("_", " ")])
            for field in kind.fields
        }
    known = frozenset(text for fields in spellings.values() for texts in fields.values() for text in texts)
    return Vocabulary(spellings, content["file_names"], content["institution_types"], known)


def _ranked(spellings: list[str]) -> dict[tuple[str, ...], int]:
    ranked: dict[tuple[str, ...], int] = {}
    for place, spelling in enumerate(spellings):
        ranked.setdefault(words(spelling), place)
    return ranked


@functools.lru_cache(4096)
def words(header: str) -> tuple[str, ...]:
    """A header's words, lower case, CamelCase split, short forms in full, fillers gone."""
    joined = header[:200].replace("\ufeff", "").replace("ProClass", "Proclass")
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", joined)
    parts = re.findall(r"[a-z]+|[0-9]+", split.casefold())
    full = tuple(_SHORT.get(part, part) for part in parts)
    return tuple(part for part in full if part not in _FILLERS) or full


def likeness(header: str, kind: str, field: str) -> float:
    """How surely a header names a field of a kind, from 0 to 1. Earlier spellings of a field are surer."""
    return _likeness(words(header), kind, field)


@functools.lru_cache(65536)
def _likeness(header: tuple[str, ...], kind: str, field: str) -> float:
    if not header:
        return 0.0
    spellings = vocabulary().spellings[kind][field]
    if header in spellings:
        return 1 - 0.002 * spellings[header]
    best = 0.0
    for spelling, place in spellings.items():
        rank = 0.001 * place
        if set(header) == set(spelling):
            best = max(best, 0.9 - rank)
        elif set(spelling) < set(header) and "".join(spelling) != "id":
            share = len(spelling) / len(header)
            best = max(best, (0.72 if len(spelling) > 1 else 0.6) + 0.15 * share - rank)
        elif len(header) == len(spelling):
            ratio = difflib.SequenceMatcher(None, "".join(header), "".join(spelling)).ratio()
            if ratio >= 0.88 and len("".join(header)) > 5:
                best = max(best, 0.85 * ratio - rank)
    return best


@functools.lru_cache(8192)
def is_known(header: str) -> bool:
    """Whether a header is one of the spellings of any field."""
    return words(header) in vocabulary().known


@functools.lru_cache(8192)
def is_like_known(header: str) -> bool:
    """Whether a header resembles the spelling of any field of the commonest kinds."""
    return any(likeness(header, kind, field) >= 0.7 for kind in ("ledger", "contract") for field in KINDS[kind].fields)
