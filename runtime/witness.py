"""The witness: a suite carries what its subnets answered to one image, so that a device can check itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..devices.errors import SuiteError
from .tasks import Task

MAX_SAMPLES = 100_000
# Two engines may break ties between classes differently; a wrong weight changes far more than this.
_DIFFERING_CLASSES = 0.01
_WITHIN = 0.99


@dataclass(frozen=True)
class Witness:
    """What one subnet is to answer for one task: `values` at the flat `indices` of the decoded output, and the
    output's minimum, maximum and mean."""

    task: Task
    indices: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]
    summary: np.ndarray[Any, Any]

    def __post_init__(self) -> None:
        sound = (
            self.indices.dtype == np.int64
            and self.values.dtype == self.summary.dtype == np.float32
            and self.indices.ndim == 1
            and 0 < self.indices.size <= MAX_SAMPLES
            and self.values.shape == self.indices.shape
            and self.summary.shape == (3,)
            and np.isfinite(self.values).all()
            and np.isfinite(self.summary).all()
        )
        if not sound:
            raise SuiteError(f"the witness of task {self.task.name!r} is damaged")

    def error(self, output: np.ndarray[Any, Any]) -> float:
        """How far `output`, decoded, of the batch of one, is from the witness; infinite when it cannot be compared.

        Relative to the range of the output, at the 99th percentile of the samples, or that of the mean if it is
        larger. For class ids: the share of the samples that differ, of which 1 % are forgiven.
        """
        flat = output.reshape(-1)
        if self.indices.min() < 0 or self.indices.max() >= flat.size:
            return float("inf")
        samples = flat[self.indices].astype(np.float64)
        if self.task.kind == "segmentation":
            share = float(np.mean(samples != self.values))
            return share if share > _DIFFERING_CLASSES else 0.0
        low, high, mean = (float(value) for value in self.summary)
        scale = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-12)
        errors = np.append(np.quantile(np.abs(samples - self.values), _WITHIN), abs(flat.mean(dtype=np.float64) - mean))
        worst = float(errors.max()) / scale
        return worst if np.isfinite(worst) else float("inf")


def compare(witnesses: list[Witness], outputs: dict[str, np.ndarray[Any, Any]], tolerance: float, what: str) -> float:
    """The largest error over tasks; SuiteError when it is beyond `tolerance`."""
    worst = 0.0
    for witness in witnesses:
        name = witness.task.name
        error = witness.error(outputs[name])
        if not error <= tolerance:
            raise SuiteError(
                f"{what} does not answer its witness here: {name} is off by {error:.3g} of its range "
                f"(tolerance {tolerance:g}); damaged file or wrong engine: run `pliant verify`"
            )
        worst = max(worst, error)
    return worst
