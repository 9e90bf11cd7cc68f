"""The command line, a module for each panel of its help.

docs/reference/exit_codes.md says what every command keeps to; each command's help has its examples.
"""

import sys
import traceback

# Commands stand in the help in the order in which they are read here.
# isort: off
from anchorspend.cli import first_steps, load, look, review, publish, operate  # noqa: F401

# isort: on
from anchorspend.cli.base import FIRST, LOAD, LOOK, OPERATE, PUBLISH, REVIEW, app, err, out
from anchorspend.errors import UserError

__all__ = ["FIRST", "LOAD", "LOOK", "OPERATE", "PUBLISH", "REVIEW", "app", "main", "out"]


def main() -> None:
    """Run the command line; what a person can put right is said plainly, without a traceback."""
    try:
        app()
    except UserError as problem:
        err.print(str(problem), style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
    except Exception:  # not 1, which says that the command did its work
        traceback.print_exc()
        sys.exit(3)
