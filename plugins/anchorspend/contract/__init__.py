"""The contract with an institution: who it is, and what each of its feeds promises.

An institution is one YAML file, `dags/institutions/<id>.yml`, checked by the models below. A key nobody knows, a
field nobody defined or a date that cannot be is refused with the file, the place and what to write instead.
"""

from anchorspend.contract.base import VatBasis, did_you_mean, normalise_header
from anchorspend.contract.files import load_institution, load_institutions, pick
from anchorspend.contract.institution import (
    Feed,
    Institution,
    InstitutionType,
    PublishedTotals,
    SidecarTotal,
    Terms,
)
from anchorspend.contract.layout import Layout, TotalsRow
from anchorspend.contract.period import Calendar, Period
from anchorspend.contract.source import Api, Cursor, Folder, Pages, Source, Web, Window, windows

__all__ = [
    "Api",
    "Calendar",
    "Cursor",
    "Feed",
    "Folder",
    "Institution",
    "InstitutionType",
    "Layout",
    "Pages",
    "Period",
    "PublishedTotals",
    "SidecarTotal",
    "Source",
    "Terms",
    "TotalsRow",
    "VatBasis",
    "Web",
    "Window",
    "did_you_mean",
    "load_institution",
    "load_institutions",
    "normalise_header",
    "pick",
    "windows",
]
