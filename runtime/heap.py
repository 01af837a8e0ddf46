"""Memory that sessions leave behind, handed back to the system when nothing waits for it.

glibc keeps what was freed. Handing it back takes up to 20 ms, and the next session, which would have found it warm,
then meets a fault for every page of it: of switches to and fro between the widest subnets it was half of the time.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time

from .forking import renew_in_children

REST_S = 0.5
"""Seconds without a session made or freed, after which memory is handed back."""
MOST_S = 10.0
"""Seconds after which it is handed back though there was no rest: what is free must not lie scattered for ever."""


class _Releaser:
    """One thread at most, which waits until there has been rest."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # signal handlers close models too
        self._due = self._latest = 0.0
        self._waiting = self._owed = False
        renew_in_children(self)

    def soon(self) -> None:
        """Have memory handed back after a rest that begins now."""
        if sys.is_finalizing():  # a thread that is started now is never seen again, and whoever starts it waits for it
            return
        with self._lock:
            now = time.monotonic()
            if not self._waiting:
                self._latest = now + MOST_S
            self._due = min(now + REST_S, self._latest)
            self._owed = True
            if self._waiting:
                return
            self._waiting = True
        try:
            threading.Thread(target=self._wait, name="pliant-heap", daemon=True).start()
        except RuntimeError:  # there are too many threads
            self._waiting = False
            self.now()

    def now(self) -> None:
        """Hand memory back; what was to be done later is done."""
        with self._lock:
            self._owed = False
        _trim()

    def _wait(self) -> None:
        while (left := self._left()) > 0:
            time.sleep(left)

    def _left(self) -> float:
        """Seconds to wait; after them, once, what is owed."""
        with self._lock:
            left = self._due - time.monotonic()
            if left > 0:
                return left
            owed, self._owed, self._waiting = self._owed, False, False
        if owed:
            _trim()
        return 0.0

    def _after_fork(self) -> None:
        """The thread stayed in the parent."""
        self._lock, self._waiting = threading.RLock(), False


def _trim() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


_RELEASER = _Releaser()


def release_memory() -> None:
    """Hand freed memory back to the system at once, before what must not be disturbed (glibc's; elsewhere nothing)."""
    _RELEASER.now()


def release_soon() -> None:
    """Hand freed memory back after half a second without another call of this, or ten seconds; never waits."""
    _RELEASER.soon()
