"""The witness: what every subnet answers to one image, so that a device can check itself after loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.tasks import Task

SAMPLES = 256

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 8e-2}
"""Error relative to the output's range that another machine may have; for class ids the share of samples that differ.

fp32 differs by the order of sums only. In int8 one rounding may fall the other way and shift what follows by a step,
and processors without VNNI saturate where others do not.
"""


def choose_indices(tasks: Sequence[Task], outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.int64]]:
    """Flat positions in each task's decoded output of one image: at most SAMPLES, spread at random, always the same."""
    indices = {}
    for task in tasks:
        size = outputs[task.name].size
        chosen = np.random.default_rng(0).choice(size, min(SAMPLES, size), replace=False)
        indices[task.name] = np.sort(chosen).astype(np.int64)
    return indices


def witness_arrays(
    tasks: Sequence[Task], indices: Mapping[str, NDArray[np.int64]], outputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """A subnet's record entries: `<task>` sampled values, `<task>/summary` [min, max, mean] of its decoded output."""
    arrays: dict[str, NDArray[np.float32]] = {}
    for task in tasks:
        flat = outputs[task.name].reshape(-1).astype(np.float32)
        arrays[task.name] = flat[indices[task.name]]
        mean = flat.mean(dtype=np.float64)
        arrays[f"{task.name}/summary"] = np.array([flat.min(), flat.max(), mean], np.float32)
    return arrays
