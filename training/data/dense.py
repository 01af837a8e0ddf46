"""Data sets of pictures with a label at every pixel, kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.tasks import Task
from .files import Pictures
from .resize import resize_image, resize_target
from .sample import Sample

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Labels:
    """A task's labels as stored, (N,H,W,...), and how one (h,w,...) becomes a target."""

    task: Task
    values: Array
    decode: Callable[[Array], Array] = np.asarray


class DenseDataset:
    """Pictures `which` (indices into the file) with their labels, at `size` or as stored.

    Decoded pictures are kept, as uint8 at the size asked for.
    """

    def __init__(
        self,
        name: str,
        pictures: Pictures,
        labels: tuple[Labels, ...],
        which: npt.NDArray[np.int64],
        size: tuple[int, int] | None,
    ):
        fitting = all(len(label.values) == len(pictures) for label in labels)
        if not fitting or len(which) == 0 or which.max() >= len(pictures):
            raise DataError(f"the labels of {name} do not fit its pictures: copy its file again (docs/data.md)")
        self.name = name
        self.tasks: tuple[Task, ...] = tuple(label.task for label in labels)
        self._pictures, self._labels, self._which = pictures, labels, which
        self._size = size or labels[0].values.shape[1:3]
        self._decoded: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self._which)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        place = int(self._which[index])
        if place not in self._decoded:
            self._decoded[place] = resize_image(self._pictures[place], self._size)
        targets = {
            label.task.name: label.decode(resize_target(label.values[place], label.task.kind, self._size))
            for label in self._labels
        }
        return Sample(self._decoded[place].copy(), targets)


def spread(which: npt.NDArray[np.int64], count: int | None, name: str) -> npt.NDArray[np.int64]:
    """`count` of the indices, evenly spaced: neighbours in a film are nearly the same picture."""
    if count is None:
        return which
    if not 0 < count <= len(which):
        raise DataError(f"{name} has {len(which)} pictures in this split, not {count}: ask for 1 to {len(which)}")
    return which[np.arange(count) * len(which) // count]


def to_metres(millimetres: Array) -> npt.NDArray[np.float32]:
    """uint16 millimetres to float32 metres, 0 staying 0."""
    return millimetres.astype(np.float32) * np.float32(1e-3)


def to_unit(coded: Array) -> npt.NDArray[np.float32]:
    """int8 vectors (H,W,3) to float32 of length one, 0,0,0 staying so."""
    vectors = coded.astype(np.float32)
    square = vectors[..., 0] ** 2 + vectors[..., 1] ** 2 + vectors[..., 2] ** 2
    return np.asarray(vectors * (1.0 / np.sqrt(np.maximum(square, 1.0)))[..., None], dtype=np.float32)
