"""CIFAR100-MTL: twenty tasks of five classes each, one task for each superclass of CIFAR-100.

Krizhevsky, "Learning multiple layers of features from tiny images" (2009); the split into tasks
follows Rosenbaum et al., "Routing networks" (ICLR 2018). A picture is labelled for one task only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.tasks import Task
from .files import Form, Pictures, check_names, find, read, texts
from .resize import resize_image
from .sample import Sample

Array = npt.NDArray[Any]

SIZE = (32, 32)
FILES = ("cifar100_train_a.npz", "cifar100_train_b.npz", "cifar100_test.npz")
HELD_OUT = 5000
# Per split: the files, and which of their pictures.
_PARTS: dict[str, tuple[tuple[str, slice], ...]] = {
    "train": ((FILES[0], slice(None)), (FILES[1], slice(None, -HELD_OUT))),
    "validation": ((FILES[1], slice(-HELD_OUT, None)),),
    "test": ((FILES[2], slice(None)),),
}
_FORMS: dict[str, Form] = {
    "webp": (np.uint8, (None,)),
    "offsets": (np.int64, (None,)),
    "coarse": (np.uint8, (None,)),
    "within": (np.uint8, (None,)),
    "fine_names": (np.bytes_, (100,)),
    "coarse_names": (np.bytes_, (20,)),
    "fine_to_coarse": (np.uint8, (100,)),
    "fine_to_within": (np.uint8, (100,)),
}


@dataclass(frozen=True)
class _Part:
    pictures: Pictures
    which: npt.NDArray[np.int64]
    coarse: Array
    within: Array


class Cifar100:
    """Samples of one or more parts, in their order; decoded pictures are kept as uint8."""

    name = "cifar100-mtl"

    def __init__(self, parts: list[_Part], known: tuple[Task, ...], chosen: tuple[Task, ...], size: tuple[int, int]):
        self.tasks = chosen
        self._parts, self._known, self._size = parts, known, size
        self._starts = np.cumsum([0, *(len(part.which) for part in parts)])
        self._decoded: dict[int, Array] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        part = self._parts[number]
        place = int(part.which[index - self._starts[number]])
        if index not in self._decoded:
            self._decoded[index] = resize_image(part.pictures[place], self._size)
        task = self._known[int(part.coarse[place])].name
        return Sample(self._decoded[index].copy(), {task: np.array(part.within[place], dtype=np.int64)})


def open_cifar100(
    split: str,
    root: Path | None = None,
    size: tuple[int, int] | None = None,
    count: int | None = None,
    tasks: tuple[str, ...] | None = None,
) -> Cifar100:
    """A split of CIFAR100-MTL: train (45,000), validation (5,000) or test (10,000).

    With `tasks` only the pictures of those superclasses; with `count` the first so many.
    Raises DataError where a file is missing or damaged.
    """
    check_names("cifar100-mtl", "split", (split,), tuple(_PARTS))
    parts: list[_Part] = []
    known: tuple[Task, ...] = ()
    found = 0
    for file, piece in _PARTS[split]:
        if count is not None and found >= count:
            break
        path = find(file, root)
        arrays = read(path, _FORMS)
        known = _tasks(path, arrays)
        check_names("cifar100-mtl", "task", tasks, tuple(task.name for task in known))
        wanted = [number for number, task in enumerate(known) if tasks is None or task.name in tasks]
        parts.append(_part(path, arrays, piece, wanted, None if count is None else count - found))
        found += len(parts[-1].which)
    if count is not None and found < max(count, 1):
        raise DataError(f"cifar100-mtl {split} has {found} such pictures, not {count}: ask for 1 to {found}")
    chosen = tuple(task for task in known if tasks is None or task.name in tasks)
    return Cifar100(parts, known, chosen, size or SIZE)


def _part(path: Path, arrays: dict[str, Array], piece: slice, wanted: list[int], most: int | None) -> _Part:
    pictures = Pictures(path, arrays["webp"], arrays["offsets"], SIZE)
    coarse, within = arrays["coarse"], arrays["within"]
    if not len(pictures) == len(coarse) == len(within) or coarse.max() >= 20 or within.max() >= 5:
        raise DataError(f"{path} has labels that do not fit its pictures: copy it again (docs/data.md)")
    which = np.arange(len(pictures))[piece]
    return _Part(pictures, which[np.isin(coarse[which], wanted)][:most], coarse, within)


def _tasks(path: Path, arrays: dict[str, Array]) -> tuple[Task, ...]:
    """One task a superclass, its classes in the order of their labels."""
    fine, coarse = texts(path, arrays["fine_names"]), texts(path, arrays["coarse_names"])
    place = {
        (int(group), int(rank)): fine[number]
        for number, (group, rank) in enumerate(zip(arrays["fine_to_coarse"], arrays["fine_to_within"], strict=True))
    }
    try:
        return tuple(
            Task(name, "classification", tuple(place[group, rank] for rank in range(5)))
            for group, name in enumerate(coarse)
        )
    except KeyError as error:
        raise DataError(
            f"{path} does not have five classes in each superclass: copy it again (docs/data.md)"
        ) from error
