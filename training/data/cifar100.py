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
from ...runtime.format.tasks import Task
from .cifar_files import FILES, SIZE, Content, find_content, read_content
from .files import check_names, find
from .kept import Kept
from .resize import resize_image
from .sample import Sample

Array = npt.NDArray[Any]

HELD_OUT = 5000


@dataclass(frozen=True)
class _Part:
    content: Content
    which: npt.NDArray[np.int64]


class Cifar100:
    """Samples of one or more parts, in their order; decoded pictures are kept as uint8, up to 2 GiB of them."""

    name = "cifar100-mtl"

    def __init__(self, parts: list[_Part], known: tuple[Task, ...], chosen: tuple[Task, ...], size: tuple[int, int]):
        self.tasks = chosen
        self._parts, self._known, self._size = parts, known, size
        self._starts = np.cumsum([0, *(len(part.which) for part in parts)])
        self._decoded: Kept[Array] = Kept(lambda image: image.nbytes)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        content = self._parts[number].content
        place = int(self._parts[number].which[index - self._starts[number]])
        image = self._decoded.get(index, lambda: resize_image(content.pictures[place], self._size))
        task = self._known[int(content.coarse[place])].name
        return Sample(image.copy(), {task: np.array(content.within[place], dtype=np.int64)})


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
    check_names("cifar100-mtl", "split", (split,), ("train", "validation", "test"))
    parts: list[_Part] = []
    known: tuple[Task, ...] = ()
    found = 0
    for path, piece in _pieces(split, root):
        if count is not None and found >= count:
            break
        content = read_content(path)
        known = content.tasks
        check_names("cifar100-mtl", "task", tasks, tuple(task.name for task in known))
        wanted = [number for number, task in enumerate(known) if tasks is None or task.name in tasks]
        parts.append(_part(content, piece, wanted, None if count is None else count - found))
        found += len(parts[-1].which)
    if count is not None and found < max(count, 1):
        raise DataError(f"cifar100-mtl {split} has {found} such pictures, not {count}: ask for 1 to {found}")
    chosen = tuple(task for task in known if tasks is None or task.name in tasks)
    return Cifar100(parts, known, chosen, size or SIZE)


def _pieces(split: str, root: Path | None) -> list[tuple[Path, slice]]:
    """The files of a split, and which of their pictures; the last of the training pictures are for validation."""
    if split == "test":
        return [(find_content(FILES[2], "test.bin", root), slice(None))]
    held_out = find_content(FILES[1], "train.bin", root)
    if split == "validation":
        return [(held_out, slice(-HELD_OUT, None))]
    rest = (held_out, slice(None, -HELD_OUT))
    return [rest] if held_out.suffix == ".bin" else [(find(FILES[0], root), slice(None)), rest]


def _part(content: Content, piece: slice, wanted: list[int], most: int | None) -> _Part:
    which = np.arange(len(content.pictures))[piece]
    return _Part(content, which[np.isin(content.coarse[which], wanted)][:most])
