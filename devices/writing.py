"""Files that appear whole or not at all: written beside their place, put on the disk, then renamed."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))


@contextmanager
def named(path: Path) -> Iterator[None]:
    """A disk that is full while `path` is written does not say where that was: have its error say it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            error.filename = str(path)
        raise


def file_in_place_of(folder: Path) -> Path | None:
    """The file that has the name of a folder to be, or of one above it; None where there is none."""
    return next((each for each in (folder, *folder.parents) if os.path.isfile(each)), None)


def why_no_folder(folder: Path, error: OSError) -> str:
    """Why a folder cannot be made or written into, for a line that has named it."""
    file = file_in_place_of(folder)
    if file is not None:
        return f"{'it' if file == folder else file} is a file, not a folder"
    return error.strerror or str(error)


@contextmanager
def beside(path: Path) -> Iterator[IO[bytes]]:
    """A new file in the folder of `path`, with the user's permissions; gone afterwards unless it was renamed."""
    # Not tempfile: its files are readable by their owner alone, whatever the umask says.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        with named(path), open(temporary, "xb") as file:
            yield file
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(path: Path) -> Iterator[Path]:
    """What writers of `path` that were killed left beside it; those of living ones too."""
    return path.parent.glob(f".{glob.escape(path.name)}.*.part")


def onto_disk(file: IO[bytes]) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a process killed in the middle, sees either the old content or the new."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with beside(path) as file:
        file.write(data)
        onto_disk(file)
        os.replace(file.name, path)
