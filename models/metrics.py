"""Quality of each kind of task, gathered batch by batch; numpy only, so that it judges any engine's outputs.

segmentation: mean intersection over union of the classes that occur in truth or answers, over the whole set. depth:
root mean square error in metres over all measured pixels (not the mean of images' errors). normals: mean angle in
degrees. edges: F1 of pixels at probability 0.5, without tolerance. classification: share of labelled images whose first
choice is right.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.format.tasks import Task

Array = NDArray[Any]


class Metric:
    """Streaming metric of one task: `update` with decoded outputs and targets, then `value`.

    Shapes are those of `runtime.format.tasks`, with a leading batch axis.
    """

    def __init__(self, task: Task):
        self.task = task
        classes = max(1, len(task.classes))
        self._confusion = np.zeros((classes, classes), np.int64)
        self._total = 0.0
        self._count = 0

    def update(self, output: Array, target: Array) -> None:
        """Add a batch."""
        output, target = np.asarray(output), np.asarray(target)
        getattr(self, f"_update_{self.task.kind}")(output, target)

    def value(self) -> float:
        """The metric so far; NaN when nothing was labelled."""
        if self.task.kind == "segmentation":
            return self._mean_iou()
        if self.task.kind == "edges":
            return self._f1()
        if not self._count:
            return math.nan
        mean = self._total / self._count
        return math.sqrt(mean) if self.task.kind == "depth" else mean

    def _update_segmentation(self, output: Array, target: Array) -> None:
        valid = target != 255
        classes = len(self._confusion)
        pairs = target[valid].astype(np.int64) * classes + output[valid].astype(np.int64)
        self._confusion += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def _mean_iou(self) -> float:
        hits = np.diag(self._confusion)
        union = self._confusion.sum(0) + self._confusion.sum(1) - hits
        occurs = union > 0
        return float((hits[occurs] / union[occurs]).mean()) if occurs.any() else math.nan

    def _update_depth(self, output: Array, target: Array) -> None:
        valid = target > 0
        error = output[valid].astype(np.float64) - target[valid]
        self._total += float((error**2).sum())
        self._count += int(valid.sum())

    def _update_normals(self, output: Array, target: Array) -> None:
        valid = np.abs(target).sum(-1) > 0
        truth = target[valid].astype(np.float64)
        truth /= np.linalg.norm(truth, axis=-1, keepdims=True)
        cosine = (output[valid] * truth).sum(-1).clip(-1.0, 1.0)
        self._total += float(np.degrees(np.arccos(cosine)).sum())
        self._count += int(valid.sum())

    def _update_edges(self, output: Array, target: Array) -> None:
        valid = target != 255
        found, truth = output[valid] >= 0.5, target[valid] > 0
        hits = int((found & truth).sum())
        self._confusion += np.array([[hits]])
        self._total += float(found.sum() + truth.sum())
        self._count += int(valid.sum())

    def _f1(self) -> float:
        if not self._count:
            return math.nan
        return 2.0 * float(self._confusion[0, 0]) / self._total if self._total else 1.0

    def _update_classification(self, output: Array, target: Array) -> None:
        labelled = target >= 0
        self._total += float((output[labelled].argmax(-1) == target[labelled]).sum())
        self._count += int(labelled.sum())
