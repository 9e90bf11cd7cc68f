"""The published tables as a page reads them: schema `marts`, as `bi_reader`, in one state from first to last page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from anchorspend import warehouse
from anchorspend.errors import UserError


class Marts:
    """One published release. `release`: its row of the table `release`; `year`: the newest financial year; `names`: the
    institutions' names by id; `headline`: the definition of local that the headline stands on."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        # The lock this takes holds a newer release back until every page is read, so that none mixes two.
        self.release = self.one("select * from marts.release order by release_id desc limit 1")
        self.year: str = self.one(
            """
            select max(financial_year) as financial_year from marts.kpi_scorecard
            where kpi_id = 'local_spend_pct' and institution_id = 'partnership'
            """
        ).financial_year
        self.names: dict[str, str] = {
            row.institution_id: row.institution_name for row in self.rows("select * from marts.dim_institution")
        }
        self.headline: str = self.one(
            "select headline_definition from marts.kpi_definition where kpi_id = 'local_spend_pct'"
        ).headline_definition

    def rows(self, sql: str, **parameters: object) -> list[Any]:
        """The rows of a query as named tuples."""
        with self._connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(sql.encode(), parameters).fetchall()

    def one(self, sql: str, **parameters: object) -> Any:
        """The one row of a query."""
        (row,) = self.rows(sql, **parameters)
        return row


@contextmanager
def published() -> Iterator[Marts]:
    """The newest release. Raises `UserError` when nothing is published yet."""
    with warehouse.connect(warehouse.reader_url()) as connection:
        try:
            marts = Marts(connection)
        except psycopg.errors.UndefinedTable:
            raise UserError(
                "nothing is published yet; run `make demo`, or `anchorspend ingest` and `release`"
            ) from None
        yield marts
