"""Register numbers as people key them in, put into the form their registers use; None where they cannot be one."""

import re
from functools import cache
from importlib.resources import files

import yaml

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]")
_SHORTEST_COMPANY_NUMBER = 4  # fewer digits are a clerk's zero or a row number rather than a company of the 1850s
_VAT_WEIGHTS = range(8, 1, -1)


def company_number(text: str | None) -> str | None:
    """The eight characters of a Companies House number, lost leading zeros put back.

    Source: Companies House, company number prefixes; `GB-COH-` is its scheme in the Open Contracting Data Standard.
    """
    plain = _plain(text).removeprefix("GBCOH")
    if plain.isdigit():
        plain = plain.lstrip("0")
        return plain.zfill(8) if _SHORTEST_COMPANY_NUMBER <= len(plain) <= 8 and not _is_made_up(plain) else None
    prefix, digits = plain[:2], plain[2:]
    if prefix in _prefixes() and digits.isdigit() and len(digits) <= 6 and int(digits):
        return prefix + digits.zfill(6)
    return None


def charity_number(text: str | None) -> str | None:
    """A charity's number without the number of a charity linked to it: six or seven digits in England and Wales, with
    `SC` in Scotland, with `NIC` in Northern Ireland.

    Source: registers of the Charity Commission, OSCR and the Charity Commission for Northern Ireland.
    """
    raw = re.sub(r"[-/]\d{1,3}$", "", (text or "").strip())
    plain = _plain(raw).removeprefix("GBCHC")
    if re.fullmatch(r"SC\d{1,6}", plain):
        return "SC" + plain[2:].zfill(6)
    if re.fullmatch(r"(NIC|XN)?\d{6}|\d{7}", plain) and not _is_made_up(plain):
        return plain
    return None


def vat_number(text: str | None) -> str | None:
    """Nine digits of a VAT registration whose last two check the rest, or `GD`/`HA` and three digits.

    The weighted sum of the first seven (8 down to 2) and the last two make a multiple of 97, or do with 55 added
    (numbers given out since 2010). Twelve digits are nine and a branch. Source: HM Revenue and Customs, VAT Notice
    700 and the VIES number formats.
    """
    plain = _plain(text).removeprefix("GB").removeprefix("XI")
    if re.fullmatch(r"GD[0-4]\d\d|HA[5-9]\d\d", plain):
        return plain
    if not plain.isdigit() or len(plain) not in (9, 12) or not int(plain[:7]):
        return None
    total = sum(weight * int(digit) for weight, digit in zip(_VAT_WEIGHTS, plain[:7], strict=True)) + int(plain[7:9])
    return plain[:9] if total % 97 == 0 or (total + 55) % 97 == 0 else None


def postcode(text: str | None) -> str | None:
    """A whole UK postcode without its space, in capitals.

    Source: BS 7666; the shape only, whether it exists is not looked up here.
    """
    plain = _plain(text)
    return plain if re.fullmatch(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}", plain) and not plain.startswith("ZZ") else None


def _plain(text: str | None) -> str:
    return _NOT_ALPHANUMERIC.sub("", (text or "").upper())


def _is_made_up(digits: str) -> bool:
    return len(set(digits)) == 1 or digits in {"123456", "1234567", "12345678"}


@cache
def _prefixes() -> frozenset[str]:
    data = yaml.safe_load(files(__package__).joinpath("identifiers.yml").read_text(encoding="utf-8"))
    return frozenset([*data["company_prefixes"], *data["newer_company_prefixes"]])
