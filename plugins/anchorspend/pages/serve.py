"""Serve the pages on loopback, for the person at this machine: access from outside is the partnership's front door."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from anchorspend.errors import UserError


class _Files(SimpleHTTPRequestHandler):
    """The written pages, without lists of folders; `/` leads to the newest release."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(302)
            self.send_header("Location", "/current/")
            self.end_headers()
        else:
            super().do_GET()

    def list_directory(self, path: object) -> None:  # noqa: ARG002
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each file that was asked for."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of all releases' pages on 127.0.0.1, bound and not yet running; port 0 takes a free one.

    Raises `UserError` where the port is taken or no pages are written.
    """
    if not (folder / "current").exists():
        raise UserError("no pages are written yet; run `anchorspend pages`")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Files, directory=str(folder)))
    except OSError as problem:
        raise UserError(f"port {port}: {problem.strerror}; name another with --port") from None
