"""Pages: the review pages, a folder of plain files written from schema `marts` alone after every release.

A page module reads the marts and gives parts (`parts.Page`); `site` renders all of them and switches readers over.
Nothing is computed here.
"""

from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

from anchorspend import settings
from anchorspend.pages.serve import server

__all__ = ["current", "of_release", "serve", "write"]


def folder() -> Path:
    """The folder of every release's pages."""
    return settings.state() / "pages"


def current() -> Path:
    """The first page of the newest release that was written."""
    return folder() / "current" / "index.html"


def of_release(schema_name: str) -> Path:
    """The first page of the pages of the release whose tables stay in a schema."""
    return folder() / schema_name / "index.html"


def write(progress: Callable[[str], None] = lambda message: None) -> Path:
    """Write the pages of the published release and lead readers to them; the first page.

    Written again, a release's pages take the place of its earlier ones. Raises `UserError` when nothing is published.
    """
    from anchorspend.pages import site  # Altair takes a second, and no other command needs it

    site.write(folder(), progress)
    return current()


def serve(port: int) -> ThreadingHTTPServer:
    """A server of every release's pages on 127.0.0.1, bound and not yet running; port 0 takes a free one.

    Raises `UserError` where the port is taken or no pages are written.
    """
    return server(folder(), port)
