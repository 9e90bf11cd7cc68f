"""Measures the resolution: quality on held-out sample counties, or speed and memory on many records.

    python tests/bench_resolve.py quality 602 603 [--scale 1]
    python tests/bench_resolve.py speed [--records 100000]

Not a test: run by hand. `speed` works in memory and leaves out the reading and writing of PostgreSQL.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from anchorspend.resolve import evaluate, link
from anchorspend.resolve.profiles import RECORD


def say(text: object) -> None:
    """A line of what was measured."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def county(seed: int, scale: float) -> Path:
    """The folder of truth of a sample county, made now."""
    from anchorspend.sample import write_county

    folder = Path(tempfile.mkdtemp(prefix="county"))
    write_county(folder / "inbox", folder / "truth", seed=seed, scale=scale)
    return folder / "truth"


def quality(seeds: list[int], scale: float) -> None:
    """Print precision, recall and pounds gone wrong of each method, for each seed."""
    for seed in seeds:
        truth = county(seed, scale)
        for known_numbers in (False, True):
            told = evaluate.evaluate(truth, known_numbers=known_numbers)
            say(f"seed {seed}, scale {scale}, register numbers {'on 3 of 5' if known_numbers else 'on none'}")
            say(f"  {told.records:,} records")
            for name in ("resolution", "equal_names", "fuzzy"):
                say(f"  {name:12} {getattr(told, name)}")
            say(f"  fuzzy threshold {told.fuzzy_threshold}")


def speed(records: int) -> None:
    """Print seconds and peak memory of linking so many records: several counties, no two of one supplier."""
    parts: list[pd.DataFrame] = []
    seed = 900
    while sum(map(len, parts)) < records:
        part = evaluate.records_of(county(seed, 1.0), known_numbers=True)
        part.supplier_record_id = f"{seed}-" + part.supplier_record_id
        part.institution_id = f"{seed}-" + part.institution_id
        part.truth = f"{seed}-" + part.truth
        parts.append(part)
        seed += 1
    table = pd.concat(parts, ignore_index=True)[:records]
    started = time.monotonic()
    linked = link.link(table[[*RECORD, "is_private"]])
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    say(f"{len(table):,} records, {len(linked.pairs):,} pairs: {seconds:.0f} s, at most {peak:.1f} GB")
    say(evaluate.measure(linked.table.group, table.truth, table.pounds, ~table.is_private))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["quality", "speed"])
    parser.add_argument("seeds", type=int, nargs="*")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--records", type=int, default=100_000)
    chosen = parser.parse_args()
    if chosen.what == "quality":
        quality(chosen.seeds, chosen.scale)
    else:
        speed(chosen.records)
