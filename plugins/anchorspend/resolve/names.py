"""Names of suppliers made comparable: what a clerk, a system or a register did to a name is taken off it.

The lists stand in `names.yml` beside this module, with their sources.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

SHORTEST_ALIAS = 6
"""A second name cut shorter than this by a system of fixed width says nothing."""

_APOSTROPHES = re.compile(r"['’‘`´]")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Name:
    """One name a payee goes by.

    `core`: the words that tell it from others, in small letters without marks, separated by single spaces; empty only
    where the text holds no letter or digit. `form`: legal form such as `ltd`, empty where none is written. `qualifier`:
    words such as `uk` or `group`, sorted, that tell companies of one group apart.
    """

    core: str
    form: str = ""
    qualifier: str = ""


# By their last word, longest first.
_Phrases = dict[str, list[tuple[list[str], str]]]


@dataclass(frozen=True)
class _Rules:
    noise: list[re.Pattern[str]]
    split: re.Pattern[str]
    care_of: re.Pattern[str]
    forms: _Phrases
    anywhere: dict[str, str]
    qualifiers: _Phrases
    endings: _Phrases
    leading: frozenset[str]
    words: dict[str, str]
    a_word: re.Pattern[str]
    # Words without which a step has nothing to do. Most names of a register hold none of them.
    respelt: frozenset[str]
    changing: frozenset[str]
    nobody: re.Pattern[str]


@cache
def _rules() -> _Rules:
    data: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("names.yml").read_text(encoding="utf-8"))

    def phrases(mapping: dict[str, str]) -> _Phrases:
        found: _Phrases = {}
        for phrase, value in sorted(mapping.items(), key=lambda one: -len(one[0].split())):
            words = phrase.split()
            found.setdefault(words[-1], []).append((words, value))
        return found

    def either(parts: Iterable[str]) -> str:
        return rf"(?<![^\s(,;-])(?:{'|'.join(parts)})"

    forms, qualifiers, endings = (
        phrases(mapping) for mapping in (data["forms"], data["qualifiers"], dict.fromkeys(data["endings"], "ending"))
    )
    anywhere = {word: data["forms"][word] for word in data["forms_anywhere"]}
    respelt = frozenset(phrase.split()[0] for phrase in data["words"])
    return _Rules(
        noise=[re.compile(pattern) for pattern in data["noise"]],
        split=re.compile(either([*data["trading"], *data["formerly"]])),
        care_of=re.compile(either(data["care_of"]) + r".*"),
        forms=forms,
        anywhere=anywhere,
        qualifiers=qualifiers,
        endings=endings,
        leading=frozenset(data["leading"]),
        words=data["words"],
        a_word=re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(data['words'], key=len, reverse=True)))})\b"),
        respelt=respelt,
        changing=frozenset().union(forms, anywhere, qualifiers, endings, data["leading"], respelt),
        nobody=re.compile(data["nobody"]),
    )


@cache
def digest() -> str:
    """What tells these rules from changed ones."""
    folder = files(__package__)
    texts = (folder.joinpath(name).read_bytes() for name in ("names.py", "names.yml"))
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def names(text: str | None, *, truncated: bool = False) -> tuple[Name, ...]:
    """The names in one entry of a ledger or register, the payee's own first, then `trading as` and `formerly`.

    `truncated`: the system the entry comes from cuts names at a fixed width and this one reaches it; what the cut left
    of a legal form or of a short second name is dropped. Empty where the entry holds no letter or digit or, like
    `various`, names nobody.
    """
    plain = _plain(text or "")
    found: list[Name] = []
    parts = [part for part in _rules().split.split(plain) if any(map(str.isalnum, part))] or [plain]
    for number, part in enumerate(parts):
        last = truncated and number == len(parts) - 1
        name = _name(part, truncated=last)
        # What marks kept from being told as noise is told without them.
        while (cleaned := _plain(name.core)) != name.core:
            again = _name(cleaned, truncated=last)
            name = Name(again.core, name.form or again.form, name.qualifier or again.qualifier)
        too_short = last and number > 0 and len(name.core) < SHORTEST_ALIAS
        if not name.core or too_short or any(name.core == one.core for one in found):
            continue
        found.append(name)
    if len(found) == 1 and _rules().nobody.search(found[0].core):
        return ()
    return tuple(found)


def is_nobody(text: str) -> bool:
    """Whether an entry is one under which a ledger collects many payees, or none."""
    return bool(_rules().nobody.search(_name(_plain(text), truncated=False).core))


def _plain(text: str) -> str:
    """Small letters without accents and ledger noise; marks still stand."""
    plain = text.casefold().strip()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    for pattern in _rules().noise:
        if pattern.search(plain):
            cleaned = pattern.sub(" ", plain).strip()
            if any(map(str.isalnum, cleaned)):
                plain = cleaned
    if _rules().care_of.search(plain):
        cut = _rules().care_of.sub("", plain)
        return cut if any(map(str.isalnum, cut)) else plain
    return plain


def _name(part: str, *, truncated: bool) -> Name:
    rules = _rules()
    text = _APOSTROPHES.sub("", part.replace("&", " and ").replace("+", " and "))
    tokens = _joined_initials(_WORD.findall(text))
    if truncated and len(tokens) > 1 and tokens[-2] != "and" and _is_cut_form(tokens[-1]):
        tokens = tokens[:-1]
    form, qualifiers, before = "", set[str](), None
    # Until nothing changes: 'Smith & Co Ltd (UK) Limited' is peeled layer by layer.
    while tokens != before and not (rules.changing.isdisjoint(tokens) and tokens[-1:] != ["and"]):
        before = tokens
        tokens = _respelt(tokens)
        tokens, found = _peeled(tokens, rules.forms)
        form = form or found
        tokens, found = _peeled(tokens, rules.qualifiers)
        if found:
            qualifiers.add(found)
        if not truncated:  # where a cut may have made 'co' of 'coaches'
            tokens, _ = _peeled(tokens, rules.endings)
        tokens, found = _without_form_inside(tokens)
        form = form or found
        if len(tokens) > 1 and tokens[0] in rules.leading:
            tokens = tokens[1:]
        if len(tokens) > 1 and tokens[-1] == "and":
            tokens = tokens[:-1]
        tokens = _joined_initials(tokens)
    return Name(" ".join(tokens), form, " ".join(sorted(qualifiers)))


def _peeled(tokens: list[str], phrases: _Phrases) -> tuple[list[str], str]:
    """The words without a phrase at their end, and what that phrase stands for; never without any word."""
    for words, value in phrases.get(tokens[-1], ()) if tokens else ():
        if len(tokens) > len(words) and tokens[-len(words) :] == words:
            return tokens[: -len(words)], value
    return tokens, ""


def _without_form_inside(tokens: list[str]) -> tuple[list[str], str]:
    anywhere = _rules().anywhere
    if anywhere.keys().isdisjoint(tokens):
        return tokens, ""
    found = next((anywhere[word] for word in tokens[1:] if word in anywhere), "")
    return (tokens[:1] + [word for word in tokens[1:] if word not in anywhere], found) if found else (tokens, "")


def _respelt(tokens: list[str]) -> list[str]:
    if _rules().respelt.isdisjoint(tokens):
        return tokens
    text = " ".join(tokens)
    respelt = _rules().a_word.sub(lambda found: _rules().words[found[0]], text)
    return tokens if respelt == text else respelt.split()


def _joined_initials(tokens: list[str]) -> list[str]:
    """`b t plc` as `bt plc`, `j w smith` as `jw smith`."""
    if 1 not in map(len, tokens):
        return tokens
    joined: list[str] = []
    was_initial = False
    for token in tokens:
        initial = len(token) == 1 and token.isalpha()
        if initial and was_initial:
            joined[-1] += token
        else:
            joined.append(token)
        was_initial = initial
    return joined


@cache
def _is_cut_form(token: str) -> bool:
    """Whether a system that cuts names may have left this much of a legal form, of `group` or of `t/a`."""
    if len(token) == 1:
        return token in {"l", "p", "t"}
    whole = [*_rules().anywhere, *_rules().qualifiers]
    return any(word.startswith(token) and word != token for word in whole)
