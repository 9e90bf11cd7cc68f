"""What every command shares: the program, its two consoles, and how it says things."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

FIRST, LOAD, LOOK, REVIEW, PUBLISH, OPERATE = "First steps", "Load", "Look", "Review", "Publish", "Operate"

app = typer.Typer(
    help=(
        "What the anchor institutions of a county spend, with whom, and how much of it stays local. "
        f"Version {version('anchorspend')}."
    ),
    epilog="Exit codes: 0 done; 1 done, and something is held or failed a check; 2 something for you to put right;"
    " 3 a fault of the program, with its traceback; 130 stopped by you.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
# In a pipe or a file there is no edge to fold tables at.
out = Console(width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)
_started = time.monotonic()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anchorspend {version('anchorspend')}")
        raise typer.Exit


@app.callback()
def anchorspend(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """What every command shares."""


def say(message: str) -> None:
    """Tell how far a command is, with the seconds since it began, beside its result."""
    err.print(f"{time.monotonic() - _started:5.0f} s  {message}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def working(on: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being worked on, and for how long; gives what changes it. Elsewhere plain lines."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(on, total=None)
        yield (lambda now: progress.update(task, description=now)) if err.is_terminal else say


def examples(*commands: str) -> str:
    """The end of a command's help. A blank line keeps each example on a line of its own."""
    return "\n\n".join(["Examples:", *(f"  {one}" for one in commands)])


def print_json(found: Any) -> None:
    """Print a result for programs."""
    typer.echo(json.dumps(found, default=_plain, ensure_ascii=False, indent=2))


def _plain(cell: Any) -> str:
    """What JSON has no form for, as text: pounds and other decimals to the last digit, times by ISO 8601."""
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
