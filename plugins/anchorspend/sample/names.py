"""Invented names, and the ways a purchase ledger mangles them."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from anchorspend.sample.tables import words

_T = TypeVar("_T")


def pick(rng: np.random.Generator, choices: Sequence[_T]) -> _T:
    """One of the choices, each as likely."""
    return choices[int(rng.integers(len(choices)))]


def root(rng: np.random.Generator) -> str:
    """An invented proper name, such as `Quillmere`."""
    return pick(rng, words().beginnings) + pick(rng, words().endings)


def person(rng: np.random.Generator) -> str:
    """A private person who cannot exist, such as `Mrs Testina Sampleworth`."""
    title = pick(rng, ("Mr", "Mrs", "Ms", "Miss"))
    return f"{title} {pick(rng, words().given_names)} {pick(rng, words().family_names)}"


def legal_name(rng: np.random.Generator, sector: str, trades: Sequence[str], *, large: bool) -> str:
    """The registered name of an invented supplier of a sector and trade."""
    trade = pick(rng, trades)
    match sector:
        case "individual":
            return person(rng)
        case "sole_trader":
            return f"{pick(rng, words().given_names)[0]} {pick(rng, words().family_names)} {trade}"
        case "charity":
            return pick(rng, words().charity).format(root=root(rng), trade=trade)
        case "cic":
            return f"{root(rng)} {trade} CIC"
        case "public_body":
            return f"{root(rng)} {trade}"
    first = root(rng) if rng.random() < 0.7 else f"{root(rng)} & {root(rng)}"
    if trade.endswith("LLP"):
        return f"{first} {trade}"
    ending = pick(rng, ("plc", "(UK) Ltd", "Group Ltd", "Limited", "Ltd")) if large else pick(rng, ("Ltd", "Limited"))
    return f"{first} {trade} {ending}"


def as_written(rng: np.random.Generator, legal: str, trading_names: Sequence[str], house_style: str) -> str:
    """A supplier's name the way one institution's clerk and system hold it."""
    name = legal
    if trading_names and rng.random() < 0.6:
        trading = pick(rng, trading_names)
        name = trading if rng.random() < 0.4 else f"{legal} T/A {trading}"
    name = _other_ending(rng, name)
    if rng.random() < 0.25:
        name = name.replace(" & ", " and ") if " & " in name else name.replace(" and ", " & ")
    if rng.random() < 0.03:
        name = _typing_error(rng, name)
    match house_style:
        case "upper":
            return name.upper()
        case "title":
            return name.title()
        case "truncated":
            return name.upper()[:28].rstrip()
    return name


def _other_ending(rng: np.random.Generator, name: str) -> str:
    stem, _, ending = name.rpartition(" ")
    if ending not in {"Ltd", "Limited"} or rng.random() < 0.5:
        return name
    return " ".join((stem, pick(rng, ("Ltd", "Limited", "Ltd.", "")))).strip()


def _typing_error(rng: np.random.Generator, name: str) -> str:
    """Two letters changed round, or one left out, after the first two."""
    if len(name) < 6:
        return name
    at = int(rng.integers(2, len(name) - 2))
    if rng.random() < 0.5:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name[:at] + name[at + 1 :]
