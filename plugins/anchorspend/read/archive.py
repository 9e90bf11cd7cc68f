"""The files in a zip, one after the other. Nothing is extracted under a name the zip gives."""

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from anchorspend.read.base import Held

LARGEST = 3 << 30  # unpacked bytes of one file we read: the register of companies, the largest, has 2.6 billion
_MOST_MEMBERS = 1_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file in a zip, unpacked to a temporary file that has no name."""

    name: str
    file: BinaryIO


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """A zip by its directory. Raises `Held` when it is broken, locked, or claims to unpack to more than we read."""
    try:
        file.seek(0)
        package = zipfile.ZipFile(file)
        infos = package.infolist()
    except Exception as problem:  # a damaged directory fails in as many ways as it has fields
        raise _broken(problem) from None
    if any(info.flag_bits & 1 for info in infos):
        raise Held("the zip is locked with a password; ask the publisher for it without one")
    size = sum(info.file_size for info in infos)
    if size > LARGEST:
        raise Held(f"the zip unpacks to {size:,} bytes, more than the {LARGEST:,} we read; split the file")
    return package


def verify(package: zipfile.ZipFile) -> None:
    """Unpack everything once and forget it: a member that is damaged, or larger than the directory says, is `Held`.

    For readers that unpack by themselves and would believe the directory.
    """
    for info in package.infolist():
        for _ in _blocks(package, info):
            pass


def members(package: zipfile.ZipFile, pattern: str, temporary: contextlib.ExitStack) -> list[Member]:
    """The files whose whole name fits, in the order of the zip; `temporary` closes them. Raises `Held` if none fits."""
    infos = [info for info in package.infolist() if not _is_no_file(info.filename)]
    wanted = [info for info in infos if re.fullmatch(pattern, info.filename)]
    names = [info.filename for info in wanted]
    if not wanted:
        shown = ", ".join(info.filename for info in infos[:10]) or "nothing"
        raise Held(f"no file in the zip fits `members: {pattern}`; it holds {shown}")
    if twice := {name for name in names if names.count(name) > 1}:
        raise Held(f"the zip holds {sorted(twice)[0]!r} twice; ask the publisher which one counts")
    if len(wanted) > _MOST_MEMBERS:
        raise Held(f"the zip holds {len(wanted):,} files; write in `members` which of them are meant")
    return [Member(info.filename, _unpacked(package, info, temporary)) for info in wanted]


def _unpacked(package: zipfile.ZipFile, info: zipfile.ZipInfo, temporary: contextlib.ExitStack) -> BinaryIO:
    file = cast(BinaryIO, temporary.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  # the stack closes it
    for block in _blocks(package, info):
        file.write(block)
    file.seek(0)
    return file


def _blocks(package: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    # The zipfile module gives no more than the size in the directory, and checks the sum of what it gave.
    try:
        with package.open(info) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except Exception as problem:
        raise _broken(problem).inside(info.filename) from None


def _is_no_file(name: str) -> bool:
    """A folder, or what an Apple computer packs beside the files."""
    return name.endswith("/") or name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")


def _broken(problem: Exception) -> Held:
    return Held(f"the zip cannot be unpacked: {problem!r}; ask the publisher for it again")
