"""Models in a forked child: an engine's threads stay behind, so the child's models build sessions of their own."""

from __future__ import annotations

import ctypes
import functools
import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Model

_MODELS: weakref.WeakSet[Model] = weakref.WeakSet()


def renew_in_children(model: Model) -> None:
    """Have the copy of this model in a forked child let go of its session."""
    _register()
    _MODELS.add(model)


@functools.cache
def _register() -> None:
    os.register_at_fork(after_in_child=_renew)


def _renew() -> None:
    for model in list(_MODELS):
        session = model._after_fork()
        if session is not None:
            # Never freed: onnxruntime would wait for threads that are not in this process.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session.engine))
