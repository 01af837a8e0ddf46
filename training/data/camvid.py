"""CamVid: streets from a driving car, labelled with eleven classes and the edges between them.

Brostow et al., "Semantic object classes in video: a high-definition ground truth database"
(Pattern Recognition Letters 2009), in the splits of the SegNet tutorial.
"""

from __future__ import annotations

import numpy as np

from ...runtime.format.tasks import Task
from .dense import Array, Film, Labels

_CLASSES = (
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


def _ignored(classes: Array) -> Array:
    """Class ids with everything beyond the eleven as 255."""
    return np.where(classes < len(_CLASSES), classes, np.uint8(255))


CAMVID = Film(
    "camvid",
    "camvid_180x240.npz",
    (180, 240),
    (
        Labels(Task("segmentation", "segmentation", _CLASSES, _COLORS), "seg", decode=_ignored),
        Labels(Task("edges", "edges"), "edge"),
    ),
    {"train": "train_", "validation": "val_", "test": "test_"},
)
"""Train (367), validation (101) and test (233)."""
