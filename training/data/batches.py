"""Batches of tensors, in an order and with changes that depend on (seed, epoch, index) only.

Nothing is remembered between steps: a run that was killed asks for the same epoch from the step
where it stopped, and gets what it would have got.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...devices.errors import DataError
from ...runtime.format.tasks import Kind, Task
from .augment import Augment, Changes, augmented, is_small
from .sample import IGNORED, Dataset, Sample, target_shape

_TYPES: dict[Kind, type[np.generic]] = {
    "segmentation": np.int64,
    "depth": np.float32,
    "normals": np.float32,
    "edges": np.float32,
    "classification": np.int64,
}
# Random streams are told apart by their first number: SeedSequence ignores trailing zeros.
_ORDER, _CHANGE = 1, 2


@dataclass(frozen=True)
class Batch:
    """`images` uint8 (N,H,W,3) and, for every task, a target of the whole batch, all contiguous.

    Segmentation int64 (N,H,W), 255 = ignore; depth float32 (N,H,W), 0 = not measured; normals
    float32 (N,H,W,3), 0,0,0 = none; edges float32 (N,H,W) 0 or 1, 255 = ignore; classification
    int64 (N,), -1 = not labelled.
    """

    images: Tensor
    targets: dict[str, Tensor]

    def __len__(self) -> int:
        return int(self.images.shape[0])


def collate(samples: Sequence[Sample], tasks: Sequence[Task]) -> Batch:
    """A batch of samples of one size; what is not labelled holds the ignore value of its task.

    Raises DataError for no samples, samples of several sizes, or a target of a wrong shape.
    """
    if not samples:
        raise DataError("a batch needs at least one sample: ask for a larger data set or a smaller start")
    shapes = {sample.image.shape for sample in samples}
    if len(shapes) > 1:
        raise DataError(f"images of the sizes {sorted(shapes)} cannot be one batch: open the data with `size`")
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    return Batch(images, {task.name: torch.from_numpy(_stack(samples, task)) for task in tasks})


def batches_per_epoch(dataset: Dataset, batch_size: int) -> int:
    """How many batches `epoch_batches` gives: full ones, or a single smaller one."""
    return steps_per_epoch(len(dataset), batch_size)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """The same of so many images."""
    return max(1, images // batch_size)


def epoch_batches(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    epoch: int,
    augment: Changes | bool = True,
    *,
    start: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """The batches of one epoch in random order, from step `start` on; what is skipped is not read.

    `share` (k, n) gives the k-th of n parts of each batch, as equal as can be; together they are the batch.

    Samples that fill no batch are left out this time (a batch of one would break batch norm); a
    data set smaller than a batch is one batch. `augment=True` means `Augment()`, without changes of
    colour for small images. Raises DataError for a batch size below one or an empty data set.
    """
    if batch_size < 1 or len(dataset) == 0 or start < 0:
        raise DataError(f"no batches of {batch_size} from {len(dataset)} samples at step {start}: all must be positive")
    order = np.random.default_rng((_ORDER, seed, epoch)).permutation(len(dataset))
    steps = range(start, batches_per_epoch(dataset, batch_size))
    changes = _changes(dataset, augment)
    return (
        _changed_batch(
            dataset, _part(order[step * batch_size : (step + 1) * batch_size], share), changes, (seed, epoch)
        )
        for step in steps
    )


def _part(indices: npt.NDArray[np.int64], share: tuple[int, int]) -> npt.NDArray[np.int64]:
    number, parts = share
    return indices[len(indices) * number // parts : len(indices) * (number + 1) // parts]


def _changes(dataset: Dataset, augment: Changes | bool) -> Changes | None:
    if not isinstance(augment, bool):
        return augment
    if not augment:
        return None
    return Augment(jitter=0.0) if is_small(dataset[0].image.shape[:2]) else Augment()


def _changed_batch(
    dataset: Dataset, indices: npt.NDArray[np.int64], changes: Changes | None, key: tuple[int, int]
) -> Batch:
    kinds = {task.name: task.kind for task in dataset.tasks}
    samples = []
    for index in indices.tolist():
        sample = dataset[index]
        if changes is not None:
            sample = augmented(sample, kinds, changes, np.random.default_rng((_CHANGE, *key, index)))
        samples.append(sample)
    return collate(samples, dataset.tasks)


def _stack(samples: Sequence[Sample], task: Task) -> npt.NDArray[Any]:
    shape = target_shape(task.kind, samples[0].image.shape[:2])
    stacked = np.full((len(samples), *shape), IGNORED[task.kind], dtype=_TYPES[task.kind])
    for number, sample in enumerate(samples):
        target = sample.targets.get(task.name)
        if target is None:
            continue
        if target.shape != shape:
            raise DataError(
                f"a target of {task.name!r} has the shape {target.shape}, its image asks for {shape}: "
                "give labels of the size of the image"
            )
        stacked[number] = target
    return stacked
