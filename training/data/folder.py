"""A user's own data: a folder of pictures and label files that a `dataset.yaml` in it describes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.format.tasks import Task
from .decode import class_ids, edge_map, metres, unit_vectors
from .dense import spread
from .file_dataset import FileDataset, LabelFiles, LabelSource, Place
from .files import check_names
from .folder_form import FORM, FolderForm, LabelForm, Split, read_form
from .lists import place_of, read_names, read_table
from .readers import PICTURES, decoded, read_array, twins

Array = npt.NDArray[Any]

NAME = "folder"
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def _spelled(endings: Sequence[str]) -> tuple[str, ...]:
    """Endings as programs write them: in small letters, in capitals, or with one (.Png)."""
    return (*endings, *(each.upper() for each in endings), *(f".{each[1:].title()}" for each in endings))


PICTURE_ENDINGS = _spelled(PICTURES)
LABEL_ENDINGS = (*_spelled((".npy", ".mat")), *PICTURE_ENDINGS)
_TRAIN, _VALIDATION = 0.8, 0.9


def open_folder(
    split: str,
    root: Path | None = None,
    size: tuple[int, int] | None = None,
    count: int | None = None,
    tasks: tuple[str, ...] | None = None,
) -> FileDataset:
    """A split of the folder `root`, or `count` of it, with the labels of some tasks (None: all).

    A picture without a file of labels is not labelled for that task. Raises DataError where `dataset.yaml` or a list
    is missing or wrong, and where there are no pictures.
    """
    if root is None:
        raise DataError(f"the data set {NAME!r} is a folder of yours: say which, as data.root, with a {FORM} in it")
    folder, form = Path(root), read_form(Path(root))
    check_names(str(folder), "split", (split,), splits_of(form))
    check_names(str(folder), "task", tasks, tuple(form.tasks))
    stems = _stems(folder, form, split)
    chosen = spread(np.arange(len(stems)), count, f"{folder} {split}")
    labels = [_labels(folder, name, form.tasks[name]) for name in form.tasks if tasks is None or name in tasks]
    images = Place(folder, patterns(form.images, PICTURE_ENDINGS))
    return FileDataset(folder.resolve().name, [stems[index] for index in chosen], images, labels, size)


def splits_of(form: FolderForm) -> tuple[str, ...]:
    """The splits that a folder has: those with a list, else all three."""
    return tuple(split for split in _SPLITS if split in form.splits) if form.splits else _SPLITS


@dataclass(frozen=True)
class ClassList:
    """The classes of pictures as one list of `name,class` has them, by class name, or number where no name is one."""

    task: Task
    path: Path
    classes: dict[str, int]

    def find(self, stem: str) -> Path | None:
        """The list, where it names the picture."""
        return self.path if stem in self.classes else None

    def expected(self, stem: str) -> Path:
        """The list."""
        return self.path

    def load(self, stem: str, path: Path) -> Array | None:
        """int64 (), the class."""
        return np.array(self.classes[stem], dtype=np.int64)


def _stems(folder: Path, form: FolderForm, split: str) -> tuple[str, ...]:
    file = {str(name): file for name, file in form.splits.items()}.get(split)
    if file is not None:
        return read_names(folder / file, without_ending)
    found = tuple(stem for stem in pictures(folder, form.images) if _split_of(stem) == split)
    if not found:
        raise DataError(
            f"{folder} has no picture for {split} as {form.images!r}: put more there, or give lists as splits in {FORM}"
        )
    return found


def _split_of(stem: str) -> str:
    place = place_of(stem)
    return "train" if place < _TRAIN else "validation" if place < _VALIDATION else "test"


def pictures(folder: Path, pattern: str) -> list[str]:
    """The names that stand for `{}` in the pictures' pattern, sorted; hidden files do not count.

    Raises DataError where two pictures have one name.
    """
    found: dict[str, Path] = {}
    for stem, path in fitting(folder, pattern, PICTURE_ENDINGS):
        if stem in found:
            raise twins(path, found[stem], stem)
        found[stem] = path
    return sorted(found)


def fitting(folder: Path, pattern: str, endings: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """(name, file) of each file that fits a pattern, hidden ones aside; `endings` are those that there may be."""
    before, _, after = PurePosixPath(pattern).as_posix().partition("{}")
    open_ended = not _has_ending(pattern, endings)
    for path in _below(folder / before.rpartition("/")[0]):
        ending = after + path.suffix if open_ended else after
        whole = path.relative_to(folder).as_posix()
        fits = whole.startswith(before) and whole.endswith(ending) and path.suffix in endings
        stem = whole[len(before) : len(whole) - len(ending)]
        if fits and stem and path.is_file():
            yield stem, path


def _below(top: Path) -> Iterator[Path]:
    """What lies in a folder and in those below it, hidden ones aside (editors keep copies in them), links followed.

    Each folder counts once, under its own name before that of a link: what a link shows again would be in two splits.
    """
    seen: set[tuple[int, int]] = set()
    tops = [top]
    for start in tops:  # links join it on the way
        for here, inner, names in os.walk(start):
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in seen:
                inner.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            tops += [path for name in inner if (path := Path(here, name)).is_symlink()]
            yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


def _labels(folder: Path, name: str, form: LabelForm) -> LabelSource:
    task = form.task(name)
    if form.list is not None:
        return ClassList(task, folder / form.list, _classes(folder / form.list, task.classes))
    place = Place(folder, patterns(form.files or "", LABEL_ENDINGS))
    return LabelFiles(task, place, partial(_read, form))


def _classes(path: Path, classes: tuple[str, ...]) -> dict[str, int]:
    known = {name: number for number, name in enumerate(classes)}
    # Where a class is called 1, nobody could tell whether a 1 is its name or a number.
    if not any(name.isdecimal() for name in classes):
        known |= {str(number): number for number in range(len(classes))}
    found = {}
    for line, (stem, label) in read_table(path, without_ending).items():
        if label not in known:
            raise DataError(f"{path} line {line} has the class {label!r}: choose from {', '.join(classes)}")
        found[stem] = known[label]
    return found


def _read(form: LabelForm, path: Path) -> Array:
    values = read_array(path, form.variable or "")
    ignore = form.ignore
    if form.kind == "segmentation":
        ignored = (255,) if ignore is None else ignore
        return decoded(path, values, partial(class_ids, classes=len(form.classes), first=form.first, ignore=ignored))
    if form.kind == "depth":
        return decoded(path, values, partial(metres, scale=form.unit, ignore=ignore or ()))
    if form.kind == "normals":
        return decoded(path, values, partial(unit_vectors, frame=form.frame))
    return decoded(path, values, partial(edge_map, ignore=ignore or ()))


def patterns(pattern: str, endings: Sequence[str]) -> tuple[str, ...]:
    """The pattern itself if it has an ending, else one for each ending."""
    return (pattern,) if _has_ending(pattern, endings) else tuple(pattern + ending for ending in endings)


def _has_ending(pattern: str, endings: Sequence[str]) -> bool:
    return PurePosixPath(pattern.replace("{}", "name")).suffix in endings


def without_ending(name: str) -> str:
    """Lists often name pictures with their endings."""
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in PICTURES else name
