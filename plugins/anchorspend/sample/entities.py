"""Who the true suppliers are in law: form, size, parent, and what each definition makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from anchorspend.sample import names
from anchorspend.sample.geography import LOCAL_ZONES, NATIONAL_ZONES, Geography, is_local
from anchorspend.sample.tables import bodies
from anchorspend.sample.world import Supplier

NEW_BANDS = date(2025, 4, 6)
"""First day of the financial years that the raised bands of the Companies Act hold for (SI 2024/1303)."""
_BANDS = {
    # Turnover and balance sheet in pounds, employees: two of three must not be exceeded (Companies Act 2006, sections
    # 382 to 384 and 465 to 467).
    False: {
        "micro": (632_000, 316_000, 10),
        "small": (10_200_000, 5_100_000, 50),
        "medium": (36_000_000, 18_000_000, 250),
    },
    True: {
        "micro": (1_000_000, 500_000, 10),
        "small": (15_000_000, 7_500_000, 50),
        "medium": (54_000_000, 27_000_000, 250),
    },
}
_TURNOVER_CEILING, _BALANCE_CEILING = 44_000_000, 38_000_000
"""Pounds that PPN 001 states for the Commission's EUR 50 million and EUR 43 million."""
_SUBSIDIARIES, _SMALL_GROUPS = 0.45, 0.04
"""Shares of companies that are large only with their group, and of small ones that a small holding company owns."""
_GROUP_SIZE = 12
_AT_AGENT, _ELSEWHERE = 0.12, 0.13
"""Shares of companies registered at an agent's, and at another address than they trade from."""
_NEW_NAMES, _PREVIOUS_NAMES = 0.04, 0.06
_LIVING_WAGE = 0.05
_NUMBER_YEARS = (1_000_000, 1970.0, 12_000_000, 2017.0)
"""Company numbers are given in order: one of the first was given in the one year, one of the second in the other."""
_EXCLUDED_CHARITIES = {"nhs": 0.02, "academy": 0.02, "university": 0.01, "ndpb": 0.01}
"""Shares of charities that the LGA guide leaves out: NHS charities, schools, universities, public bodies."""
_SOCIETIES = 0.2
"""Share of unincorporated housing trusts and community projects that became community benefit societies."""

_BODY_TYPES = {
    "parish council": "parish_council",
    "town council": "parish_council",
    "drainage board": "drainage_board",
    "school": "school",
    "academy": "academy",
    "nhs": "nhs",
    "council": "council",
    "pension": "pension_fund",
    "revenue": "department",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """A supplier in law. Money is pounds; empty and None where the law knows no such thing.

    `registered_name` differs from what ledgers write where the company took another name, which then is
    `previous_name`. `company_number` is also that of the company behind an academy, which no ledger shows.
    `company_employees`, `turnover` and `balance_sheet` are the company's own, while `Supplier.employees` counts those
    of its group. `filing` (0 to 1) is the luck that decides between the accounts a company of its size may file.

    `sme_*`: yes, no, or empty where a definition does not reach: the Companies Act those who are no company. Charities,
    public bodies and private persons are no enterprises here. `voluntary`: yes or no, by the inclusions and exclusions
    of the LGA guide.
    """

    registered_name: str
    legal_form: str
    registered_postcode: str
    company_number: str
    previous_name: str
    incorporation_date: date | None
    company_employees: int | None
    turnover: int | None
    balance_sheet: int | None
    parent_number: str
    parent_name: str
    parent_is_large: bool
    sme_transparency_code: str
    sme_ec_2003_361: str
    sme_ppn_001: str
    sme_companies_act: str
    sme_scottish_hub: str
    voluntary: bool
    society_number: str
    public_body_id: str
    public_body_type: str
    living_wage_date: date | None
    filing: float


@dataclass(frozen=True)
class Group:
    """A company that owns others: a large one, or the holding company of one small one."""

    number: str
    name: str
    postcode: str
    is_large: bool

    @property
    def is_foreign(self) -> bool:
        """Whether its number is of another country's register."""
        return not self.number.isdigit()


@dataclass(frozen=True)
class Law:
    """The entities of the suppliers, in their order, with the groups they belong to and the agents' addresses."""

    entities: list[Entity]
    groups: list[Group]
    agents: list[str]


def entities(rng: np.random.Generator, suppliers: Sequence[Supplier], geography: Geography) -> Law:
    """Make every supplier's entity. `Supplier.sme` is what the Transparency Code says, and stays."""
    agents = _agents(rng, geography)
    luck = rng.random((len(suppliers), 12)).tolist()
    taken = {one.company_number for one in suppliers}
    subsidiaries = sum(one.sector == "company" and not one.sme for one in suppliers) * _SUBSIDIARIES
    groups = [_group(rng, geography, taken, is_large=True) for _ in range(max(3, round(subsidiaries / _GROUP_SIZE)))]
    large = len(groups)
    made = []
    for position, (one, chance) in enumerate(zip(suppliers, luck, strict=True)):
        group = None
        if one.sector == "company" and not one.sme and chance[0] < _SUBSIDIARIES:
            group = groups[int(rng.integers(large))]
        elif one.sector == "company" and one.sme and chance[0] < _SMALL_GROUPS:
            group = _group(rng, geography, taken, is_large=False)
            groups.append(group)
        made.append(_entity(rng, one, position, chance, group, agents, geography, taken))
    return Law(made, groups, agents)


def unused_number(rng: np.random.Generator, taken: set[str], *, least: int = 1_000_000, most: int = 12_400_000) -> str:
    """A company number nobody has; it is taken from then on."""
    while (number := f"{rng.integers(least, most):08}") in taken:
        pass
    taken.add(number)
    return number


def incorporated(number: str, day_of_year: float) -> date:
    """When a company of a number was incorporated: numbers are given in order."""
    low, first, high, last = _NUMBER_YEARS
    digits = int(number) if number.isdigit() else int(number[2:]) * 11 + low
    years = first + (digits - low) / (high - low) * (last - first)
    return date(1970, 1, 1) + timedelta(round((years - 1970) * 365.25 + day_of_year * 20 - 30))


def is_within(turnover: int, balance_sheet: int, employees: int, band: str, *, raised: bool = False) -> bool:
    """Whether a company is of a band of the Companies Act, `micro`, `small` or `medium`, or below it."""
    limits = _BANDS[raised][band]
    return sum(own <= limit for own, limit in zip((turnover, balance_sheet, employees), limits, strict=True)) >= 2


def accounts(entity: Entity, as_of: date) -> tuple[str, date | None]:
    """Companies House's category of the newest accounts a company had filed by a day, and their last day.

    Accounts are filed nine months after their last day; the bands are those of the year they are for.
    """
    assert entity.incorporation_date, "only companies file accounts"
    month = 1 + int(entity.filing * 1000) % 12
    latest = as_of - timedelta(275)
    made_up = date(latest.year - (month > latest.month), month, 1)
    made_up = (made_up + timedelta(32)).replace(day=1) - timedelta(1)
    if made_up > latest:
        made_up = (made_up.replace(day=1, year=made_up.year - 1) + timedelta(32)).replace(day=1) - timedelta(1)
    if made_up < entity.incorporation_date + timedelta(300):
        return "NO ACCOUNTS FILED", None
    return _category(entity, made_up), made_up


def _category(entity: Entity, made_up: date) -> str:
    assert entity.turnover is not None
    assert entity.balance_sheet is not None
    raised = made_up - timedelta(364) >= NEW_BANDS
    luck = entity.filing * 1000 % 1
    size = entity.turnover, entity.balance_sheet, entity.company_employees or 0
    if entity.parent_is_large:
        return "AUDIT EXEMPTION SUBSIDIARY" if luck < 0.55 else "FULL"
    if luck < 0.02:
        return "ACCOUNTS TYPE NOT AVAILABLE"
    if entity.legal_form != "public_limited" and is_within(*size, "micro", raised=raised):
        return "MICRO ENTITY" if luck < 0.7 else "TOTAL EXEMPTION FULL"
    if entity.legal_form != "public_limited" and is_within(*size, "small", raised=raised):
        kinds = {"TOTAL EXEMPTION FULL": 0.45, "SMALL": 0.75, "UNAUDITED ABRIDGED": 0.98, "AUDITED ABRIDGED": 1}
        return next(kind for kind, below in kinds.items() if luck < below)
    if entity.legal_form != "public_limited" and is_within(*size, "medium", raised=raised):
        return "MEDIUM" if luck < 0.9 else "FULL"
    return "FULL" if luck < 0.6 else "GROUP"


def body_type(supplier: Supplier) -> str:
    """Which sort of public body a supplier is, from its name; of a county's institution, from what it is."""
    if supplier.institution_id:
        return bodies()[supplier.institution_id].type
    name = supplier.legal_name.casefold()
    return next((kind for word, kind in _BODY_TYPES.items() if word in name), "other")


def _agents(rng: np.random.Generator, geography: Geography) -> list[str]:
    """Postcodes of formation agents and accountants: London, Luton, Bedford, and one of the county's neighbours."""
    london: list[str] = []
    while len(london) < 2:
        postcode = geography.draw(rng, {"rest": 1})
        if postcode.startswith(("N1", "NW1", "SE1", "SW1")):
            london.append(postcode)
    return [*london, *(geography.draw(rng, {zone: 1}) for zone in ("luton", "bedford", "bordering"))]


def _group(rng: np.random.Generator, geography: Geography, taken: set[str], *, is_large: bool) -> Group:
    ending = names.pick(rng, ("Group plc", "Holdings plc", "Holdings Limited") if is_large else ("Holdings Limited",))
    name = f"{names.root(rng)} {names.root(rng)} {ending}"
    foreign = is_large and rng.random() < 0.1
    number = f"HRB {rng.integers(10_000, 99_999)}" if foreign else unused_number(rng, taken, most=11_000_000)
    return Group(number, name, "" if foreign else geography.draw(rng, NATIONAL_ZONES), is_large)


def _entity(
    rng: np.random.Generator,
    one: Supplier,
    position: int,
    chance: list[float],
    group: Group | None,
    agents: list[str],
    geography: Geography,
    taken: set[str],
) -> Entity:
    excluded = _excluded(one, chance[1])
    society = one.sector == "charity" and not one.company_number and not excluded and chance[2] < _SOCIETIES
    society = society and one.legal_name.endswith(("Housing Trust", "Community Project"))
    sort = body_type(one) if one.sector == "public_body" else excluded
    number = one.company_number
    if one.sector == "public_body" and sort == "academy":
        number = unused_number(rng, taken, least=7_000_000, most=11_000_000)
    form = _form(one, society=society, chance=chance[3], number=number)
    employees, turnover, balance = _size(rng, one, chance, is_subsidiary=bool(group and group.is_large))
    is_company = bool(number)
    large_parent = bool(group and group.is_large)
    sme = _definitions(one, turnover, balance, large_parent=large_parent)
    renamed = one.sector == "company" and form == "private_limited" and chance[6] < _NEW_NAMES
    registered = f"{names.root(rng)} {names.root(rng)} Limited" if renamed else one.legal_name
    previous = one.legal_name if renamed else ""
    if is_company and not renamed and chance[6] > 1 - _PREVIOUS_NAMES:
        previous = f"{names.root(rng)} {names.root(rng)} Limited"
    employs = one.sector in {"company", "charity", "cic", "public_body"}
    accredited = date(2012, 1, 1) + timedelta(round(chance[8] * 2960))
    return Entity(
        registered_name=registered,
        legal_form=form,
        registered_postcode=_registered(rng, one, agents, geography, chance[7]) if is_company else one.postcode,
        company_number=number,
        previous_name=previous,
        incorporation_date=incorporated(number, chance[9]) if is_company else None,
        company_employees=employees,
        turnover=turnover,
        balance_sheet=balance,
        parent_number=group.number if group else "",
        parent_name=group.name if group else "",
        parent_is_large=large_parent,
        **sme,
        voluntary=_is_voluntary(one, form, excluded),
        society_number=f"{rng.integers(2_000, 9_000)}R" if society else "",
        public_body_id=f"PB{position + 1:06}" if sort else "",
        public_body_type=sort,
        living_wage_date=accredited if employs and chance[10] < _LIVING_WAGE else None,
        filing=chance[11],
    )


def _excluded(one: Supplier, chance: float) -> str:
    """The sort of public body a charity belongs to, where it is one of those the LGA guide leaves out."""
    if one.sector == "charity":
        for sort, share in _EXCLUDED_CHARITIES.items():
            if chance < share:
                return sort
            chance -= share
    return ""


def _form(one: Supplier, *, society: bool, chance: float, number: str) -> str:
    if one.sector in {"individual", "sole_trader"}:
        return one.sector
    if one.sector == "public_body":
        return "limited_by_guarantee" if number else "public_body"
    if one.sector == "cic":
        return "community_interest_company"
    if one.sector == "charity":
        if one.company_number:
            return "limited_by_guarantee"
        return "registered_society" if society else "charitable_incorporated_organisation" if chance < 0.4 else "trust"
    if one.legal_name.endswith("LLP"):
        return "limited_liability_partnership"
    if one.legal_name.endswith("plc"):
        return "public_limited"
    return "limited_by_guarantee" if one.sme and chance < 0.025 else "private_limited"


def _size(
    rng: np.random.Generator, one: Supplier, chance: list[float], *, is_subsidiary: bool
) -> tuple[int | None, int | None, int | None]:
    """Own employees, turnover and balance sheet."""
    spread = rng.lognormal(0, 0.5), rng.lognormal(0, 0.5)
    if one.employees is None:
        return None, None, None
    employees = one.employees
    if is_subsidiary:
        employees = int(np.clip(3 + rng.lognormal(3.2, 1.0), 1, min(240, employees)))
    turnover = round(employees * 90_000 * spread[0], -3)
    balance = round(turnover * 0.4 * spread[1], -3)
    if one.sector != "company":
        return employees, max(round(turnover / 2), 5_000), max(round(balance / 2), 2_000)
    if one.sme:
        if employees >= 20 and chance[4] < 0.02:  # few people, much money: fuel, energy, treasury
            turnover, balance = round(46e6 + chance[5] * 70e6, -3), round(40e6 + chance[8] * 40e6, -3)
        elif employees >= 20 and chance[4] < 0.04:  # small for everyone but the Companies Act
            turnover, balance = round(37e6 + chance[5] * 6e6, -3), round(19e6 + chance[8] * 18e6, -3)
        else:
            turnover, balance = min(turnover, 35_000_000), min(balance, 17_500_000)
    elif not is_subsidiary and chance[4] < 0.06:  # many people, little money: medium for the Companies Act alone
        turnover, balance = round(9e6 + chance[5] * 25e6, -3), round(3e6 + chance[8] * 14e6, -3)
    elif not is_subsidiary:
        turnover, balance = max(turnover, 37_000_000), max(balance, 18_500_000)
    return employees, max(int(turnover), 20_000), max(int(balance), 5_000)


def _definitions(one: Supplier, turnover: int | None, balance: int | None, *, large_parent: bool) -> dict[str, str]:
    """Yes or no under each definition."""
    code = one.sme
    is_enterprise = one.sector in {"company", "cic", "sole_trader"}
    told = dict.fromkeys(("sme_transparency_code", "sme_scottish_hub"), code)
    few = turnover is not None and balance is not None
    assert few or not is_enterprise
    within = (turnover or 0) <= _TURNOVER_CEILING or (balance or 0) <= _BALANCE_CEILING
    told |= dict.fromkeys(("sme_ec_2003_361", "sme_ppn_001"), code and within)
    employees = one.employees or 0
    told["sme_companies_act"] = (
        is_enterprise and not large_parent and is_within(turnover or 0, balance or 0, employees, "medium")
    )
    shown = {name: "yes" if one_is else "no" for name, one_is in told.items()}
    return shown | ({"sme_companies_act": ""} if one.sector == "sole_trader" else {})


def _is_voluntary(one: Supplier, form: str, excluded: str) -> bool:
    if one.sector in {"charity", "cic"}:
        return not excluded
    # Of companies by guarantee those of social benefit: care, or what grants are given for.
    return form == "limited_by_guarantee" and one.sector == "company" and one.category[:2] in {"32", "40", "20"}


def _registered(rng: np.random.Generator, one: Supplier, agents: list[str], geography: Geography, chance: float) -> str:
    """The registered office: mostly where it trades, else at an agent's or an accountant's."""
    if chance < _AT_AGENT:
        return names.pick(rng, agents)
    if chance < _AT_AGENT + _ELSEWHERE:
        return geography.draw(rng, LOCAL_ZONES if is_local(one.postcode, one.authority) else NATIONAL_ZONES)
    return one.postcode
