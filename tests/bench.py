"""How fast a file is landed, read, copied and reconciled: `make bench`, or `tests/bench.py --lines 100000`.

The lines are made up in the Department for Transport's layout, the same on every run. The server and everything else
live in a temporary folder and are gone afterwards. Only wrong counts fail the run, never the time it took.
"""

import argparse
import csv
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

HEADER = ["Department Family", "Entity", "Date", "Expense Type", "Expense Area", "Supplier", "Transaction No"]
HEADER += ["SumOfAmount", "Text", "Postcode"]
FILE = "dft-monthly-spend-201204.csv"


def write(path: Path, lines: int) -> tuple[Decimal, int]:
    """A file of made-up lines, one in a thousand unreadable; its pounds, and how many lines cannot be read."""
    chance = random.Random(2012)
    suppliers = [
        (f"Sample Supplier {number}", f"LU{number % 7 + 1} {number % 9 + 1}AA" if number % 8 else "")
        for number in range(lines // 50 + 1)
    ]
    expenses = [f"Sample Expense {number}" for number in range(200)]
    total, bad = Decimal(0), 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for number in range(lines):
            pence = chance.randrange(-50_000, 5_000_000)
            pounds = Decimal(pence).scaleb(-2)
            day = f"{number % 30 + 1:02}/04/2012"
            if number % 1000 == 999:
                day, bad = "April", bad + 1
            supplier, postcode = chance.choice(suppliers)
            text = "" if number % 3 else f"Sample line {number}, made up"
            area = f"Sample Area {number % 90}"
            amount = f"{pounds:,.2f}" if number % 2 else f"{pounds:.2f}"
            entity = f"Sample Entity {number % 12}"
            writer.writerow(
                [
                    "Sample Department",
                    entity,
                    day,
                    chance.choice(expenses),
                    area,
                    supplier,
                    number,
                    amount,
                    text,
                    postcode,
                ]
            )
            total += pounds
    return total, bad


def measure(folder: Path, lines: int) -> bool:
    """Load such a file and print the rate. Whether its lines and pounds are all accounted for."""
    import anchorspend.load  # noqa: F401  # starting Python and pandas is no part of a loading rate
    from anchorspend import ingest, warehouse
    from anchorspend.contract import load_institutions

    path = folder / FILE
    total, bad = write(path, lines)
    start = time.perf_counter()
    _, batch = ingest.ingest_file(load_institutions()["department_for_transport"], "ledger", path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    with warehouse.connect() as connection:
        stored = connection.execute("select count(*) from raw.ledger").fetchone()
    say(f"{lines:,} lines, {path.stat().st_size / 1e6:,.0f} MB, landed, read, copied and reconciled in {seconds:.1f} s")
    say(f"{lines / seconds:,.0f} lines a second, peak memory {peak:,.0f} MB")
    found = (batch and (batch.status, batch.lines_read, batch.lines_quarantined, batch.amount_read), stored)
    expected = (("loaded", lines, bad, total), (lines - bad,))
    if found != expected:
        say(f"wrong counts: expected {expected}, found {found}")
    return found == expected


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=500_000, help="lines of the made-up file (default: 500000)")
    lines = parser.parse_args().lines
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # PostgreSQL runs as another account where we are root
    os.environ["ANCHORSPEND_STATE"] = str(folder / "state")
    for variable in (
        "ANCHORSPEND_WAREHOUSE_URL",
        "ANCHORSPEND_INBOX",
        "ANCHORSPEND_LANDING",
        "ANCHORSPEND_INSTITUTIONS",
    ):
        os.environ.pop(variable, None)
    from anchorspend.server import postgres

    try:
        postgres.start()
        return 0 if measure(folder, lines) else 1
    finally:
        postgres.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
