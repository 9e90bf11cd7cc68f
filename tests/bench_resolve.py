"""Measures the resolution: quality on held-out sample counties, or speed and memory on many records.

    python tests/bench_resolve.py quality 602 603 [--scale 1]
    python tests/bench_resolve.py speed [--records 100000]
    python tests/bench_resolve.py warehouse [--records 100000]

Not a test: run by hand. `speed` works in memory and leaves out the reading and writing of PostgreSQL, which `warehouse`
takes in: the records of raw, a county's registers, a first run and one that finds nothing new, on an embedded server.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pandas as pd
from anchorspend import contract, ingest, resolve, warehouse
from anchorspend.resolve import evaluate, link
from anchorspend.resolve.profiles import RECORD
from anchorspend.server import postgres


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


def many(records: int) -> pd.DataFrame:
    """So many records of several counties, no two of one supplier."""
    parts: list[pd.DataFrame] = []
    seed = 900
    while sum(map(len, parts)) < records:
        part = evaluate.records_of(county(seed, 1.0), known_numbers=True)
        part.supplier_record_id = [str(uuid.UUID(int=seed << 64 | position)) for position in range(len(part))]
        part.institution_id = f"{seed}-" + part.institution_id
        part.truth = f"{seed}-" + part.truth
        parts.append(part)
        seed += 1
    return pd.concat(parts, ignore_index=True)[:records]


def peak() -> str:
    """The most memory this process has held."""
    return f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB"


def speed(records: int) -> None:
    """Print seconds and peak memory of linking so many records."""
    table = many(records)
    started = time.monotonic()
    linked = link.link(table[[*RECORD, "is_private"]])
    seconds = time.monotonic() - started
    say(f"{len(table):,} records, {len(linked.pairs):,} pairs: {seconds:.0f} s, {peak()}")
    say(evaluate.measure(linked.table.group, table.truth, table.pounds, ~table.is_private))


def in_warehouse(records: int) -> None:
    """Print what the stage takes for so many records, in a warehouse of its own with a county's registers."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse"))
    folder.chmod(0o755)  # PostgreSQL runs as an unprivileged account where we are root
    os.environ |= {"ANCHORSPEND_STATE": str(folder), "ANCHORSPEND_INBOX": str(county(900, 1.0).parent / "inbox")}
    table = many(records)
    postgres.start()
    try:
        registers = contract.load_institutions()["registers"]
        with warehouse.connect() as connection:
            warehouse.register_institutions(connection, [registers])
        for feed in registers.feeds:
            list(ingest.land_feed(registers, feed))
            list(ingest.load_feed(registers, feed))
        with warehouse.connect() as connection, connection.cursor() as cursor:
            columns = ", ".join((*RECORD, "batch_id"))
            with cursor.copy(f"copy raw.supplier_record ({columns}) from stdin".encode()) as copy:
                for row in table[list(RECORD)].itertuples(index=False):
                    copy.write_row([*row, 1])
        for _ in range(2):
            say(f"{resolve.resolve(progress=say)}; {peak()}")
    finally:
        postgres.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["quality", "speed", "warehouse"])
    parser.add_argument("seeds", type=int, nargs="*")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--records", type=int, default=100_000)
    chosen = parser.parse_args()
    if chosen.what == "quality":
        quality(chosen.seeds, chosen.scale)
    elif chosen.what == "speed":
        speed(chosen.records)
    else:
        in_warehouse(chosen.records)
