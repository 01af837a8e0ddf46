"""What a sample may hold: the values of each kind of target, and whole samples of data sets that others write."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.format.tasks import KINDS, Task
from .sample import IGNORED, Dataset, Sample, target_shape

_CLASSES = ("segmentation", "classification")
_MOST = 255


class Checked:
    """A data set of a user's own, each sample checked as it is read; otherwise the same.

    Raises DataError that names the data set, the index and what to give instead.
    """

    def __init__(self, data: Dataset):
        self._data = data
        self._tasks = {task.name: task for task in data.tasks}

    @property
    def name(self) -> str:
        """That of the data set."""
        return self._data.name

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those of the data set."""
        return self._data.tasks

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Sample:
        sample = self._data[index]
        fault = _fault(sample, self._tasks)
        if fault:
            raise DataError(f"{self.name}: sample {index}: {fault}")
        return sample


def tasks_fault(tasks: Sequence[Any]) -> str | None:
    """What is wrong with the tasks of a data set, and what to give instead; else None."""
    for task in tasks:
        if not isinstance(task, Task):
            return f"one of its tasks is a {type(task).__name__}: give a pliant.runtime.format.tasks.Task"
        fault = _task_fault(task)
        if fault:
            return f"the task {task.name!r} {fault}"
    names = [task.name for task in tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    return None if twice is None else f"two of its tasks are called {twice!r}: give one of them another name"


def _task_fault(task: Task) -> str | None:
    """What of a task no network can be built for, or no answer decoded, and what to give instead; else None."""
    if task.kind not in KINDS:
        return f"is of the kind {task.kind!r}: give {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    count = len(task.classes)
    if task.kind in _CLASSES and (count < 1 or len(set(task.classes)) != count):
        return "needs names of its classes, each once"
    if task.kind == "segmentation" and count > _MOST:
        return f"has {count} classes: give {_MOST} at most, for answers are bytes, and {_MOST} means nothing known"
    low, high = task.value_range
    if task.kind == "depth" and not 0 < low < high < math.inf:
        return f"has the value_range {task.value_range}: give (nearest, farthest) in metres, above 0"
    return None


def _fault(sample: Any, tasks: dict[str, Task]) -> str | None:
    """What is wrong with a sample, and what to give instead."""
    if not isinstance(sample, Sample):
        return f"it is a {type(sample).__name__}: give a pliant.training.data.sample.Sample"
    image = sample.image
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return f"its image is {_said(image)}: give uint8 RGB from 0 to 255 of the shape (height, width, 3)"
    targets: Any = sample.targets
    if not isinstance(targets, dict):
        return f"its targets are a {type(targets).__name__}: give a dict of arrays by task, empty without labels"
    for name, target in targets.items():
        if name not in tasks:
            return f"it has a target of {name!r}, but the tasks are {', '.join(tasks)}: leave it out, or name it as one"
        fault = _target_fault(tasks[name], target, target_shape(tasks[name].kind, image.shape[:2]))
        if fault:
            return f"its target of {name!r} {fault}"
    return None


def _target_fault(task: Task, target: Any, shape: tuple[int, ...]) -> str | None:
    if not isinstance(target, np.ndarray | np.generic) or target.dtype.kind not in "buif":
        return f"is {_said(target)}: give a numpy array of numbers"
    if target.shape != shape:
        return f"has the shape {target.shape}, its image asks for {shape}: give labels of the size of the image"
    if task.kind == "normals" and target.dtype.kind != "f":
        return f"is {_said(target)}: give unit vectors as float32"
    if shape and not np.can_cast(np.uint8, target.dtype):
        return f"is {_said(target)}, which cannot hold {IGNORED[task.kind]}, nothing known: give uint8"
    if task.kind in _CLASSES and target.dtype.kind == "f":
        return f"is {_said(target)}: give numbers of classes as integers"
    said = wrong_values(task, np.asarray(target))
    return None if said is None else f"{said}: {_instead(task)}"


def _instead(task: Task) -> str:
    unknown = f"{IGNORED[task.kind]} where nothing is known"
    if task.kind in _CLASSES:
        return f"give a class, or {unknown}"
    if task.kind == "edges":
        return f"give 0 or 1, or {unknown}"
    return f"give metres, or {unknown}" if task.kind == "depth" else f"give unit vectors, or {unknown}"


def _said(value: Any) -> str:
    kind, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if kind is None or shape is None:
        return f"a {type(value).__name__}"
    name = "" if isinstance(value, np.ndarray | np.generic) else f"{type(value).__name__} "
    return f"{name}{kind} of the shape {tuple(shape)}"


def wrong_values(task: Task, target: npt.NDArray[Any]) -> str | None:
    """A phrase for the first value of a target that its task cannot have, else None."""
    if task.kind in _CLASSES:
        ids = target[target != (255 if task.kind == "segmentation" else -1)].astype(np.int64)
        wrong = ids[(ids < 0) | (ids >= len(task.classes))]
        return f"has the class {wrong[0]}, but classes are 0 to {len(task.classes) - 1}" if wrong.size else None
    if task.kind == "edges":
        return None if np.isin(target, (0, 1, 255)).all() else "has values other than 0, 1 and 255"
    if not np.isfinite(target).all():
        return "has values that are not finite"
    if task.kind == "depth":
        return "has negative values" if (target < 0).any() else None
    square = (target.astype(np.float32) ** 2).sum(-1)
    return "has vectors that are not of length one" if ((square > 0) & (np.abs(square - 1) > 0.02)).any() else None
