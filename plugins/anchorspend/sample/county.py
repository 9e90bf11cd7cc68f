"""The sample county: its world, its institutions' files and the truth about them, from one seed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from anchorspend.sample.cells import targets
from anchorspend.sample.geography import Geography, geography
from anchorspend.sample.ledgers import ledger_lines
from anchorspend.sample.observatory import publish_observatory
from anchorspend.sample.publish import Published, publish_ledger
from anchorspend.sample.tables import YEARS, Body, bodies
from anchorspend.sample.truth import Feed, write_truth
from anchorspend.sample.vendors import lose_postcodes, vendor_records
from anchorspend.sample.world import World

_NOTE = """\
This is a sample. Every supplier, person and payment in these folders is made up; only the names of the public bodies
and the postcodes are real. The amounts are not theirs. Anchorspend wrote it from seed {seed} at scale {scale}.
"""


def write_county(
    inbox: Path,
    truth: Path,
    *,
    seed: int = 2018,
    scale: float = 1.0,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write the sample county's files into an inbox, and the truth about them into a folder of its own.

    Files go to `<inbox>/<institution_id>/<feed_id>/`, where `dags/institutions/*.yml` look, and `<inbox>/SAMPLE` says
    what they are. `truth` holds the files that `sample.truth` describes. `scale` multiplies the number of lines
    (about 250,000 over three years at 1) and, below 1, of suppliers; pounds stay the same. The same seed and scale give
    the same bytes. `progress` is told of each institution when it is done.
    """
    world_rng, *body_rngs = np.random.default_rng(seed).spawn(1 + len(bodies()))
    ground = geography()
    world = World(world_rng, ground)
    feeds: list[Feed] = []
    for rng, (institution_id, body) in zip(body_rngs, bodies().items(), strict=True):
        made = _write_institution(rng, inbox, institution_id, body, ground, world, scale)
        feeds += made
        if progress:
            counted = sum(batch.lines for feed in made for batch in feed.published.batches)
            progress(f"{institution_id}: {counted:,} lines")
    write_truth(truth, ground, world.suppliers, feeds)
    inbox.joinpath("SAMPLE").write_text(_NOTE.format(seed=seed, scale=scale), encoding="utf-8")


def _write_institution(
    rng: np.random.Generator,
    inbox: Path,
    institution_id: str,
    body: Body,
    ground: Geography,
    world: World,
    scale: float,
) -> list[Feed]:
    """The feeds of one institution, written."""
    years = {year: targets(institution_id, year, scale) for year in YEARS}
    records = vendor_records(rng, world, ground, institution_id, body, years)
    lines = ledger_lines(rng, body, world.suppliers, records, years)
    lose_postcodes(rng, body, records, lines)
    published: dict[str, Published] = {}
    if body.ledger:
        published["ledger"] = publish_ledger(rng, inbox / institution_id / "ledger", body, records, lines)
    if body.observatory:
        folder = inbox / institution_id / "observatory"
        published["observatory"] = publish_observatory(rng, folder, body, world.suppliers, records, lines)
    return [
        Feed(institution_id, feed_id, counts=feed_id == "ledger" or not body.ledger, published=one)
        for feed_id, one in published.items()
    ]
