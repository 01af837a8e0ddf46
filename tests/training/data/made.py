"""Data sets of a few samples that are made in memory."""

from __future__ import annotations

import numpy as np

from pliant.runtime.format.tasks import Kind, Task
from pliant.training.data import Sample

from . import layouts

SIZE = (6, 8)
CLASSES = ("a", "b", "c")


class Made:
    """A data set of given samples."""

    def __init__(self, name: str, tasks: tuple[Task, ...], samples: list[Sample]):
        self.name, self.tasks, self._samples = name, tasks, samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]


def task_of(kind: Kind) -> Task:
    classes = CLASSES if kind in ("segmentation", "classification") else ()
    return Task(kind, kind, classes, value_range=(0.5, 10.0) if kind == "depth" else (-1.0, 1.0))


def target_of(kind: Kind) -> layouts.Array:
    chance = np.random.default_rng(1)
    made: dict[Kind, layouts.Array] = {
        "segmentation": chance.integers(0, 3, SIZE).astype(np.uint8),
        "depth": chance.uniform(1, 5, SIZE).astype(np.float32),
        "normals": np.broadcast_to(np.array([0, 0, -1], np.float32), (*SIZE, 3)),
        "edges": chance.integers(0, 2, SIZE).astype(np.uint8),
        "classification": np.array(2, np.int64),
    }
    return made[kind]


def image(value: int = 0) -> layouts.Array:
    return np.full((*SIZE, 3), value, np.uint8)
