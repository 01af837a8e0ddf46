"""The witness: what every subnet answers to one image, so that a device can check itself after loading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.format.tasks import Task
from ..runtime.format.witness import Witness

SAMPLES = 256

FP32_TOLERANCE = 1e-3
"""fp32 differs between machines by the order of sums only."""

TOLERANCES = {"int8": (0.1, 0.5), "fp16": (0.01, 0.1)}
"""Least and greatest of a suite; an output that says nothing is off by 1, and shall not pass."""


def tolerances(precisions: Iterable[str], errors: Mapping[str, float]) -> dict[str, float]:
    """What another machine's answer may differ by, per precision: a share of the output's variation, or of class ids.

    In int8 another engine version rounds elsewhere, and what an output loses by that is of the size of what it lost
    by quantization at all; in fp16 it may add up in another precision. So all int8 (fp16) subnets of a suite may differ
    by one and a half times `errors` of int8 (fp16), the largest distance of any subnet and task between its answers in
    that and in fp32, but within TOLERANCES.
    """

    def of(precision: str) -> float:
        if precision not in TOLERANCES:
            return FP32_TOLERANCE
        least, greatest = TOLERANCES[precision]
        return round(min(max(1.5 * errors.get(precision, 0.0), least), greatest), 3)

    return {precision: of(precision) for precision in precisions}


def answer_error(
    tasks: Sequence[Task],
    indices: Mapping[str, NDArray[np.int64]],
    witness: Mapping[str, NDArray[np.float32]],
    outputs: Mapping[str, NDArray[Any]],
) -> float:
    """How far outputs of the witness's image are from a witness, as the runtime judges it; the largest of the tasks."""
    return max(
        Witness(task, indices[task.name], witness[task.name], witness[f"{task.name}/summary"]).error(outputs[task.name])
        for task in tasks
    )


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
