"""What both servers of a laptop need of it: a port nobody else has, and files nobody else reads."""

import contextlib
import socket
from pathlib import Path

from anchorspend.errors import UserError


def free_port(wanted: int | None) -> int:
    """The wanted port of 127.0.0.1 when nobody listens on it, else any free one."""
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise UserError("no free port on 127.0.0.1")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and the folder above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
