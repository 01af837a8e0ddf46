"""The witness: a suite carries what its subnets answered to one image, so that a device can check itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...devices.errors import SuiteError
from .tasks import Task

MAX_SAMPLES = 100_000
# Two engines may break ties between classes differently; a wrong weight changes far more than this.
_DIFFERING_CLASSES = 0.01
# Where an output is nearly constant, rounding is not to look like an error.
_LEAST_SPREAD = 1e-3


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

        The mean difference of the samples, relative to how much they vary among themselves (their mean deviation from
        their mean), or the difference of the whole output's mean if it is larger: an output that says nothing is off
        by 1. Means, since in int8 one rounding that falls the other way moves a few values far. For class ids: the
        share of the samples that differ, of which 1 % are forgiven.
        """
        flat = output.reshape(-1)
        if self.indices.min() < 0 or self.indices.max() >= flat.size:
            return float("inf")
        samples, wanted = flat[self.indices].astype(np.float64), self.values.astype(np.float64)
        if self.task.kind == "segmentation":
            share = float(np.mean(samples != wanted))
            return share if share > _DIFFERING_CLASSES else 0.0
        spread = float(np.abs(wanted - wanted.mean()).mean())
        scale = max(spread, _LEAST_SPREAD * float(np.abs(wanted).max()), 1e-12)
        difference = float(np.abs(samples - wanted).mean())
        worst = max(difference, abs(float(flat.mean(dtype=np.float64)) - float(self.summary[2]))) / scale
        # A NaN anywhere makes the mean one.
        return worst if np.isfinite(worst) and np.isfinite(flat.mean()) else float("inf")


def compare(witnesses: list[Witness], outputs: dict[str, np.ndarray[Any, Any]], tolerance: float, what: str) -> float:
    """The largest error over tasks; SuiteError when it is beyond `tolerance`."""
    worst = 0.0
    for witness in witnesses:
        name = witness.task.name
        error = witness.error(outputs[name])
        if not error <= tolerance:
            raise SuiteError(
                f"{what} does not answer its witness here: {name} is off by {error:.3g} of its variation "
                f"(tolerance {tolerance:g}); damaged file or wrong engine: run `pliant verify`"
            )
        worst = max(worst, error)
    return worst
