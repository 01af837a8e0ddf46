"""Red Kitchen: one real room by a depth camera, labelled with depth, normals, surfaces and edges.

Shotton et al., "Scene Coordinate Regression Forests" (CVPR 2013), the RedKitchen of 7-Scenes. The
test split is more of the same room, not new rooms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.tasks import Task
from .dense import DenseDataset, Labels, spread, to_metres, to_unit
from .files import Form, Pictures, check_names, find, read

FILE = "redkitchen_rgbd_128x160.npz"
SIZE = (128, 160)
SPLITS = {"train": 0, "validation": 1, "test": 2, "other": 3}
SURFACES = ("floor_or_low_horizontal", "raised_horizontal", "vertical_axis_a", "vertical_axis_b", "other_orientation")
_COLORS = ((150, 118, 84), (232, 196, 96), (86, 140, 200), (104, 178, 140), (200, 96, 110))
TASKS = (
    Task("depth", "depth", value_range=(0.3, 6.0)),
    Task("normals", "normals", value_range=(-1.0, 1.0)),
    Task("surfaces", "segmentation", SURFACES, _COLORS),
    Task("edges", "edges"),
)
_FORMS: dict[str, Form] = {
    "jpeg": (np.uint8, (None,)),
    "offsets": (np.int64, (None,)),
    "split": (np.uint8, (None,)),
    "depth_mm": (np.uint16, (None, *SIZE)),
    "normal": (np.int8, (None, *SIZE, 3)),
    "geo": (np.uint8, (None, *SIZE)),
    "occ_edge": (np.uint8, (None, *SIZE)),
}


def open_redkitchen(
    split: str,
    root: Path | None = None,
    size: tuple[int, int] | None = None,
    count: int | None = None,
    tasks: tuple[str, ...] | None = None,
) -> DenseDataset:
    """A split of Red Kitchen: train (340), validation (40), test (100) or other, another recording (25).

    Raises DataError where the file is missing or damaged.
    """
    check_names("redkitchen", "split", (split,), tuple(SPLITS))
    check_names("redkitchen", "task", tasks, tuple(task.name for task in TASKS))
    path = find(FILE, root)
    arrays = read(path, _FORMS)
    depth, normals, surfaces, edges = TASKS
    labels = (
        Labels(depth, arrays["depth_mm"], to_metres),
        Labels(normals, arrays["normal"], to_unit),
        Labels(surfaces, arrays["geo"]),
        Labels(edges, arrays["occ_edge"]),
    )
    pictures = Pictures(path, arrays["jpeg"], arrays["offsets"], SIZE)
    which = spread(np.flatnonzero(arrays["split"] == SPLITS[split]), count, f"redkitchen {split}")
    chosen = tuple(label for label in labels if tasks is None or label.task.name in tasks)
    return DenseDataset("redkitchen", pictures, chosen, which, size)
