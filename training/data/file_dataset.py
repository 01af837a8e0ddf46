"""Data sets of single files: a picture a sample, and for each task a file of the same name in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.format.tasks import Task
from .kept import Kept
from .readers import missing, picture_size, read_picture, twins
from .resize import resize_image, resize_target
from .sample import Sample, Targets

Array = npt.NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where the files of all samples lie: patterns below `root`, as in `depth/{}.npy`; the first that exists counts."""

    root: Path
    patterns: tuple[str, ...]

    def find(self, stem: str) -> Path | None:
        """The file of a sample, or None."""
        return next(self.there(stem), None)

    def there(self, stem: str) -> Iterator[Path]:
        """The files of a sample that exist, by pattern."""
        # Not `path.is_file`, which raises where a list names something too long for a file.
        return (path for path in self.candidates(stem) if os.path.isfile(path))

    def candidates(self, stem: str) -> list[Path]:
        """Every file that it may be."""
        return [self.root / pattern.replace("{}", stem) for pattern in self.patterns]


class LabelSource(Protocol):
    """The labels of one task."""

    @property
    def task(self) -> Task:
        """What they are labels of."""
        ...

    def find(self, stem: str) -> Path | None:
        """The file with a sample's label, or None where it has none."""
        ...

    def expected(self, stem: str) -> Path:
        """The file where a label would be looked for."""
        ...

    def load(self, stem: str, path: Path) -> Array | None:
        """A sample's target at its file's own size, None where the file says that nothing is known; DataError."""
        ...


@dataclass(frozen=True)
class LabelFiles:
    """Labels of which each sample has a file of its own, decoded by `read`."""

    task: Task
    place: Place
    read: Callable[[Path], Array | None]

    def find(self, stem: str) -> Path | None:
        """The file with a sample's label, or None where it has none."""
        return self.place.find(stem)

    def expected(self, stem: str) -> Path:
        """The file where a label would be looked for."""
        return self.place.candidates(stem)[0]

    def load(self, stem: str, path: Path) -> Array | None:
        """A sample's target at its file's own size."""
        return self.read(path)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one file: `what` is a whole line."""

    file: Path
    what: str


class FileDataset:
    """Samples `stems` with their labels, at `size` or at that of the first picture.

    `complete` tells that a label that is not there is a fault; otherwise the sample is not labelled for that task.
    `place` is the folder that it was found in. Read samples are kept in memory, up to 2 GiB of them.
    """

    def __init__(
        self,
        name: str,
        stems: Sequence[str],
        images: Place,
        labels: Sequence[LabelSource],
        size: tuple[int, int] | None,
        complete: bool = False,
    ):
        self.name, self.stems, self.complete, self.place = name, tuple(stems), complete, images.root
        self.tasks: tuple[Task, ...] = tuple(each.task for each in labels)
        self._images, self._labels, self._asked = images, tuple(labels), size
        self._kept: Kept[Sample] = Kept(_weight)

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        sample = self._kept.get(index, lambda: self._read(self.stems[index]))
        return Sample(sample.image.copy(), dict(sample.targets))

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of every sample."""
        return self._asked or picture_size(self._picture(self.stems[0]))

    def require_labels(self) -> None:
        """Raise DataError for the first label that is not there where all must be, else for a task with none at all."""
        for labels in self._labels:
            absent = [stem for stem in self.stems if labels.find(stem) is None]
            if absent and (self.complete or len(absent) == len(self.stems)):
                more = f", and {len(absent) - 1} more are not" if len(absent) > 1 else ""
                where = self.name if self.complete else self.place
                raise DataError(
                    f"{labels.expected(absent[0])} is not there{more}: `pliant data check {where}` lists what is "
                    f"missing; data.tasks leaves out a task that you have no files of, such as {labels.task.name}"
                )

    def unlabelled(self) -> list[str]:
        """The tasks for which no sample has a file."""
        return [each.task.name for each in self._labels if not any(each.find(stem) for stem in self.stems)]

    def label_file(self, index: int, task: str) -> Path:
        """The file with a sample's label for a task, or where it would be looked for."""
        labels = next(each for each in self._labels if each.task.name == task)
        return labels.find(self.stems[index]) or labels.expected(self.stems[index])

    def inspect(self, index: int) -> tuple[Sample | None, list[Fault]]:
        """What could be read of a sample, each target at its own size, and everything that is wrong with its files."""
        faults: list[Fault] = []
        stem = self.stems[index]
        path = self._images.candidates(stem)[0]
        image = _tried(path, lambda: read_picture(self._picture(stem)), faults)
        targets: Targets = {}
        for labels in self._labels:
            found = labels.find(stem) or (labels.expected(stem) if self.complete else None)
            if found is not None:
                size = None if image is None else image.shape[:2]
                target = _tried(found, partial(_load, labels, stem, found, size), faults)
                targets |= {} if target is None else {labels.task.name: target}
        return None if image is None else Sample(image, targets), faults

    def _read(self, stem: str) -> Sample:
        image = self._read_image(self._picture(stem))
        targets: Targets = {}
        for labels in self._labels:
            found = labels.find(stem)
            target = None if found is None else _load(labels, stem, found, image.shape[:2])
            if target is not None:
                targets[labels.task.name] = resize_target(target, labels.task.kind, self.size)
        return Sample(resize_image(image, self.size), targets)

    def _read_image(self, path: Path) -> npt.NDArray[np.uint8]:
        image = read_picture(path)
        if self._asked is None and image.shape[:2] != self.size:
            raise DataError(
                f"{path} is {image.shape[0]}x{image.shape[1]} pixels, the first picture {self.size[0]}x{self.size[1]} "
                "(height x width): say data.size, and all are brought to it"
            )
        return image

    def _picture(self, stem: str) -> Path:
        found = self._images.there(stem)
        path = next(found, None)
        if path is None:
            raise missing(*self._images.candidates(stem))
        for other in found:
            # Where small letters and capitals are one, two names may be of one file.
            if not os.path.samefile(path, other):
                raise twins(path, other, stem)
        return path


def _weight(sample: Sample) -> int:
    return sample.image.nbytes + sum(values.nbytes for values in sample.targets.values())


def _load(labels: LabelSource, stem: str, path: Path, size: tuple[int, ...] | None) -> Array | None:
    """A target, checked against its picture's (height, width): it may be smaller or larger, but of the same form."""
    target = labels.load(stem, path)
    if target is None or target.ndim < 2 or size is None:
        return target
    height = size[0] * target.shape[1] / size[1]
    if abs(target.shape[0] - height) > 1.0 + target.shape[1] / size[1]:
        raise DataError(
            f"{path} is {target.shape[0]}x{target.shape[1]}, its picture {size[0]}x{size[1]} (height x width): "
            "labels need the form of their picture"
        )
    return target


def _tried(path: Path, act: Callable[[], T], faults: list[Fault]) -> T | None:
    try:
        return act()
    except DataError as error:
        faults.append(Fault(path, str(error)))
        return None
