"""Several data sets as one, each with its own tasks: a sample has the labels of the set that it comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ...devices.errors import DataError
from ...runtime.format.tasks import Task
from .sample import Dataset, Sample


class Mixture:
    """The samples of `parts`, one part after the other; `renamed` gives tasks of a part other names.

    Tasks of one name must mean the same and become one; of depth, the range is what all parts need.
    Raises DataError where they do not, or where the parts' images have several sizes.
    """

    def __init__(self, parts: Sequence[Dataset], renamed: Sequence[Mapping[str, str]] | None = None):
        if not parts:
            raise DataError("a mixture needs at least one data set: name some under data.of")
        self.name = "+".join(part.name for part in parts)
        self._parts = tuple(parts)
        self._names = [_names(part, names) for part, names in zip(parts, renamed or [{}] * len(parts), strict=True)]
        self.tasks = _joined(self._parts, self._names)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        sizes = [part[0].image.shape[:2] for part in parts]
        if len(set(sizes)) > 1:
            said = ", ".join(
                f"{part.name} {height}x{width}" for part, (height, width) in zip(parts, sizes, strict=True)
            )
            raise DataError(f"the images of a mixture need one size, but there are {said}: say data.size")

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        sample = self._parts[number][index - int(self._starts[number])]
        names = self._names[number]
        return Sample(sample.image, {names[task]: target for task, target in sample.targets.items()})


def _names(part: Dataset, renamed: Mapping[str, str]) -> dict[str, str]:
    """The name in the mixture of each task of a part."""
    known = [task.name for task in part.tasks]
    for name in renamed:
        if name not in known:
            raise DataError(f"{part.name} has no task {name!r} to rename: choose from {', '.join(known)}")
    names = {name: renamed.get(name, name) for name in known}
    if len(set(names.values())) < len(names):
        raise DataError(f"two tasks of {part.name} would have one name: rename them apart")
    return names


def _joined(parts: Sequence[Dataset], names: Sequence[Mapping[str, str]]) -> tuple[Task, ...]:
    found: dict[str, tuple[Task, str]] = {}
    for part, called in zip(parts, names, strict=True):
        for task in part.tasks:
            named = dataclasses.replace(task, name=called[task.name])
            other = found.get(named.name)
            found[named.name] = (named if other is None else _one(named, other[0], part.name, other[1]), part.name)
    return tuple(task for task, _ in found.values())


def _one(task: Task, other: Task, source: str, other_source: str) -> Task:
    if (task.kind, task.classes) != (other.kind, other.classes):
        raise DataError(
            f"the task {task.name!r} of {source} is not that of {other_source} (another kind or other classes): "
            f"give one of them another name, as rename: {{{task.name}: {task.name}_2}} beside its data set"
        )
    (low, high), (other_low, other_high) = task.value_range, other.value_range
    return dataclasses.replace(other, value_range=(min(low, other_low), max(high, other_high)))
