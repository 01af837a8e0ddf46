"""What a model file is worth: quality by task, time against fp32 in the same turns, size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pliant.devices.errors import DataError
from pliant.export.mixing import relative_drop
from pliant.export.quality import Labelled, measure_quality
from pliant.runtime.format.tasks import Task

QUANTILE = 0.1


@dataclass(frozen=True)
class Judged:
    """`quality` by task, NaN where outputs are not finite; `bytes` of the file."""

    quality: dict[str, float]
    bytes: int


class Session:
    """A model file in onnxruntime, one thread."""

    def __init__(self, path: Path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        return dict(zip(self._names, self._session.run(None, {"images": images}), strict=True))


def judge(path: Path, tasks: tuple[Task, ...], data: Labelled) -> tuple[Session, Judged]:
    """Load and measure a file."""
    session = Session(path)

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        outputs = session(images)
        return {task.name: _unit(task, outputs[task.name]) for task in tasks}

    quality = {}
    for task in tasks:
        try:
            quality[task.name] = measure_quality(run, [task], data)[task.name]
        except DataError:  # every image is labelled, so it is the output that is no number
            quality[task.name] = math.nan
    return session, Judged(quality, path.stat().st_size)


def _unit(task: Task, output: NDArray[Any]) -> NDArray[Any]:
    """Normals as unit vectors: a peer that quantizes their decoding too gives longer ones, which are not better."""
    if task.kind != "normals":
        return output
    lengths = np.linalg.norm(output.astype(np.float64), axis=-1, keepdims=True)
    return output / np.where(lengths > 0, lengths, 1.0)


def losses(tasks: tuple[Task, ...], fp32: Judged, found: Judged) -> dict[str, float]:
    """How much worse than in fp32, as a share; negative where better."""
    return {task.name: relative_drop(task, fp32.quality[task.name], found.quality[task.name]) for task in tasks}
