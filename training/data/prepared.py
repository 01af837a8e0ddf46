"""Data sets as multi-task repositories keep them: one folder, with lists of names and a folder for each task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...runtime.format.tasks import Task
from .dense import spread
from .file_dataset import FileDataset, LabelFiles, Place
from .files import check_names
from .lists import find_folder, held_out, read_names

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Prepared:
    """A data set in one of `folders`, with the lists `train.txt` and `val.txt` in its folder `lists`.

    Train and validation are parts of `train.txt` (see `held_out`), test is `val.txt`. `images` are patterns as of a
    `Place`; `labels` gives the files of every task's labels in a folder.
    """

    name: str
    folders: tuple[str, ...]
    lists: str
    images: tuple[str, ...]
    tasks: tuple[Task, ...]
    labels: Callable[[Path], tuple[LabelFiles, ...]]

    def open(
        self,
        split: str,
        root: Path | None = None,
        size: tuple[int, int] | None = None,
        count: int | None = None,
        tasks: tuple[str, ...] | None = None,
    ) -> FileDataset:
        """A split, or `count` of it, with the labels of some tasks (None: all).

        Raises DataError where the folder or its lists are missing.
        """
        check_names(self.name, "split", (split,), SPLITS)
        check_names(self.name, "task", tasks, tuple(task.name for task in self.tasks))
        folder = find_folder(self.folders, self.lists, root)
        names = _names(folder / self.lists, split)
        chosen = spread(np.arange(len(names)), count, f"{self.name} {split}")
        labels = [label for label in self.labels(folder) if tasks is None or label.task.name in tasks]
        images = Place(folder, self.images)
        return FileDataset(self.name, [names[index] for index in chosen], images, labels, size, complete=True)


def _names(lists: Path, split: str) -> tuple[str, ...]:
    if split == "test":
        return read_names(lists / "val.txt")
    return held_out(read_names(lists / "train.txt"))[0 if split == "train" else 1]
