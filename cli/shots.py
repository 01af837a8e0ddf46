"""What a model sees in images: labels, and pictures that never overwrite one another."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..devices.errors import InputError
from ..devices.writing import why_no_folder
from .places import check_other

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.format.tasks import Task
    from ..runtime.model import Model
    from .pictures import Picture

    Array = np.ndarray[Any, np.dtype[Any]]

# The picture that shows all the others.
_SHEET = "all"


@dataclass(frozen=True)
class Shot:
    """One image and what was seen in it; `panels` are (task, its picture at the image's size).

    `stem` begins the names of its pictures, `names` are those of the tasks in them.
    """

    path: Path
    stem: str
    names: Mapping[str, str]
    image: Array
    ran_at: tuple[int, int]
    milliseconds: float
    panels: list[tuple[str, Picture]]
    labels: dict[str, str]

    @property
    def resized(self) -> bool:
        """Whether the network saw the image at another size."""
        return bool(self.image.shape[:2] != self.ran_at)

    def picture(self, out: Path, task: str) -> Path:
        """Path of the picture of one task."""
        return out / f"{self.stem}.{self.names[task]}.png"

    def sheet(self, out: Path) -> Path:
        """Path of the sheet of all pictures."""
        return out / f"{self.stem}.{_SHEET}.png"

    def to_json(self, out: Path) -> dict[str, Any]:
        """What `run --json` says of an image."""
        return {
            "input": str(self.path),
            "height": self.image.shape[0],
            "width": self.image.shape[1],
            "ran_at": {"height": self.ran_at[0], "width": self.ran_at[1]},
            "call_ms": self.milliseconds,
            "pictures": {task: str(self.picture(out, task)) for task, _ in self.panels},
            "sheet": str(self.sheet(out)),
            "labels": self.labels,
        }


def take(model: Model, paths: Sequence[Path], images: Sequence[Array]) -> list[Shot]:
    """Run the images one by one."""
    stems, names = distinct([path.stem for path in paths]), picture_names(model.tasks)
    return [_shoot(model, path, stem, names, image) for path, stem, image in zip(paths, stems, images, strict=True)]


def distinct(names: Sequence[str], reserved: Sequence[str] = ()) -> list[str]:
    """The names, those that are reserved or the same (also but for their case) numbered: `photo-1`, `photo-2`."""
    folded = [name.casefold() for name in (*reserved, *names)]
    taken = set(folded)
    found = []
    for name in names:
        if folded.count(name.casefold()) > 1:
            name = next(n for i in itertools.count(1) if (n := f"{name}-{i}").casefold() not in taken)
            taken.add(name.casefold())
        found.append(name)
    return found


def picture_names(tasks: Sequence[str]) -> dict[str, str]:
    """How each task's pictures are called; tasks are named by the suite, so nothing of a name may lead elsewhere."""
    plain = [re.sub(r"[^A-Za-z0-9_-]", "_", task) for task in tasks]
    return dict(zip(tasks, distinct(plain, (_SHEET,)), strict=True))


def _shoot(model: Model, path: Path, stem: str, names: Mapping[str, str], image: Array) -> Shot:
    from .pictures import painted, resized

    tasks, size = model.suite.tasks, (model.suite.input.height, model.suite.input.width)
    fitted = resized(image, *size)
    model(fitted)
    start = time.perf_counter()
    outputs = model(fitted)
    took = (time.perf_counter() - start) * 1e3
    panels, labels = [], {}
    for name, output in outputs.items():
        if tasks[name].kind == "classification":
            labels[name] = _label(tasks[name], output)
        else:
            panels.append((name, painted(tasks[name], output, image)))
    return Shot(path, stem, names, image, size, took, panels, labels)


def _label(task: Task, probabilities: Array) -> str:
    best = int(probabilities.argmax())
    return f"{task.classes[best]} ({float(probabilities[best]):.0%})"


def write(shots: Sequence[Shot], out: Path) -> None:
    """Write every picture and, an image, a sheet of them into the folder `out`."""
    from .pictures import Picture, contact_sheet, save

    images = [shot.path for shot in shots]
    for shot in shots:
        for path in (shot.sheet(out), *(shot.picture(out, name) for name, _ in shot.panels)):
            check_other(path, images)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for shot in shots:
            for name, picture in shot.panels:
                save(picture.pixels, shot.picture(out, name))
            contact_sheet([(shot.path.name, Picture(shot.image)), *shot.panels], shot.sheet(out))
    except OSError as error:
        raise InputError(
            f"cannot write pictures into {out}: {why_no_folder(out, error)}; choose another --out"
        ) from error
