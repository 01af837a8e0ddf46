"""Plans without weights: built where the vendor's version can, filled from the suite when they are loaded.

A plan of its own for every subnet, but the weights only once, in the suite. `REFIT_IDENTICAL` says that they are the
ones that it was built with: plain `REFIT` is known to lose a bias in TensorRT 11.3 (its release notes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...devices.errors import EngineUnavailable
from .bindings import Bindings, last_said

_FLAGS = ("STRIP_PLAN", "REFIT_IDENTICAL")


def can_strip(bindings: Bindings) -> bool:
    """Whether this version has what stripped plans need; whether one works is tried after it was built."""
    trt = bindings.module
    return hasattr(trt, "Refitter") and all(name in trt.BuilderFlag.__members__ for name in _FLAGS)


def strip(trt: Any, config: Any) -> None:
    """Have the builder leave the weights out."""
    for name in _FLAGS:
        config.set_flag(getattr(trt.BuilderFlag, name))


def refit(trt: Any, engine: Any, logger: Any, weights: Mapping[str, np.ndarray[Any, Any]], what: str) -> None:
    """Fill an engine with `weights`, by their names in the graph; EngineUnavailable where one is missing or refused."""
    refitter = trt.Refitter(engine, logger)
    for name in refitter.get_all_weights():
        array = weights.get(name)
        if array is None or not refitter.set_named_weights(name, trt.Weights(array)):
            why = "it is not in the suite" if array is None else last_said(logger.said)
            raise EngineUnavailable(f"{what} cannot be filled with {name!r}: {why}")
    missing = refitter.get_missing_weights()
    if missing or not refitter.refit_cuda_engine():
        why = f"{missing[0]!r} is missing" if missing else last_said(logger.said)
        raise EngineUnavailable(f"{what} cannot be filled with its weights: {why}")
