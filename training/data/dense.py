"""Films: pictures with a label at every pixel, in one .npz, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.format.tasks import Task
from .files import Form, Pictures, check_names, find, read
from .kept import Kept
from .resize import resize_image, resize_target
from .sample import Sample

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Labels:
    """A task's labels: the file's array, its type, its shape after (N,H,W), and how one (h,w,...) becomes a target."""

    task: Task
    array: str
    kind: type[np.generic] = np.uint8
    shape: tuple[int, ...] = ()
    decode: Callable[[Array], Array] = np.asarray


@dataclass(frozen=True)
class Film:
    """A file of pictures of one `size`, as arrays `jpeg` and `offsets`, and of labels.

    `splits` has, by name, what the names of a split's arrays begin with, or its number in an array `split`.
    """

    name: str
    file: str
    size: tuple[int, int]
    labels: tuple[Labels, ...]
    splits: Mapping[str, str | int]

    def open(
        self,
        split: str,
        root: Path | None = None,
        size: tuple[int, int] | None = None,
        count: int | None = None,
        tasks: tuple[str, ...] | None = None,
    ) -> DenseDataset:
        """A split, or `count` of it, with the labels of some tasks (None: all).

        Raises DataError where the file is missing or damaged.
        """
        check_names(self.name, "split", (split,), tuple(self.splits))
        check_names(self.name, "task", tasks, tuple(label.task.name for label in self.labels))
        path, part = find(self.file, root), self.splits[split]
        arrays = self._read(path, part)
        pictures = Pictures(path, arrays["jpeg"], arrays["offsets"], self.size)
        of_split = np.ones(len(pictures), np.bool_) if isinstance(part, str) else arrays["split"] == part
        which = spread(np.flatnonzero(of_split), count, f"{self.name} {split}")
        chosen = tuple(label for label in self.labels if tasks is None or label.task.name in tasks)
        return DenseDataset(self.name, pictures, chosen, arrays, which, size or self.size)

    def _read(self, path: Path, part: str | int) -> dict[str, Array]:
        """The arrays of a split, by what follows its prefix."""
        forms: dict[str, Form] = {"jpeg": (np.uint8, (None,)), "offsets": (np.int64, (None,))}
        forms |= {label.array: (label.kind, (None, *self.size, *label.shape)) for label in self.labels}
        if isinstance(part, str):
            arrays = read(path, {part + name: form for name, form in forms.items()})
            return {name: arrays[part + name] for name in forms}
        return read(path, {**forms, "split": (np.uint8, (None,))})


class DenseDataset:
    """Pictures `which` (indices into the file) with their labels, at `size`.

    Decoded pictures are kept, as uint8 at that size, up to 2 GiB of them.
    """

    def __init__(
        self,
        name: str,
        pictures: Pictures,
        labels: tuple[Labels, ...],
        arrays: Mapping[str, Array],
        which: npt.NDArray[np.int64],
        size: tuple[int, int],
    ):
        fitting = all(len(arrays[label.array]) == len(pictures) for label in labels)
        if not fitting or len(which) == 0 or which.max() >= len(pictures):
            raise DataError(f"the labels of {name} do not fit its pictures: copy its file again (docs/data.md)")
        self.name = name
        self.tasks: tuple[Task, ...] = tuple(label.task for label in labels)
        self._pictures, self._which, self._size = pictures, which, size
        self._labels = [(label, arrays[label.array]) for label in labels]
        self._decoded: Kept[Array] = Kept(lambda image: image.nbytes)

    def __len__(self) -> int:
        return len(self._which)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        place = int(self._which[index])
        image = self._decoded.get(place, lambda: resize_image(self._pictures[place], self._size))
        targets = {
            label.task.name: label.decode(resize_target(values[place], label.task.kind, self._size))
            for label, values in self._labels
        }
        return Sample(image.copy(), targets)


def spread(which: npt.NDArray[np.int64], count: int | None, name: str) -> npt.NDArray[np.int64]:
    """`count` of the indices, evenly spaced: neighbours in a film are nearly the same picture."""
    if count is None:
        return which
    if not 0 < count <= len(which):
        raise DataError(f"{name} has {len(which)} pictures in this split, not {count}: ask for 1 to {len(which)}")
    return which[np.arange(count) * len(which) // count]
