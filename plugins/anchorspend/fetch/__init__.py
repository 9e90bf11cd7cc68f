"""Fetch: the files of a feed, found at their source and brought to this machine. Nobody keeps or reads them here."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from anchorspend.contract import Api, Folder, Institution, SidecarTotal, windows
from anchorspend.fetch.base import Fetched, FetchFailed, Found, Limits, Origin, Seen
from anchorspend.fetch.credentials import Credentials, Lookup, from_environment
from anchorspend.fetch.folder import FolderOrigin, LocalFiles

__all__ = [
    "Credentials",
    "FetchFailed",
    "Fetched",
    "Found",
    "Limits",
    "LocalFiles",
    "Lookup",
    "Origin",
    "Seen",
    "from_environment",
    "opened",
]


@contextmanager
def opened(
    institution: Institution,
    feed_id: str,
    connections: Lookup = from_environment,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    today: date | None = None,
) -> Iterator[Origin]:
    """Where a feed's files come from, ready to be asked.

    Raises `UserError` without credentials the contract names, `FetchFailed` when the source cannot be reached.
    """
    feed = institution.feeds[feed_id]
    source = feed.source
    credentials = connections(source.connection) if source.connection else None
    begun = (
        list(windows(feed.calendar, institution.financial_year_start, today or date.today())) if feed.calendar else []
    )
    origin: Origin
    if isinstance(source, Folder):
        sidecar = feed.control_total.sidecar if isinstance(feed.control_total, SidecarTotal) else None
        origin = FolderOrigin(source, credentials, sidecar, limits)
    else:
        # Imported late: requests takes half a second, and a folder needs none of it.
        from anchorspend.fetch.api import ApiOrigin
        from anchorspend.fetch.http import Client
        from anchorspend.fetch.web import WebOrigin

        home = source.api if isinstance(source, Api) else source.url or source.urls[0]
        client = Client(home, credentials, allow_private=source.allow_private, max_mb=source.max_mb, limits=limits)
        if isinstance(source, Api):
            origin = ApiOrigin(source, client, feed_id, begun, feed.calendar.due_days if feed.calendar else 0)
        else:
            origin = WebOrigin(source, client, begun)
    try:
        yield origin
    finally:
        origin.close()
