"""The linkage model: how likely two variants of names and places are one supplier (Fellegi-Sunter, by Splink).

What the model learned stands in `model.json`, as `train` writes it: fixed parameters make a resolution repeatable.
Splink and DuckDB are imported late; the command line starts without them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import duckdb
    from splink import SettingsCreator

_RAREST = 1e-6
"""Probability of a level that the sample of pairs did not show, or showed too rarely to believe it."""

THREADS, MEMORY = 2, "4GB"
_ALIASES = 64
"""More variants than a node can have; unique ids of variants are its number times this and a count."""

_NAME_LEVELS = {
    "same name": '"core_l" = "core_r"',
    "same words": '("sorted_l" = "sorted_r" or "squashed_l" = "squashed_r")',
    "name cut short": (
        '(("is_cut_l" and length("squashed_l") >= 12 and starts_with("squashed_r", "squashed_l"))'
        ' or ("is_cut_r" and length("squashed_r") >= 12 and starts_with("squashed_l", "squashed_r")))'
    ),
    # The similarity in front is a hundredth of the distance's cost, and no typing error falls short of it.
    "one typing error": (
        'least(length("core_l"), length("core_r")) >= 8 and jaro_winkler_similarity("core_l", "core_r") >= 0.94'
        ' and damerau_levenshtein("core_l", "core_r") <= 1'
    ),
    "two typing errors": (
        'least(length("core_l"), length("core_r")) >= 14 and jaro_winkler_similarity("core_l", "core_r") >= 0.94'
        ' and damerau_levenshtein("core_l", "core_r") <= 2'
    ),
    "one name within the other": (
        '(least(len("words_l"), len("words_r")) >= 2'
        ' and (list_has_all("words_l", "words_r") or list_has_all("words_r", "words_l")))'
    ),
    "similar name": 'jaro_winkler_similarity("core_l", "core_r") >= 0.92',
}
_POSTCODE_LEVELS = {
    "same postcode": '"postcode_l" = "postcode_r"',
    "same postcode district": '"district_l" = "district_r"',
    "same postcode area": '"area_l" = "area_r"',
}
_FORM_LEVELS = {"same legal form": '"form_l" = "form_r"'}
_ELSE = {"name": "different name", "postcode": "different postcode", "form": "different legal form"}

# A pair is compared when it agrees on one of these; never within a node, and only where one side is new.
_BLOCKS = (
    'l."core" = r."core"',
    'l."sorted" = r."sorted"',
    'l."postcode" = r."postcode" and l."start" = r."start"',
    'l."beginning" = r."beginning"',
    'l."ending" = r."ending" and l."start" = r."start"',
    'l."district" = r."district" and l."first_word" = r."first_word"',
)


@dataclass(frozen=True)
class Model:
    """What `model.json` holds beside Splink's settings.

    Weights are log2 of odds. `matches_per_variant`: expected matching pairs for each variant, from which the prior
    follows whatever the number of variants. `alone`: share of names met at one place only that are two suppliers';
    `accept`: mean weight at which two groups become one supplier; `floor`: no pair of a supplier may weigh less;
    `missing`: weight of a pair no blocking rule met; `margin`: a second supplier nearer than this makes abstain.
    """

    splink: dict[str, Any]
    digest: str
    matches_per_variant: float
    alone: float
    accept: float
    floor: float
    missing: float
    margin: float


@cache
def model() -> Model:
    """The committed model."""
    text = files(__package__).joinpath("model.json").read_bytes()
    return Model(**json.loads(text), digest=hashlib.sha256(text).hexdigest()[:16])


def probability(weight: float) -> float:
    """Probability of a weight (log2 odds)."""
    return float(1 / (1 + 2.0 ** -min(max(weight, -60), 60)))


def weight_of_equals(parameters: Model) -> float:
    """Weight of two records of one name, met at one place only, with the same postcode."""
    levels = {
        level["label_for_charts"]: level
        for comparison in parameters.splink["comparisons"]
        for level in comparison["comparison_levels"]
    }
    place = levels["same postcode"]
    name = levels["same name"]["m_probability"] / parameters.alone
    return float(np.log2(2 * parameters.matches_per_variant * name * place["m_probability"] / place["u_probability"]))


def score(
    seen: pd.DataFrame,
    fresh: Iterable[int],
    parameters: Model | None = None,
    of: pd.DataFrame | None = None,
    universe: int = 0,
) -> pd.DataFrame:
    """The pairs of nodes that a blocking rule met and of which one is fresh, with their weight.

    `seen`: variants as `profiles.variants` gives them. Columns returned: left, right (nodes, left < right), weight
    (log2 odds of the best pair of variants) and evidence (the levels that carried it). `of`: the variants that tell
    how common a name is, where `seen` is a part of them. `universe`: how many variants there are to confuse, where
    they are more than are seen.
    """
    parameters = parameters or model()
    fresh = set(fresh)
    if seen.node.nunique() < 2 or not fresh:
        nothing = {"left": "int64", "right": "int64", "weight": "float64", "evidence": "object"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in nothing.items()})
    from splink import DuckDBAPI, Linker, SettingsCreator

    table = _features(seen).assign(fresh=seen.node.isin(fresh).to_numpy())
    everything = table if of is None else _features(of)
    prior = min(2 * parameters.matches_per_variant / max(len(everything), universe), 0.2)
    settings = SettingsCreator.from_path_or_dict({**parameters.splink, "probability_two_random_records_match": prior})
    with _duckdb() as connection:
        api = DuckDBAPI(connection)
        linker = Linker(_registered(api, connection, table), settings, log_level=None, validate_settings=False)
        connection.register("frequencies", _frequencies(everything, parameters.alone))
        linker.table_management.register_term_frequency_lookup(api.register("frequencies"), "core")
        pairs = linker.inference.predict(warning_mode="never")
        return (
            connection.execute(
                f"""
            select left_, right_, max(match_weight) as weight,
                arg_max([gamma_name, gamma_postcode, gamma_form], match_weight) as levels
            from (select least(node_l, node_r) as left_, greatest(node_l, node_r) as right_, *
                from {pairs.physical_name})
            group by left_, right_ order by left_, right_
            """  # noqa: S608
            )
            .df()
            .rename(columns={"left_": "left", "right_": "right"})
            .assign(evidence=lambda found: [told(*levels) for levels in found.pop("levels")])
        )


@cache
def told(name: int, postcode: int, form: int) -> str:
    """Comparison levels, as Splink numbers them, in words."""
    said = []
    for comparison, level, levels in (
        ("name", name, _NAME_LEVELS),
        ("postcode", postcode, _POSTCODE_LEVELS),
        ("form", form, _FORM_LEVELS),
    ):
        if level >= 0:
            said.append([_ELSE[comparison], *reversed(levels)][level])
    return ", ".join(said)


def train(counties: list[pd.DataFrame], path: Path, seed: int = 1, **chosen: float) -> None:
    """Estimate the parameters from variants with a column `label` (the true supplier) and write them to `path`.

    u is estimated by random sampling with `seed` among one variant of each labelled supplier, so that no match is
    counted as chance; m from the labels. `chosen` are the thresholds of `Model`. Needs several counties, each of
    `profiles.variants`; their labels and nodes must not overlap.
    """
    from splink import DuckDBAPI, Linker

    table = _features(pd.concat(counties, ignore_index=True)).assign(fresh=True)
    table["label"] = pd.concat([county.label for county in counties]).to_numpy()
    table["county"] = np.repeat(range(len(counties)), [len(county) for county in counties])
    firsts = table.groupby(["county", "label"], sort=False).head(1).reset_index(drop=True)
    with _duckdb() as connection:
        alone = Linker(_registered(DuckDBAPI(connection), connection, firsts), settings(), log_level=None)
        alone.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=seed)
        learned = alone.misc.save_model_to_json(None)
    with _duckdb() as connection:
        linker = Linker(_registered(DuckDBAPI(connection), connection, table), learned, log_level=None)
        linker.training.estimate_m_from_label_column("label")
        learned = linker.misc.save_model_to_json(None)
    sizes = table.groupby(["county", "label"]).size()
    pairs = float((sizes * (sizes - 1) / 2).sum())
    learned.pop("linker_uid", None)
    for comparison in learned["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                level["u_probability"] = max(level.get("u_probability") or 0, _RAREST)
                level["m_probability"] = max(level.get("m_probability") or 0, _RAREST)
    known = {"splink": learned, "matches_per_variant": round(pairs / len(table), 4), **chosen}
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def settings() -> "SettingsCreator":
    """Splink's settings without parameters: what is compared, and which pairs."""
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import SettingsCreator
    from splink.blocking_rule_library import CustomRule

    def comparison(name: str, null: str, levels: dict[str, str]) -> cl.CustomComparison:
        made: list[Any] = [
            cll.CustomLevel(null, "not known").configure(is_null_level=True),
            *(cll.CustomLevel(condition, label) for label, condition in levels.items()),
            cll.ElseLevel(),
        ]
        if name == "name":
            made[1] = cll.ExactMatchLevel("core", term_frequency_adjustments=True).configure(
                label_for_charts="same name"
            )
        return cl.CustomComparison(made, output_column_name=name)

    no_form = '"form_l" is null or "form_r" is null'
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="unique_id",
        comparisons=[
            comparison("name", '"core_l" is null or "core_r" is null', _NAME_LEVELS),
            comparison("postcode", '"postcode_l" is null or "postcode_r" is null', _POSTCODE_LEVELS),
            comparison("form", no_form, _FORM_LEVELS),
        ],
        blocking_rules_to_generate_predictions=[
            CustomRule(f'{rule} and l."node" <> r."node" and (l."fresh" or r."fresh")') for rule in _BLOCKS
        ],
        retain_matching_columns=True,
        retain_intermediate_calculation_columns=True,
        additional_columns_to_retain=["node"],
    )


def _features(seen: pd.DataFrame) -> pd.DataFrame:
    """The columns Splink compares and blocks on, from variants."""
    core = seen.core.astype(object)
    words = core.str.split()
    squashed = core.str.replace(" ", "")
    postcode = seen.postcode.astype(object).where(seen.postcode.notna(), None)
    # 'Ltd' against 'Ltd' tells; a form that a clerk or a cut left out tells nothing.
    form = (seen.form + " " + seen.qualifier).where((seen.form != "") & ~seen.is_cut.astype(bool), None)
    return pd.DataFrame(
        {
            "unique_id": seen.node.to_numpy() * _ALIASES + seen.groupby("node").cumcount().to_numpy() % _ALIASES,
            "node": seen.node.to_numpy(),
            "core": core.to_numpy(),
            "words": [sorted(set(one)) for one in words],
            "sorted": [" ".join(sorted(one)) for one in words],
            "squashed": squashed.to_numpy(),
            "start": squashed.str[:2].to_numpy(),
            "beginning": squashed.str[:12].to_numpy(),
            "ending": squashed.str[-12:].to_numpy(),
            "first_word": words.str[0].to_numpy(),
            "is_cut": seen.is_cut.astype(bool).to_numpy(),
            "postcode": postcode.to_numpy(),
            "district": postcode.str[:-3].to_numpy(),
            "area": postcode.str.extract(r"^([A-Z]+)", expand=False).to_numpy(),
            "form": form.to_numpy(),
        }
    )


def _frequencies(table: pd.DataFrame, alone: float) -> pd.DataFrame:
    """Term frequency of each name among suppliers rather than records: the places it is met at, but the first.

    A name at one place is one supplier, however often it is written, but for the share `alone`; a second place is a
    second supplier or a second address, which the name cannot tell.
    """
    places = table.groupby("core").district.nunique().clip(lower=1)
    return pd.DataFrame({"core": places.index, "tf_core": ((places - 1 + alone) / len(table)).to_numpy()})


def _registered(api: Any, connection: "duckdb.DuckDBPyConnection", table: pd.DataFrame) -> Any:
    connection.register("arrived", table)
    connection.execute("create or replace table variant as select * from arrived order by unique_id")
    connection.unregister("arrived")
    return api.register("variant")


def _duckdb() -> "duckdb.DuckDBPyConnection":
    import duckdb

    # One order of work, so that equal weights come out equal.
    return duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY})
