"""Files and folders that one process writes at a time; a lock goes with the process, also when that is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: nothing is guarded there
    fcntl = None  # type: ignore[assignment]

# The last is what a network file system says of a folder.
_WITHOUT = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
LOCKS = fcntl is not None
"""Whether this system has them."""


def lock(file: IO[Any]) -> None:
    """Wait until no other process has the file locked, and lock it until it is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def locked_folder(folder: Path) -> Iterator[bool]:
    """Lock a folder for a while, leaving nothing in it; False where another process has it locked."""
    if not LOCKS:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield lock_at_once(descriptor)
    finally:
        os.close(descriptor)


def lock_at_once(file: IO[Any] | int) -> bool:
    """Lock the file until it is closed; False where another process has. A file system without locks guards nothing."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
    return True
