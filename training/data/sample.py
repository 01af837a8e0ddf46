"""What every data set gives: an image and the targets that are known for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...runtime.format.tasks import Kind, Task

Targets = dict[str, npt.NDArray[Any]]

# What a target holds where nothing is known.
IGNORED: dict[Kind, int] = {"segmentation": 255, "depth": 0, "normals": 0, "edges": 255, "classification": -1}


def target_shape(kind: Kind, size: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a target whose image has `size` (height, width)."""
    if kind == "classification":
        return ()
    return (*size, 3) if kind == "normals" else size


@dataclass(frozen=True)
class Sample:
    """One image with its labels.

    `image` is uint8 RGB (H,W,3). `targets` maps task names to arrays of the encodings in
    `runtime/format/tasks.py`; a task that is not in it is not labelled for this image.
    """

    image: npt.NDArray[np.uint8]
    targets: Targets


class Dataset(Protocol):
    """Samples by index: deterministic, and safe to read from several threads."""

    @property
    def name(self) -> str:
        """Name of the data set, for messages: as `open_data` takes it, or that of a folder."""
        ...

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that samples can be labelled for."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...
