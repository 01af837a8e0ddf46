"""The files that CIFAR-100 comes in: the project's own .npz, or the official binary version.

The official Python version is made of pickles, which can run any code when they are read: it is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from ...runtime.format.tasks import Task
from .files import Form, Pictures, find, places, read, texts

Array = npt.NDArray[Any]

SIZE = (32, 32)
FILES = ("cifar100_train_a.npz", "cifar100_train_b.npz", "cifar100_test.npz")
BINARY = "cifar-100-binary"
RECORDS = {"train.bin": 50_000, "test.bin": 10_000}
_RECORD = 2 + 3 * SIZE[0] * SIZE[1]
_NAMES = (("fine_label_names.txt", 100), ("coarse_label_names.txt", 20))
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
# The superclass of each of the 100 classes, both in alphabetical order: the binary files say it picture by picture.
_COARSE = np.array(
    [
        *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7),
        *(6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10),
        *(16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16),
        *(12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
    ],
    dtype=np.uint8,
)
_WITHIN = np.array([np.count_nonzero(_COARSE[:fine] == group) for fine, group in enumerate(_COARSE)], dtype=np.uint8)


class Images(Protocol):
    """Decoded pictures by index, uint8 (32,32,3)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Content:
    """What is in one file: pictures with their superclass (N,) and class within it (N,), and what these mean."""

    path: Path
    pictures: Images
    coarse: Array
    within: Array
    tasks: tuple[Task, ...]


def find_content(file: str, record_file: str, root: Path | None) -> Path:
    """The .npz `file`, or where there is none the official `record_file`; DataError says what to put where."""
    for place in places(root):
        for path in (place / file, place / BINARY / record_file, place / record_file):
            if path.is_file():
                return path
    for place in places(root):
        for folder in (place / "cifar-100-python", place):
            if all((folder / name).is_file() for name in ("train", "test", "meta")):
                raise DataError(
                    f"{folder} is the Python version of CIFAR-100, pickles that could run any code: put the binary "
                    f"version ({BINARY}.tar.gz, unpacked) beside it; it has the same pictures"
                )
    return find(file, root)


def read_content(path: Path) -> Content:
    """A file of either kind; DataError where it is damaged or its labels cannot be."""
    return _binary(path) if path.suffix == ".bin" else _archive(path)


def _archive(path: Path) -> Content:
    arrays = read(path, _FORMS)
    pictures = Pictures(path, arrays["webp"], arrays["offsets"], SIZE)
    coarse, within = arrays["coarse"], arrays["within"]
    if not len(pictures) == len(coarse) == len(within) or coarse.max() >= 20 or within.max() >= 5:
        raise DataError(f"{path} has labels that do not fit its pictures: copy it again (docs/data.md)")
    fine, superclasses = texts(path, arrays["fine_names"]), texts(path, arrays["coarse_names"])
    tasks = _tasks(path, fine, superclasses, arrays["fine_to_coarse"], arrays["fine_to_within"])
    return Content(path, pictures, coarse, within, tasks)


class _Planes:
    """The pictures of a binary file: for each the red, the green and the blue plane."""

    def __init__(self, records: Array):
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        planes = self._records[index, 2:].reshape(3, *SIZE)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _binary(path: Path) -> Content:
    """Records of superclass, class and 3072 bytes of picture."""
    try:
        bytes_found, count = os.path.getsize(path), RECORDS[path.name]
        if bytes_found != count * _RECORD:
            raise DataError(f"{path} has {bytes_found} bytes, not {count * _RECORD}: copy it again (docs/data.md)")
        records = np.fromfile(path, dtype=np.uint8).reshape(count, _RECORD)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}): copy it again (docs/data.md)") from error
    fine, superclasses = (_names(path.parent / file, count) for file, count in _NAMES)
    coarse, classes = records[:, 0], records[:, 1]
    wrong = np.flatnonzero((classes >= 100) | (coarse != _COARSE[np.minimum(classes, 99)]))
    if wrong.size:
        raise DataError(
            f"{path} has picture {wrong[0]} of class {classes[wrong[0]]} in superclass {coarse[wrong[0]]}, "
            "which is none: copy it again (docs/data.md)"
        )
    tasks = _tasks(path, fine, superclasses, _COARSE, _WITHIN)
    return Content(path, _Planes(records), coarse, _WITHIN[classes], tasks)


def _names(path: Path, count: int) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            names = tuple(file.read(1 << 16).decode("ascii").split())
    except FileNotFoundError:
        raise DataError(f"{path} is not there: unpack all of {BINARY}.tar.gz (docs/data.md)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}): copy it again (docs/data.md)") from error
    if len(names) != count or len(set(names)) != count:
        raise DataError(f"{path} does not have {count} names, one a line: copy it again (docs/data.md)")
    return names


def _tasks(
    path: Path, fine: tuple[str, ...], superclasses: tuple[str, ...], groups: Array, ranks: Array
) -> tuple[Task, ...]:
    """One task a superclass, its classes in the order of their labels."""
    place = {(int(group), int(rank)): name for name, group, rank in zip(fine, groups, ranks, strict=True)}
    try:
        return tuple(
            Task(name, "classification", tuple(place[group, rank] for rank in range(5)))
            for group, name in enumerate(superclasses)
        )
    except KeyError as error:
        raise DataError(
            f"{path} does not have five classes in each superclass: copy it again (docs/data.md)"
        ) from error
