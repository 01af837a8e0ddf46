"""Images with labels for several tasks: rendered by the project itself, or real.

    data = open_data("scenes", "train", count=2000, size=(96, 128))
    sample = data[0]                     # Sample(image, {"segmentation": ..., "depth": ..., ...})

`batches.py` turns data sets into batches of tensors; nothing else here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...devices.errors import DataError
from .camvid import CAMVID
from .cifar100 import open_cifar100
from .file_dataset import FileDataset
from .folder import open_folder
from .nyud import NYUD
from .pascal import PASCAL
from .redkitchen import REDKITCHEN
from .sample import Dataset, Sample
from .scenes.dataset import Progress, Scenes

NAMES = ("scenes", "redkitchen", "camvid", "cifar100-mtl", "nyudv2", "pascal-context", "folder")
_FILES: dict[str, Callable[..., Dataset]] = {
    "redkitchen": REDKITCHEN.open,
    "camvid": CAMVID.open,
    "cifar100-mtl": open_cifar100,
    "nyudv2": NYUD.open,
    "pascal-context": PASCAL.open,
    "folder": open_folder,
}

__all__ = ["NAMES", "Dataset", "Sample", "open_data"]


def open_data(
    name: str,
    split: str,
    *,
    root: Path | None = None,
    size: tuple[int, int] | None = None,
    count: int | None = None,
    seed: int = 0,
    tasks: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    workers: int = 2,
    incomplete: bool = False,
) -> Dataset:
    """Open a split (train, validation or test) of a data set in `NAMES`.

    `size` is (height, width), by default as stored (scenes: 96x128). `count` takes fewer samples:
    the first so many of scenes and cifar100-mtl, evenly spaced ones of the others; more than there
    are is an error (scenes has as many as are asked for). `tasks` leaves only these. `root` is the
    folder of the real data's files, for `folder` the one with a dataset.yaml. With `incomplete` it
    may lack files of labels, as `check.py` finds out. `seed` chooses among scenes; with `progress(done, total)` they
    are rendered at once, by `workers` processes, otherwise when a sample is asked for.

    Raises DataError where a file is missing or damaged (saying what to put where), and for names,
    splits, tasks, sizes and counts that do not exist.
    """
    if name not in NAMES:
        raise DataError(f"there is no data set {name!r}: choose one of {', '.join(NAMES)}")
    if size is not None and (min(size) < 8 or max(size) > 4096):
        raise DataError(f"images cannot be {size[0]}x{size[1]}: choose sides from 8 to 4096 pixels")
    if tasks is not None and not tasks:
        raise DataError(f"no task of {name} is chosen: name one or more, or leave the choice out")
    if name in _FILES:
        data = _FILES[name](split, root=root, size=size, count=count, tasks=tasks)
        if isinstance(data, FileDataset) and not incomplete and (data.complete or split == "train"):
            data.require_labels()
        return data
    scenes = Scenes(split, count=count, size=size, seed=seed, tasks=tasks)
    if progress is not None:
        scenes.prepare(workers, progress)
    return scenes
