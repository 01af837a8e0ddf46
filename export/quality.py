"""Quality per task, measured with the engine's outputs on labelled images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices.errors import DataError
from ..models.metrics import Metric
from ..runtime.format.tasks import Task
from ..training.data.sample import Dataset
from .settings import BATCH

Run = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Labelled:
    """Images with their targets, in memory: read once, used for every subnet."""

    images: NDArray[np.uint8]
    targets: tuple[dict[str, NDArray[Any]], ...]

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.uint8], tuple[dict[str, NDArray[Any]], ...]]]:
        """Images (n, H, W, 3) and their targets, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.images[start : start + size], self.targets[start : start + size]


def read_labelled(dataset: Dataset, count: int, image_size: tuple[int, int], tasks: Sequence[Task] = ()) -> Labelled:
    """`count` samples (or all) spread evenly over the data set, since neighbours of a film are alike.

    Raises DataError where there are none, where they are of another size, or where one of `tasks` is labelled nowhere.
    """
    count = min(count, len(dataset))
    samples = [dataset[index * len(dataset) // count] for index in range(count)]
    if not samples:
        raise DataError(f"{dataset.name} has no images here: give at least one")
    for sample in samples:
        if sample.image.shape != (*image_size, 3):
            height, width = image_size
            shape = list(sample.image.shape)
            raise DataError(f"{dataset.name} gives images of shape {shape}; the network takes [{height}, {width}, 3]")
    for task in tasks:
        if all(task.name not in sample.targets for sample in samples):
            raise _unlabelled(task.name, len(samples))
    return Labelled(np.stack([sample.image for sample in samples]), tuple(sample.targets for sample in samples))


def read_calibration(
    dataset: Dataset, count: int, image_size: tuple[int, int], batch: int = BATCH
) -> tuple[NDArray[np.uint8], ...]:
    """Batches of `count` images for ranges, as they are and spread over the training data: a search calibrates on them
    too, so that what it judges is what is exported.
    """
    images = read_labelled(dataset, count, image_size)
    return tuple(each for each, _ in images.batches(batch))


def measure_quality(
    run: Run, tasks: Sequence[Task], data: Labelled, batch: int = 8, *, finite: bool = True
) -> dict[str, float]:
    """The metric of each task over all images; DataError where a task is labelled nowhere, or answers are not finite.

    Unless `finite`: then such a task's metric is NaN.
    """
    metrics = {task.name: Metric(task) for task in tasks}
    lost: set[str] = set()
    for images, targets in data.batches(batch):
        outputs = run(images)
        lost.update(name for name in metrics if not np.isfinite(outputs[name]).all())
        for index, labels in enumerate(targets):
            for name, target in labels.items():
                if name in metrics:
                    metrics[name].update(outputs[name][index : index + 1], np.asarray(target)[None])
    if lost and finite:
        raise DataError(
            f"the answers for {min(lost)!r} are not finite: in fp16 some layer may overflow, and stays in fp32 with "
            "quantize.max_drop; in fp32 the training diverged"
        )
    found = {name: math.nan if name in lost else float(metric.value()) for name, metric in metrics.items()}
    for name, value in found.items():
        if name not in lost and not math.isfinite(value):
            raise _unlabelled(name, len(data))
    return found


def _unlabelled(task: str, count: int) -> DataError:
    return DataError(f"none of the {count} quality images is labelled for {task!r}: give more, or other ones")
