"""Plans without weights: built where the vendor's version can, filled from the suite when they are loaded.

A plan of its own for every subnet, but the weights only once, in the suite. NVIDIA's own ONNX refitter fills them, for
only its parser knows what it made of a graph's arrays (batch norms become two vectors of other names).
`REFIT_IDENTICAL` says that they are those of the build: plain `REFIT` is known to lose a bias in TensorRT 11.3 (its
release notes).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...devices.errors import EngineUnavailable
from .bindings import Bindings, last_said
from .parsing import complaints, give

_FLAGS = ("STRIP_PLAN", "REFIT_IDENTICAL")


def can_strip(bindings: Bindings) -> bool:
    """Whether this version has what stripped plans need; whether one works is tried after it was built."""
    trt = bindings.module
    return hasattr(trt, "OnnxParserRefitter") and all(name in trt.BuilderFlag.__members__ for name in _FLAGS)


def strip(trt: Any, config: Any) -> None:
    """Have the builder leave the weights out."""
    for name in _FLAGS:
        config.set_flag(getattr(trt.BuilderFlag, name))


def refit(
    trt: Any, engine: Any, logger: Any, graph: bytes, arrays: Mapping[str, np.ndarray[Any, Any]], what: str
) -> None:
    """Fill an engine that was built of `graph` without weights; EngineUnavailable where it will not be filled."""
    refitter = trt.Refitter(engine, logger)
    parser = trt.OnnxParserRefitter(refitter, logger)
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        with tempfile.TemporaryDirectory() as folder:
            given = give(parser, graph, kept, Path(folder), verb="refit")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise EngineUnavailable(
            f"{what} cannot be filled with its weights: {where}{error.strerror or error}"
        ) from error
    missing = refitter.get_missing_weights()
    if not given or missing or not refitter.refit_cuda_engine():
        why = complaints(parser) or (f"{missing[0]!r} is missing" if missing else last_said(logger.said))
        raise EngineUnavailable(f"{what} cannot be filled with its weights: {why[:300]}")
