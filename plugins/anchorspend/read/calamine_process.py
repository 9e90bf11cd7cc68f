"""A workbook on standard input to pickled rows on standard output, in a process of its own.

Calamine ends the whole process over some damaged files, and a few cells far apart can ask for all the memory there is:
here that costs this process and no other. It is started as a script and imports nothing of the project.

First comes every sheet as (name, is hidden), then, for each sheet whose name fits the pattern in the argument, frames
of (its number among all sheets, some rows, or None at its end). In place of any of these, a text is the reason to stop.
"""

import io
import pickle
import re
import resource
import sys
from itertools import islice
from typing import BinaryIO

import python_calamine

_MEMORY, _SECONDS = 4 << 30, 900
_CHUNK = 500  # rows sent at a time


def main(pattern: str, source: BinaryIO, target: BinaryIO) -> None:
    """Send the sheets of a workbook."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    book = python_calamine.load_workbook(io.BytesIO(source.read()))
    about = [one for one in book.sheets_metadata if one.typ is python_calamine.SheetTypeEnum.WorkSheet]
    visible = python_calamine.SheetVisibleEnum.Visible
    pickle.dump([(one.name, one.visible is not visible) for one in about], target)
    for number, one in enumerate(about):
        if not re.fullmatch(pattern, one.name):
            continue
        sheet = book.get_sheet_by_name(one.name)
        if sheet.start is not None:
            # Columns that are empty down to the last row are left out; rows are not.
            margin = [""] * sheet.start[1]
            rows = ([*margin, *row] for row in sheet.iter_rows())
            while chunk := list(islice(rows, _CHUNK)):
                pickle.dump((number, chunk), target)
        pickle.dump((number, None), target)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
    except BaseException as problem:  # a panic in calamine is no Exception
        pickle.dump(
            "locked" if isinstance(problem, python_calamine.PasswordError) else repr(problem), sys.stdout.buffer
        )
