"""Parity: a subnet's graph, in the engine, against the network that it was made from, on real inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..devices.errors import ExportError
from ..runtime.format.tasks import Task
from .deployed import Deployed

LOGITS_TOLERANCE = 1e-4
"""Largest error of raw outputs, relative to the output's range."""

DECODED_TOLERANCE = 1e-3
"""Error of decoded outputs at the 99.9th percentile, relative to the range (a vector of almost no length may turn
anywhere when it is normalised); for class ids, the share that differs (ties)."""


@dataclass(frozen=True)
class ErrorStatistics:
    """How one output differs: absolute errors, the range of the expected output, and what tolerance is held against."""

    shape: tuple[int, ...]
    largest: float
    mean: float
    p50: float
    p99: float
    p999: float
    range: float
    relative: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the relative error is within tolerance (NaN is not)."""
        return self.relative <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {**asdict(self), "shape": list(self.shape)}

    def __str__(self) -> str:
        shape = "x".join(str(size) for size in self.shape)
        return (
            f"shape {shape}, max {self.largest:.3g}, mean {self.mean:.3g}, p50 {self.p50:.3g}, p99 {self.p99:.3g}, "
            f"p99.9 {self.p999:.3g}, range {self.range:.3g}, relative {self.relative:.3g} (at most {self.tolerance:g})"
        )


Parity = dict[str, ErrorStatistics]
"""By output name: `T` decoded, `T/logits` raw."""


def expected_outputs(deployed: Deployed, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """What torch computes: outputs by name."""
    with torch.no_grad():
        outputs = deployed.eval()(torch.from_numpy(images))
    return {name: value.numpy() for name, value in zip(deployed.output_names, outputs, strict=True)}


def compare_outputs(
    tasks: Sequence[Task], expected: Mapping[str, NDArray[Any]], actual: Mapping[str, NDArray[Any]]
) -> Parity:
    """Statistics of every output of every task."""
    found: Parity = {}
    for task in tasks:
        logits = f"{task.name}/logits"
        found[task.name] = _decoded(task, expected[task.name], actual[task.name])
        found[logits] = _statistics(expected[logits], actual[logits], LOGITS_TOLERANCE, "largest")
    return found


def check_parity(what: str, parity: Parity) -> None:
    """Raise ExportError with the whole statistics of every output, where one is out of tolerance."""
    failed = [name for name, statistics in parity.items() if not statistics.passed]
    if failed:
        table = "; ".join(f"{name}: {statistics}" for name, statistics in parity.items())
        raise ExportError(
            f"{what} does not do what the network does ({', '.join(failed)}); nothing was written. {table}"
        )


def _decoded(task: Task, expected: NDArray[Any], actual: NDArray[Any]) -> ErrorStatistics:
    if task.kind == "segmentation":
        return _statistics(expected != 0, (expected != 0) ^ (expected != actual), DECODED_TOLERANCE, "mean")
    return _statistics(expected, actual, DECODED_TOLERANCE, "p999")


def _statistics(expected: NDArray[Any], actual: NDArray[Any], tolerance: float, judged: str) -> ErrorStatistics:
    if expected.shape != actual.shape:
        shapes = f"{list(actual.shape)} instead of {list(expected.shape)}"
        raise ExportError(f"the graph gives an output of shape {shapes}")
    wide = expected.astype(np.float64)
    errors = np.abs(wide - actual)
    span = 1.0 if judged == "mean" else max(float(np.ptp(wide)), 1e-6 * float(np.abs(wide).max()), 1e-12)
    values = {
        "largest": float(errors.max()),
        "mean": float(errors.mean()),
        **{name: float(np.quantile(errors, q)) for name, q in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))},
    }
    return ErrorStatistics(expected.shape, **values, range=span, relative=values[judged] / span, tolerance=tolerance)
