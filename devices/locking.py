"""Files and folders that one process writes at a time; a lock goes with the process, also when that is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def locked(file: IO[Any]) -> Iterator[None]:
    """Wait until no other process has the file locked, and lock it for a while."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
    with _given_back(file):
        yield


@contextmanager
def locked_folder(folder: Path) -> Iterator[bool]:
    """Lock a folder for a while, leaving nothing in it; False where another process has it locked."""
    if not LOCKS:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        mine = lock_at_once(descriptor)
        with _given_back(descriptor):
            yield mine
    finally:
        os.close(descriptor)


@contextmanager
def _given_back(file: IO[Any] | int) -> Iterator[None]:
    """Unlock at the end. A forked child has the file open too, and would keep the lock; nor may it give it away."""
    owner = os.getpid()
    try:
        yield
    finally:
        if fcntl is not None and os.getpid() == owner:
            with suppress(OSError):  # there are no locks here, which `lock_at_once` lets pass
                fcntl.flock(file, fcntl.LOCK_UN)


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
