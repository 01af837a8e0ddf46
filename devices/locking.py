"""Files that one process writes at a time; the lock goes with the file, also when the process is killed."""

from __future__ import annotations

import errno
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: nothing is guarded there
    fcntl = None  # type: ignore[assignment]

_WITHOUT = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
LOCKS = fcntl is not None
"""Whether this system has them."""


def lock(file: IO[Any]) -> None:
    """Wait until no other process has the file locked, and lock it until it is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def lock_at_once(file: IO[Any]) -> bool:
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
