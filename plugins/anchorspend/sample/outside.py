"""The registers of the outside world as the sample county has them, in the layouts of their publishers.

Every supplier that is registered somewhere stands in them under its number, among many that sell nothing to anybody:
namesakes, companies since dissolved, and hundreds at the address of one agent.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from anchorspend.sample import names
from anchorspend.sample.entities import Entity, Law, accounts, incorporated, unused_number
from anchorspend.sample.geography import LOCAL_ZONES, NATIONAL_ZONES, Geography
from anchorspend.sample.publish import Account, Batch, set_published, write_rows
from anchorspend.sample.tables import categories, rows_of, words
from anchorspend.sample.world import Supplier

AS_OF = date(2020, 3, 1)
"""Day of the registers: in the last of the county's years."""
FEEDS = (
    *("companies", "charities", "mutuals", "living_wage_employers", "public_bodies", "deprivation", "group_parents"),
)

_COMPANIES, _CHARITIES, _SOCIETIES, _EMPLOYERS, _BODIES = 15_000, 3_000, 300, 400, 300
"""How many there are of each at a scale of 1 who are nobody's supplier, and the least of any, at a small scale."""
_LEAST = {_COMPANIES: 800, _CHARITIES: 200, _SOCIETIES: 40, _EMPLOYERS: 40, _BODIES: 60}
_PUBLISHED_AFTER = timedelta(4)
_DAY = "%d/%m/%Y"
_FORMS = {
    "private_limited": "Private Limited Company",
    "public_limited": "Public Limited Company",
    "limited_liability_partnership": "Limited Liability Partnership",
    "limited_by_guarantee": "PRI/LTD BY GUAR/NSC (Private, limited by guarantee, no share capital)",
    "community_interest_company": "Community Interest Company",
    "charitable_incorporated_organisation": "Charitable Incorporated Organisation",
}
_PREVIOUS = 10
COMPANY_HEADER = [
    *("CompanyName", " CompanyNumber", "RegAddress.CareOf", "RegAddress.POBox", "RegAddress.AddressLine1"),
    *(" RegAddress.AddressLine2", "RegAddress.PostTown", "RegAddress.County", "RegAddress.Country"),
    *("RegAddress.PostCode", "CompanyCategory", "CompanyStatus", "CountryOfOrigin", "DissolutionDate"),
    *("IncorporationDate", "Accounts.AccountRefDay", "Accounts.AccountRefMonth", "Accounts.NextDueDate"),
    *("Accounts.LastMadeUpDate", "Accounts.AccountCategory", "Returns.NextDueDate", "Returns.LastMadeUpDate"),
    *("Mortgages.NumMortCharges", "Mortgages.NumMortOutstanding", "Mortgages.NumMortPartSatisfied"),
    *("Mortgages.NumMortSatisfied", *(f"SICCode.SicText_{number}" for number in range(1, 5))),
    *("LimitedPartnerships.NumGenPartners", "LimitedPartnerships.NumLimPartners", "URI", "PreviousName_1.CONDATE"),
    " PreviousName_1.CompanyName",
    " PreviousName_2.CONDATE",
    " PreviousName_2.CompanyName",
    *(
        f"{space}PreviousName_{number}.{what}"
        for number in range(3, _PREVIOUS + 1)
        for space, what in (("", "CONDATE"), (" ", "CompanyName"))
    ),
    *("ConfStmtNextDueDate", " ConfStmtLastMadeUpDate"),
]
"""As published: some begin with a space."""
_CHARITY_HEADER = [
    *("date_of_extract", "organisation_number", "registered_charity_number", "linked_charity_number", "charity_name"),
    *("charity_type", "charity_registration_status", "date_of_registration", "date_of_removal"),
    *("charity_reporting_status", "latest_acc_fin_period_start_date", "latest_acc_fin_period_end_date"),
    *("latest_income", "latest_expenditure", *(f"charity_contact_address{number}" for number in range(1, 6))),
    *("charity_contact_postcode", "charity_contact_phone", "charity_contact_email", "charity_contact_web"),
    *("charity_company_registration_number", "charity_insolvent", "charity_in_administration"),
    *("charity_previously_excepted", "charity_is_cdf_or_cif", "charity_is_cio", "cio_is_dissolved"),
    *("date_cio_dissolution_notice", "charity_activities", "charity_gift_aid", "charity_has_land"),
]
_MUTUAL_HEADER = [
    *("Society Number", "Society Suffix", "Full Registation Number", "Society Name", "Registered As"),
    *("Society Address", "Registration Date", "Deregistration Date", "Registration Act"),
    *("Standard Industrial Classification Code (SIC)", "Reporting Classification", "Society Status"),
]
_DEPRIVATION_DOMAINS = [
    *("Income", "Employment", "Education and Skills", "Health and Disability", "Crime"),
    *("Barriers to Housing and Services", "Living Environment", "IDACI", "IDAOPI"),
]
_AREAS_OF_ENGLAND = 32_844
# No part of the kingdom outside England is near the county, so its geography holds none of these.
_SCOTTISH, _NORTHERN = ("EH1 1BB", "G2 1DU", "AB10 1AB", "DD1 1DB"), ("BT1 5GS", "BT2 7ES", "BT48 6DQ")
_STREETS = ("High Street", "Station Road", "Church Lane", "Mill Street", "London Road", "Park Road")

_Row = dict[str, object]


class Outside:
    """Writes the registers of a county's world. Each register has a generator of its own."""

    def __init__(
        self,
        rng: np.random.Generator,
        geography: Geography,
        suppliers: Sequence[Supplier],
        law: Law,
        scale: float,
        as_of: date = AS_OF,
    ) -> None:
        self._rngs = dict(zip(FEEDS, rng.spawn(len(FEEDS)), strict=True))
        self._geography, self._law, self._as_of = geography, law, as_of
        self._scale = scale
        self._known = list(zip(suppliers, law.entities, strict=True))
        self._numbers = {one.company_number for one in law.entities} | {one.number for one in law.groups}
        self._taken = {one.registered_name.upper() for one in law.entities} | {one.name.upper() for one in law.groups}
        self._strange_charities: list[_Row] = []

    def write(self, folder: Path) -> dict[str, Account]:
        """Write every register into a folder of its own below `folder`; what went into each, by feed."""
        charities = self._charities()  # some of them are companies too
        writers: dict[str, Callable[[Path], int]] = {
            f"companies/BasicCompanyDataAsOneFile-{self._as_of}.csv": self._write_companies,
            f"charities/publicextract.charity_{self._as_of}.txt": lambda path: _write_charities(path, charities),
            f"mutuals/SocietyList-{self._as_of:%Y-%m}.csv": self._write_mutuals,
            f"living_wage_employers/living_wage_employers_{self._as_of:%Y-%m}.csv": self._write_employers,
            f"public_bodies/public_bodies_{self._as_of:%Y-%m}.csv": self._write_bodies,
            "deprivation/2019-deprivation-by-postcode.csv": self._write_deprivation,
            f"group_parents/group_parents_{self._as_of:%Y-%m}.csv": self._write_parents,
        }
        accounts_of = {}
        for place, write in writers.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = write(path)
            set_published(path, self._as_of + _PUBLISHED_AFTER)
            feed_id = path.parent.name
            period = "2019" if feed_id == "deprivation" else f"{self._as_of:%Y-%m}"
            batch = Batch(path.name, period, lines, 0, 0, superseded=False)
            accounts_of[feed_id] = Account(errors=[], batches=[batch])
        return accounts_of

    def _strangers(self, many: int) -> int:
        return max(round(many * min(self._scale, 1)), _LEAST[many])

    # Companies House

    def _write_companies(self, path: Path) -> int:
        rows: dict[str, _Row] = {}
        for supplier, entity in self._known:
            if entity.company_number:
                rows.setdefault(entity.company_number, self._company(entity, _sic(supplier.category)))
            elif entity.legal_form == "charitable_incorporated_organisation":
                rows[_cio_number(supplier)] = self._cio(supplier, entity)
        for group in self._law.groups:
            if not group.is_foreign:
                rows[group.number] = self._holding(group.number, group.name, group.postcode, is_large=group.is_large)
        for charity in self._strange_charities:
            if charity["charity_company_registration_number"]:
                rows[str(charity["charity_company_registration_number"]).zfill(8)] = self._charitable(charity)
        for row in self._strange_companies():
            rows[str(row[" CompanyNumber"])] = row
        # In the order of names, as Companies House has them.
        ordered = sorted(rows.values(), key=lambda row: (str(row["CompanyName"]), str(row[" CompanyNumber"])))
        text = io.StringIO(newline="")
        text.write(",".join(COMPANY_HEADER) + "\n")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([row.get(name, "") for name in COMPANY_HEADER] for row in ordered)
        path.write_bytes(text.getvalue().encode())
        return len(rows)

    def _company(self, entity: Entity, sic: str) -> _Row:
        assert entity.incorporation_date
        category, made_up = accounts(entity, self._as_of)
        # What was incorporated after the register's day would not be in it.
        row = _company_row(
            entity.company_number, entity.registered_name, entity.registered_postcode, entity.legal_form, sic
        )
        row |= _dates(self._as_of, entity.incorporation_date, made_up) | {"Accounts.AccountCategory": category}
        if entity.previous_name:
            changed = entity.incorporation_date + timedelta(
                max(30, round((self._as_of - entity.incorporation_date).days * (0.4 + entity.filing / 2)))
            )
            row |= {
                "PreviousName_1.CONDATE": changed.strftime(_DAY),
                " PreviousName_1.CompanyName": entity.previous_name.upper(),
            }
        return row

    def _cio(self, supplier: Supplier, entity: Entity) -> _Row:
        form = "charitable_incorporated_organisation"
        row = _company_row(_cio_number(supplier), supplier.legal_name, entity.registered_postcode, form, "")
        return row | {"Accounts.AccountCategory": "NO ACCOUNTS FILED"}

    def _holding(self, number: str, name: str, postcode: str, *, is_large: bool) -> _Row:
        form = "public_limited" if name.endswith("plc") else "private_limited"
        row = _company_row(number, name, postcode, form, "64209 - Activities of other holding companies n.e.c.")
        row |= _dates(self._as_of, incorporated(number, 0.5), _year_end(self._as_of))
        return row | {"Accounts.AccountCategory": "GROUP" if is_large else "TOTAL EXEMPTION FULL"}

    def _charitable(self, charity: _Row) -> _Row:
        number = str(charity["charity_company_registration_number"]).zfill(8)
        if number.startswith("CE"):
            form, category, made_up = "charitable_incorporated_organisation", "NO ACCOUNTS FILED", None
            row = _company_row(number, str(charity["charity_name"]), str(charity["charity_contact_postcode"]), form, "")
            return row | {"Accounts.AccountCategory": category}
        form, category, made_up = "limited_by_guarantee", "TOTAL EXEMPTION FULL", _year_end(self._as_of)
        sic = "88990 - Other social work activities without accommodation n.e.c."
        row = _company_row(number, str(charity["charity_name"]), str(charity["charity_contact_postcode"]), form, sic)
        row |= _dates(self._as_of, incorporated(number, 0.5), made_up)
        return row | {"Accounts.AccountCategory": category}

    def _strange_companies(self) -> Iterable[_Row]:
        """Companies that sell nothing to anybody here: a quarter have nearly the name of one that does."""
        rng = self._rngs["companies"]
        companies = [entity for _, entity in self._known if entity.company_number]
        sics = sorted({_sic(supplier.category) for supplier, _ in self._known})
        for _ in range(self._strangers(_COMPANIES)):
            like = companies[int(rng.integers(len(companies)))] if rng.random() < 0.25 else None
            name, gone = self._name(rng, like)
            form = _form_of(name, rng)
            chance = rng.random()
            number = unused_number(rng, self._numbers)
            postcode = self._office(rng, like)
            if form == "limited_liability_partnership":
                number = self._prefixed(rng, "OC")
            elif chance < 0.03:
                number, postcode = self._prefixed(rng, "SC"), names.pick(rng, _SCOTTISH)
            elif chance < 0.04:
                number, postcode = self._prefixed(rng, "NI"), names.pick(rng, _NORTHERN)
            since = min(incorporated(number, rng.random()), self._as_of - timedelta(10))
            made_up = _year_end(self._as_of)
            if made_up < since + timedelta(300):
                category = "NO ACCOUNTS FILED"
            else:
                category = names.pick(
                    rng, ("MICRO ENTITY", "MICRO ENTITY", "TOTAL EXEMPTION FULL", "SMALL", "DORMANT", "FULL")
                )
            filed = None if category == "NO ACCOUNTS FILED" else made_up
            row = _company_row(number, name, postcode, form, names.pick(rng, sics))
            row |= _dates(self._as_of, since, filed) | {"Accounts.AccountCategory": category}
            if gone:
                days = max((self._as_of - since).days, 30)
                ended = since + timedelta(round(days * (0.5 + rng.random() / 2.2)))
                row |= {"CompanyStatus": "Dissolved", "DissolutionDate": ended.strftime(_DAY)}
            elif chance > 0.96:
                row["CompanyStatus"] = names.pick(
                    rng, ("Liquidation", "Active - Proposal to Strike off", "In Administration")
                )
            if rng.random() < 0.08:
                # A name somebody gave up, now and then the very one that another goes by today.
                other = companies[int(rng.integers(len(companies)))].registered_name
                before = other if rng.random() < 0.1 else f"{names.root(rng)} {names.root(rng)} Limited"
                changed = since + timedelta(round((self._as_of - since).days / 2))
                row |= {
                    "PreviousName_1.CONDATE": changed.strftime(_DAY),
                    " PreviousName_1.CompanyName": before.upper(),
                }
            yield row

    def _prefixed(self, rng: np.random.Generator, prefix: str) -> str:
        while (number := f"{prefix}{rng.integers(1, 700_000):06}") in self._numbers:
            pass
        self._numbers.add(number)
        return number

    def _name(self, rng: np.random.Generator, like: Entity | None) -> tuple[str, bool]:
        """A name no company in force has, like another's where one is given; and whether its company is gone."""
        gone = rng.random() < 0.06
        while True:
            if like is None:
                first, trade = names.root(rng), names.pick(rng, _trades())
                ending = names.pick(rng, ("Limited", "Ltd", "LTD", "plc", "LLP", "CIC", "Limited", "Ltd"))
                name = f"{first} {trade} {ending}"
            else:
                name, gone = _namesake(rng, like.registered_name)
            if gone or name.upper() not in self._taken:
                if not gone:
                    self._taken.add(name.upper())
                return name, gone

    def _office(self, rng: np.random.Generator, like: Entity | None) -> str:
        chance = rng.random()
        if chance < 0.2:
            return names.pick(rng, self._law.agents)
        if like is not None and chance < 0.3:
            return like.registered_postcode
        return self._geography.draw(rng, LOCAL_ZONES if chance < 0.45 else NATIONAL_ZONES)

    # Charity Commission

    def _charities(self) -> list[_Row]:
        rng = self._rngs["charities"]
        rows = []
        for supplier, entity in self._known:
            if supplier.charity_number:
                rows.append(self._charity(rng, supplier, entity))
        taken = {str(row["registered_charity_number"]) for row in rows}
        for _ in range(self._strangers(_CHARITIES)):
            row = self._strange_charity(rng, taken)
            rows.append(row)
            self._strange_charities.append(row)
        linked = []
        for row in rows:
            for number in range(1, 1 + int(rng.integers(1, 3)) if rng.random() < 0.05 else 1):
                name = f"{names.root(rng)} {names.pick(rng, ('Memorial Fund', 'Almshouses', 'Sports Ground'))}"
                linked.append(
                    row
                    | {"linked_charity_number": number, "charity_name": name.upper(), "latest_income": ""}
                    | {"latest_expenditure": "", "charity_company_registration_number": "", "charity_is_cio": "False"}
                )
        rows += linked
        rows = list({(row["registered_charity_number"], row["linked_charity_number"]): row for row in rows}.values())
        rows.sort(key=lambda row: (int(str(row["registered_charity_number"])), int(str(row["linked_charity_number"]))))
        return [row | {"organisation_number": number} for number, row in enumerate(rows, start=200_000)]

    def _charity(self, rng: np.random.Generator, supplier: Supplier, entity: Entity) -> _Row:
        income = entity.turnover or 0
        row = self._charity_row(supplier.charity_number, supplier.legal_name, supplier.postcode, income)
        since = date(1975, 1, 1) + timedelta(int(rng.integers(0, 15_000)))
        row["date_of_registration"] = _moment(since)
        if entity.society_number:  # a community benefit society is exempt: it left the register when it became one
            row |= {"charity_registration_status": "Removed", "date_of_removal": "2016-06-30 00:00:00"}
        if entity.legal_form == "charitable_incorporated_organisation":
            row |= {"charity_type": "CIO", "charity_is_cio": "True"}
            row["charity_company_registration_number"] = _cio_number(supplier)
        elif entity.company_number:
            row["charity_type"] = "Charitable company"
            row["charity_company_registration_number"] = entity.company_number.lstrip("0")
        return row

    def _strange_charity(self, rng: np.random.Generator, taken: set[str]) -> _Row:
        while (number := str(rng.integers(200_000, 1_190_000))) in taken:
            pass
        taken.add(number)
        root = names.root(rng)
        name = names.pick(rng, words().charity).format(root=root, trade=names.pick(rng, _trades()))
        postcode = self._geography.draw(rng, LOCAL_ZONES if rng.random() < 0.3 else NATIONAL_ZONES)
        row = self._charity_row(number, name, postcode, round(rng.lognormal(10.5, 1.8)))
        row["date_of_registration"] = _moment(date(1963, 1, 1) + timedelta(int(rng.integers(0, 20_000))))
        chance = rng.random()
        if chance < 0.3:
            row["charity_type"] = "Charitable company"
            row["charity_company_registration_number"] = unused_number(rng, self._numbers).lstrip("0")
        elif chance < 0.5:
            row |= {"charity_type": "CIO", "charity_is_cio": "True"}
            row["charity_company_registration_number"] = self._prefixed(rng, "CE")
        if rng.random() < 0.12:
            row |= {"charity_registration_status": "Removed", "date_of_removal": "2014-04-16 00:00:00"}
            row["charity_company_registration_number"] = ""
        return row

    def _charity_row(self, number: str, name: str, postcode: str, income: int) -> _Row:
        extracted = _moment(self._as_of)
        return {
            "date_of_extract": extracted,
            "registered_charity_number": number,
            "linked_charity_number": 0,
            "charity_name": name.upper(),
            "charity_type": "Trust",
            "charity_registration_status": "Registered",
            "charity_reporting_status": "Submission Received",
            "latest_acc_fin_period_start_date": _moment(date(self._as_of.year - 2, 4, 1)),
            "latest_acc_fin_period_end_date": _moment(date(self._as_of.year - 1, 3, 31)),
            "latest_income": income,
            "latest_expenditure": round(income * 0.97),
            "charity_contact_address1": f"{1 + income % 90} {_STREETS[income % len(_STREETS)].upper()}",
            "charity_contact_postcode": postcode,
            "charity_company_registration_number": "",
            "charity_insolvent": "False",
            "charity_in_administration": "False",
            "charity_previously_excepted": "False",
            "charity_is_cio": "False",
            "cio_is_dissolved": "False",
            "charity_activities": f'MADE UP FOR A SAMPLE: "{name}"',
            "charity_gift_aid": "True",
            "charity_has_land": "False",
        }

    # The others

    def _write_mutuals(self, path: Path) -> int:
        rng = self._rngs["mutuals"]
        societies = [
            (entity.society_number, supplier.legal_name, "Community Benefit Society", supplier.postcode, "Registered")
            for supplier, entity in self._known
            if entity.society_number
        ]
        taken = {number for number, *_ in societies}
        wanted = len(societies) + self._strangers(_SOCIETIES)
        kinds = {
            "Co-operative Society": ("R", "{root} Co-operative Society Limited"),
            "Community Benefit Society": ("R", "{root} Community Benefit Society Limited"),
            "Credit Union": ("C", "{root} Credit Union Limited"),
            "Registered Society": ("R", "{root} Working Mens Club & Institute"),
            "Building Society": ("B", "{root} Building Society"),
        }
        while len(societies) < wanted:
            kind = names.pick(rng, list(kinds))
            suffix, pattern = kinds[kind]
            number = f"{rng.integers(10, 33_000)}{suffix}"
            if number not in taken:
                taken.add(number)
                status = "Registered" if rng.random() < 0.6 else "Deregistered"
                postcode = self._geography.draw(rng, LOCAL_ZONES if rng.random() < 0.3 else NATIONAL_ZONES)
                societies.append((number, pattern.format(root=names.root(rng)), kind, postcode, status))
        rows = []
        for number, name, kind, postcode, status in societies:
            since = date(1900, 1, 1) + timedelta(int(rng.integers(0, 41_000)))
            ended = (since + timedelta(900)).strftime(_DAY) if status == "Deregistered" else ""
            address = f"{1 + len(name) % 70} {_STREETS[len(name) % len(_STREETS)]}, Sampleton, {postcode}"
            told = [name, kind, address, since.strftime(_DAY), ended]
            act = "Co-operative and Community Benefit Societies Act 2014"
            rows.append([number[:-1], number[-1], number, *told, act, "", "", status])
        rows.sort(key=lambda row: int(str(row[0])))
        write_rows(path, [_MUTUAL_HEADER, *rows])
        return len(rows)

    def _write_employers(self, path: Path) -> int:
        rng = self._rngs["living_wage_employers"]
        third = {"charity", "cic"}
        rows = [
            [
                entity.registered_name.removesuffix(" Limited").removesuffix(" Ltd"),
                "Third" if supplier.sector in third else "Public" if entity.public_body_id else "Private",
                *((entity.company_number, supplier.charity_number) if rng.random() < 0.6 else ("", "")),
                supplier.postcode,
                entity.living_wage_date.strftime(_DAY),
            ]
            for supplier, entity in self._known
            if entity.living_wage_date and entity.living_wage_date <= self._as_of
        ]
        taken = {str(row[0]).casefold() for row in rows}
        many = len(rows) + self._strangers(_EMPLOYERS)
        while len(rows) < many:
            name = f"{names.root(rng)} {names.pick(rng, _trades())}"
            if name.casefold() not in taken:
                taken.add(name.casefold())
                day = date(2012, 1, 1) + timedelta(int(rng.integers(0, (self._as_of - date(2012, 1, 1)).days)))
                rows.append([name, "Private", "", "", self._geography.draw(rng, NATIONAL_ZONES), day.strftime(_DAY)])
        rows.sort(key=lambda row: str(row[0]))
        header = ["Employer", "Sector", "Company Number", "Charity Number", "Head Office Postcode", "Accredited"]
        write_rows(path, [header, *rows])
        return len(rows)

    def _write_bodies(self, path: Path) -> int:
        rng = self._rngs["public_bodies"]
        sources = {"nhs": "NHS Digital ODS", "school": "DfE GIAS", "academy": "DfE GIAS", "university": "UKRLP"}
        rows = []
        for supplier, entity in self._known:
            if entity.public_body_id:
                kind = entity.public_body_type
                numbers = (entity.company_number, supplier.charity_number)
                body_id, told = entity.public_body_id, (supplier.postcode, sources.get(kind, "GOV.UK"))
                every = (supplier.legal_name, *supplier.trading_names)
                rows += [[body_id, name, kind, _code(kind, body_id), *numbers, *told] for name in every]
        taken = {str(row[1]).casefold() for row in rows}
        kinds = {
            "Parish Council": "parish_council",
            "District Council": "council",
            "Primary School": "school",
            "Academy": "academy",
            "NHS Trust": "nhs",
            "Fire and Rescue Authority": "fire",
        }
        for number in range(self._strangers(_BODIES)):
            while (name := f"{names.root(rng)} {(word := names.pick(rng, list(kinds)))}").casefold() in taken:
                pass
            taken.add(name.casefold())
            body_id, kind = f"PB9{number:05}", kinds[word]
            postcode = self._geography.draw(rng, LOCAL_ZONES if rng.random() < 0.3 else NATIONAL_ZONES)
            told = (postcode, sources.get(kind, "GOV.UK"))
            rows.append([body_id, name, kind, _code(kind, body_id), "", "", *told])
        header = ["Body ID", "Name", "Type", "Official Code", "Company Number", "Charity Number", "Postcode", "Source"]
        write_rows(path, [header, *rows])
        return len(rows)

    def _write_deprivation(self, path: Path) -> int:
        """Every LU postcode, in areas of about sixteen postcodes: the deciles are made up."""
        rng = self._rngs["deprivation"]
        postcodes = self._geography.of_area("LU")
        ranks = rng.permutation(_AREAS_OF_ENGLAND) + 1
        header = ["Postcode", "Postcode Status", "LSOA code", "LSOA Name"]
        measures = ["Index of Multiple Deprivation", *_DEPRIVATION_DOMAINS]
        header += [
            f"{one} {what}"
            for one in measures
            for what in (("Rank", "Decile") if one == measures[0] else ("Rank", "Decile", "Score"))
        ]
        rows = []
        for position, postcode in enumerate(postcodes):
            area = position // 16
            found = [postcode, "Live", f"E0199{area:04}", f"Sample area {area:03}"]
            for number, _ in enumerate(measures):
                rank = int(ranks[(area * len(measures) + number) % _AREAS_OF_ENGLAND])
                found += [str(rank), str(-(-rank * 10 // _AREAS_OF_ENGLAND))] + ([f"0.{rank:05}"] if number else [])
            rows.append(found)
        write_rows(path, [header, *rows])
        return len(rows)

    def _write_parents(self, path: Path) -> int:
        rng = self._rngs["group_parents"]
        shares = ("ownership-of-shares-75-to-100-percent", "ownership-of-shares-50-to-75-percent")
        day = self._as_of.strftime(_DAY)
        rows: dict[str, list[str]] = {}
        for _, entity in self._known:
            if entity.parent_name:
                share = shares[int(rng.random() < 0.15)]
                told = [entity.company_number, entity.parent_number, entity.parent_name.upper(), share, day]
                rows.setdefault(entity.company_number, [*told, "Companies House PSC snapshot"])
        header = ["Company Number", "Parent Number", "Parent Name", "Nature of Control", "As Of", "Source"]
        write_rows(path, [header, *(rows[number] for number in sorted(rows))])
        return len(rows)


def _write_charities(path: Path, rows: list[_Row]) -> int:
    lines = ["\t".join(_CHARITY_HEADER)]
    lines += ["\t".join(str(row.get(name, "")) for name in _CHARITY_HEADER) for row in rows]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode())
    return len(rows)


def _company_row(number: str, name: str, postcode: str, form: str, sic: str) -> _Row:
    place = sum(map(ord, number))
    return {
        "CompanyName": name.upper(),
        " CompanyNumber": number,
        "RegAddress.AddressLine1": f"{1 + place % 97} {_STREETS[place % len(_STREETS)].upper()}",
        "RegAddress.PostTown": "SAMPLETON",
        "RegAddress.Country": ("ENGLAND", "UNITED KINGDOM", "")[place % 3],
        "RegAddress.PostCode": postcode,
        "CompanyCategory": _FORMS[form],
        "CompanyStatus": "Active",
        "CountryOfOrigin": "United Kingdom",
        **dict.fromkeys(("Mortgages.NumMortCharges", "Mortgages.NumMortOutstanding"), 0),
        **dict.fromkeys(("Mortgages.NumMortPartSatisfied", "Mortgages.NumMortSatisfied"), 0),
        **dict.fromkeys(("LimitedPartnerships.NumGenPartners", "LimitedPartnerships.NumLimPartners"), 0),
        "SICCode.SicText_1": sic or "None Supplied",
        "URI": f"http://business.data.gov.uk/id/company/{number}",
    }


def _dates(as_of: date, since: date, made_up: date | None) -> _Row:
    last = made_up or as_of
    told: _Row = {"IncorporationDate": since.strftime(_DAY), "ConfStmtNextDueDate": f"{as_of + timedelta(200):{_DAY}}"}
    told |= {"Accounts.AccountRefDay": last.day, "Accounts.AccountRefMonth": last.month}
    return told | ({"Accounts.LastMadeUpDate": made_up.strftime(_DAY)} if made_up else {})


def _year_end(as_of: date) -> date:
    return date((as_of - timedelta(360)).year, 3, 31)


def _moment(day: date) -> str:
    return f"{day} 00:00:00"


def _cio_number(supplier: Supplier) -> str:
    return f"CE{supplier.supplier_id[1:].zfill(6)[-6:]}"


def _code(kind: str, body_id: str) -> str:
    return {"school": f"9{body_id[-5:]}", "academy": f"9{body_id[-5:]}", "nhs": f"X{body_id[-3:]}"}.get(kind, "")


def _form_of(name: str, rng: np.random.Generator) -> str:
    ending = name.rpartition(" ")[2].casefold()
    found = {"plc": "public_limited", "llp": "limited_liability_partnership", "cic": "community_interest_company"}
    if ending in found:
        return found[ending]
    return "limited_by_guarantee" if rng.random() < 0.04 else "private_limited"


def _namesake(rng: np.random.Generator, name: str) -> tuple[str, bool]:
    """A name that is nearly, or once was, another's; and whether its company is gone."""
    stem, _, ending = name.rpartition(" ")
    stem = stem.removesuffix(" Group").removesuffix(" (UK)") or name
    match int(rng.integers(8)):
        case 0:
            return name, True
        case 1:
            return f"{stem} {names.pick(rng, [one for one in ('plc', 'LLP', 'CIC') if one != ending])}", False
        case 2:
            return f"{stem} Holdings Limited", False
        case 3:
            return f"{stem} ({names.root(rng)}) Limited", False
        case 4:
            return f"{stem.split()[0]} {names.pick(rng, _trades())} Limited", False
        case 5:
            at = int(rng.integers(1, max(len(stem) - 1, 2)))
            return f"{stem[:at]}{names.pick(rng, 'aeionrst')}{stem[at + 1 :]} Limited", False
        case 6:
            return f"{stem} & Sons Limited", False
    return f"{stem} {names.pick(rng, ('2015', '2016', 'Services', 'North', 'Anglia', 'Midlands'))} Ltd", False


@cache
def _trades() -> list[str]:
    return [trade for one in categories() for trade in one.trades if "company" in one.sectors]


def _sic(category: str) -> str:
    return _sics().get(category, "82990 - Other business support service activities n.e.c.")


@cache
def _sics() -> dict[str, str]:
    return {row["category"]: row["sic"] for row in rows_of("sic.csv")}
