"""How fast a ledger and a register are landed, read, copied and reconciled: `make bench`, or
`tests/bench.py --lines 100000 --companies 100000`.

The lines are made up, the same on every run: a ledger in the Department for Transport's layout, and Companies House's
basic company data, of which the names are made comparable too. The server and everything else live in a temporary
folder and are gone afterwards. Only wrong counts fail the run, never the time it took.
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
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

HEADER = ["Department Family", "Entity", "Date", "Expense Type", "Expense Area", "Supplier", "Transaction No"]
HEADER += ["SumOfAmount", "Text", "Postcode"]
FILE = "dft-monthly-spend-201204.csv"
REGISTER = "BasicCompanyDataAsOneFile-2020-03-01.csv"


AREAS = ("LU", "MK", "SG", "AL", "HP", "NN", "CB", "PE", "N", "E", "SE", "SW", "M", "B", "LS")


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


def write_register(path: Path, companies: int) -> None:
    """A register of so many made-up companies in the published layout, every fourth with a name it gave up."""
    chance = random.Random(2020)
    first = [f"{one}{other}" for one in ("SAM", "QUIL", "THOR", "VEL", "DRAY", "ORR", "FEN") for other in "ABCDEFGHIJ"]
    second = ["TRADING", "CARE", "BUILDING", "FOODS", "CATERING", "MOTORS", "ENERGY", "LEGAL", "CLEANING", "PRINT"]
    ending = ["LIMITED", "LTD", "LLP", "PLC", "(UK) LIMITED"]
    form = {"LLP": "Limited Liability Partnership", "PLC": "Public Limited Company"}
    filed = ["MICRO ENTITY", "TOTAL EXEMPTION FULL", "SMALL", "FULL", "DORMANT", "NO ACCOUNTS FILED"]
    from anchorspend.sample.outside import COMPANY_HEADER

    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(",".join(COMPANY_HEADER) + "\n")
        for number in range(companies):
            end = ending[number % 5]
            name = f"{first[number % 70]}{number // 70} {second[number % 10]} & {second[number // 7 % 10]} {end}"
            before = f"{second[number % 9]} {first[number % 67]} {number} LIMITED" if number % 4 == 0 else ""
            made_up = "31/03/2019" if filed[number % 6] != "NO ACCOUNTS FILED" else ""
            day = f"{number % 28 + 1:02}/{number % 12 + 1:02}/{1950 + number % 70}"
            told = {
                "CompanyName": name,
                " CompanyNumber": f"{number:08}",
                "RegAddress.AddressLine1": f"{number % 200} SAMPLE STREET",
                " RegAddress.AddressLine2": "SAMPLE ESTATE" if number % 3 == 0 else "",
                "RegAddress.PostTown": "SAMPLETON",
                "RegAddress.Country": "ENGLAND",
                "RegAddress.PostCode": f"{chance.choice(AREAS)}{number % 29 + 1} {number % 10}AA",
                "CompanyCategory": form.get(end, "Private Limited Company"),
                "CompanyStatus": "Active",
                "CountryOfOrigin": "United Kingdom",
                "IncorporationDate": day,
                "Accounts.LastMadeUpDate": made_up,
                "Accounts.AccountCategory": filed[number % 6],
                "SICCode.SicText_1": "82990 - Other business support service activities n.e.c.",
                "URI": f"http://business.data.gov.uk/id/company/{number:08}",
                " PreviousName_1.CompanyName": before,
            }
            stream.write('"' + '","'.join([told.get(header, "") for header in COMPANY_HEADER]) + '"\n')


def measure_register(folder: Path, companies: int) -> bool:
    """Load such a register, make its names comparable, and print the rates. Whether all are accounted for."""
    from anchorspend import ingest, warehouse
    from anchorspend.contract import load_institutions
    from anchorspend.resolve import register

    path = folder / REGISTER
    start = time.perf_counter()
    write_register(path, companies)
    say(f"{companies:,} companies, {path.stat().st_size / 1e6:,.0f} MB, made up in {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    _, batch = ingest.ingest_file(load_institutions()["registers"], "companies", path, told_every(1_000_000))
    seconds = time.perf_counter() - start
    say(f"landed, read, copied and reconciled in {seconds:.0f} s")
    say(f"{companies / seconds:,.0f} companies a second, peak memory {peak():,.0f} MB")
    start = time.perf_counter()
    with warehouse.connect() as connection:
        register.refresh(connection)
        seconds = time.perf_counter() - start
        (names,) = connection.execute("select count(*) from reference.register_name").fetchone()
    say(f"{names:,} names made comparable and indexed in {seconds:.0f} s: {names / seconds:,.0f} a second")
    found = batch and (batch.status, batch.lines_read, batch.lines_quarantined), names
    expected = ("loaded", companies, 0), companies + (companies + 3) // 4
    if found != expected:
        say(f"wrong counts: expected {expected}, found {found}: {batch}")
    return found == expected


def told_every(lines: int) -> Callable[[str, int], None]:
    """A progress callback that says every so many lines."""
    return lambda _, done: say(f"  {done:,} lines") if done % lines < 100_000 else None


def peak() -> float:
    """Megabytes (2^20 bytes) this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


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
    with warehouse.connect() as connection:
        stored = connection.execute("select count(*) from raw.ledger").fetchone()
    say(f"{lines:,} lines, {path.stat().st_size / 1e6:,.0f} MB, landed, read, copied and reconciled in {seconds:.1f} s")
    say(f"{lines / seconds:,.0f} lines a second, peak memory {peak():,.0f} MB")
    found = (batch and (batch.status, batch.lines_read, batch.lines_quarantined, batch.amount_read), stored)
    expected = (("loaded", lines, bad, total), (lines - bad,))
    if found != expected:
        say(f"wrong counts: expected {expected}, found {found}")
    return found == expected


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=500_000, help="lines of the made-up file (default: 500000)")
    parser.add_argument(
        "--companies", type=int, default=5_000_000, help="companies of the register (default: 5000000; 0: none)"
    )
    chosen = parser.parse_args()
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
        is_right = measure(folder, chosen.lines)
        if chosen.companies:
            is_right &= measure_register(folder, chosen.companies)
        return 0 if is_right else 1
    finally:
        postgres.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
