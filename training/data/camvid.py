"""CamVid: streets from a driving car, labelled with eleven classes and the edges between them.

Brostow et al., "Semantic object classes in video: a high-definition ground truth database"
(Pattern Recognition Letters 2009), in the splits of the SegNet tutorial.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.tasks import Task
from .dense import Array, DenseDataset, Labels, spread
from .files import Form, Pictures, check_names, find, read

FILE = "camvid_180x240.npz"
SIZE = (180, 240)
SPLITS = {"train": "train", "validation": "val", "test": "test"}
CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign_symbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
_COLORS = (
    (128, 178, 220),
    (150, 92, 78),
    (208, 202, 160),
    (112, 84, 128),
    (196, 120, 176),
    (108, 140, 62),
    (226, 176, 60),
    (118, 122, 150),
    (56, 82, 168),
    (214, 78, 60),
    (40, 154, 160),
)
TASKS = (Task("segmentation", "segmentation", CLASSES, _COLORS), Task("edges", "edges"))


def open_camvid(
    split: str,
    root: Path | None = None,
    size: tuple[int, int] | None = None,
    count: int | None = None,
    tasks: tuple[str, ...] | None = None,
) -> DenseDataset:
    """A split of CamVid: train (367), validation (101) or test (233).

    Raises DataError where the file is missing or damaged.
    """
    check_names("camvid", "split", (split,), tuple(SPLITS))
    check_names("camvid", "task", tasks, tuple(task.name for task in TASKS))
    path, part = find(FILE, root), SPLITS[split]
    forms: dict[str, Form] = {
        f"{part}_jpeg": (np.uint8, (None,)),
        f"{part}_offsets": (np.int64, (None,)),
        f"{part}_seg": (np.uint8, (None, *SIZE)),
        f"{part}_edge": (np.uint8, (None, *SIZE)),
    }
    arrays = read(path, forms)
    segmentation, edges = TASKS
    labels = (Labels(segmentation, arrays[f"{part}_seg"], _ignored), Labels(edges, arrays[f"{part}_edge"]))
    pictures = Pictures(path, arrays[f"{part}_jpeg"], arrays[f"{part}_offsets"], SIZE)
    which = spread(np.arange(len(pictures), dtype=np.int64), count, f"camvid {split}")
    chosen = tuple(label for label in labels if tasks is None or label.task.name in tasks)
    return DenseDataset("camvid", pictures, chosen, which, size)


def _ignored(classes: Array) -> Array:
    """Class ids with everything beyond the eleven as 255."""
    return np.where(classes < len(CLASSES), classes, np.uint8(255))
