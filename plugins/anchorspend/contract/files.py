"""Institution files: read, checked, and refused in plain words."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from anchorspend import settings
from anchorspend.contract.base import did_you_mean
from anchorspend.contract.institution import Feed, Institution
from anchorspend.errors import UserError


class _NoTwiceLoader(yaml.SafeLoader):
    """YAML in which a key written twice is an error: the plain loader keeps the last and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is written twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _models(model: type[BaseModel] = Institution) -> dict[str, type[BaseModel]]:
    """A model and those its fields hold, at any depth, by name."""
    found = {model.__name__: model}
    for field in model.model_fields.values():
        for part in _parts_of(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= _models(part)
    return found


def _parts_of(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [part for one in inner for part in _parts_of(one)] if inner else [annotation]


def _plain(error: Mapping[str, Any]) -> str:
    """One pydantic error as a sentence: where, what, and the fix where it is known."""
    models = _models()
    place = ".".join(str(step) for step in error["loc"] if step not in models)
    if error["type"] == "extra_forbidden":
        known = {name for model in models.values() for name in model.model_fields}
        return f"{place}: no such key; {did_you_mean(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{place}: is missing; add it"
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | date) else ""
    return f"{place or 'file'}: {error['msg'].removeprefix('Value error, ')}{shown}"


def load_institution(path: Path, *, any_name: bool = False) -> Institution:
    """One institution file; with `any_name` it may be called otherwise than its id, as a draft is.

    Raises `UserError` naming file, key and fix for everything wrong in it.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_NoTwiceLoader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise UserError(f"{path}: not YAML: {problem}") from None
    except OSError as problem:
        raise UserError(f"{path}: cannot be read: {problem.strerror}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: is empty or no mapping; start with `id: {path.stem}`")
    try:
        institution = Institution.model_validate(content)
    except ValidationError as problem:
        raise UserError("\n".join(f"{path}: {_plain(error)}" for error in problem.errors())) from None
    if institution.id != path.stem and not any_name:
        raise UserError(f"{path}: id: must be the file's name, {path.stem!r} (given: {institution.id!r})")
    return institution


def load_institutions(folder: Path | None = None) -> dict[str, Institution]:
    """Every institution file of a folder by id, in the order of ids.

    Raises `UserError` with the problems of all files at once, and when a predecessor is not an institution.
    """
    folder = folder or settings.institutions()
    paths = sorted(folder.glob("*.yml"))
    if not paths:
        raise UserError(f"{folder}: no institution files (*.yml)")
    found: dict[str, Institution] = {}
    problems: list[str] = []
    for path in paths:
        try:
            found[path.stem] = load_institution(path)
        except UserError as problem:
            problems.append(str(problem))
    names = {path.stem for path in paths}
    problems += [
        f"{folder / institution.id}.yml: predecessors: no institution {other!r}; {did_you_mean(other, found)}"
        for institution in found.values()
        for other in institution.predecessors
        if other not in names
    ]
    if problems:
        raise UserError("\n".join(problems))
    return found


def pick(institutions: Mapping[str, Institution], institution_id: str, feed_id: str) -> tuple[Institution, Feed]:
    """An institution and one of its feeds by their ids, as a person typed them."""
    if institution_id not in institutions:
        raise UserError(f"no institution {institution_id!r}; {did_you_mean(institution_id, institutions)}")
    institution = institutions[institution_id]
    if feed_id not in institution.feeds:
        raise UserError(f"{institution_id} has no feed {feed_id!r}; {did_you_mean(feed_id, institution.feeds)}")
    return institution, institution.feeds[feed_id]
