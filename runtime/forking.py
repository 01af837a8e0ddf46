"""Forked children: another thread's lock is never opened there, and an engine's threads stay behind in the parent.

So a child's copies of open files and models start afresh: with locks of their own, and models with sessions of their
own, which the first call builds.
"""

from __future__ import annotations

import ctypes
import functools
import os
import weakref
from typing import Any, Protocol


class Renewed(Protocol):
    """What starts afresh in a forked child."""

    def _after_fork(self) -> Any:
        """Called in the child; returns what must never be freed there, or None."""


_KNOWN: weakref.WeakSet[Renewed] = weakref.WeakSet()


def renew_in_children(thing: Renewed) -> None:
    """Have `thing` told in every child that is forked while it is there."""
    _register()
    _KNOWN.add(thing)


@functools.cache
def _register() -> None:
    os.register_at_fork(after_in_child=_renew)


def _renew() -> None:
    for thing in list(_KNOWN):
        kept = thing._after_fork()
        if kept is not None:
            # One reference more than there are, so that the end of the process does not free it either.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
