"""Red Kitchen: one real room by a depth camera, labelled with depth, normals, surfaces and edges.

Shotton et al., "Scene Coordinate Regression Forests" (CVPR 2013), the RedKitchen of 7-Scenes. The
test split is more of the same room, not new rooms.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...runtime.format.tasks import Task
from .dense import Array, Film, Labels

_SURFACES = ("floor_or_low_horizontal", "raised_horizontal", "vertical_axis_a", "vertical_axis_b", "other_orientation")
_COLORS = ((150, 118, 84), (232, 196, 96), (86, 140, 200), (104, 178, 140), (200, 96, 110))


def _to_metres(millimetres: Array) -> npt.NDArray[np.float32]:
    """uint16 millimetres to float32 metres, 0 staying 0."""
    return millimetres.astype(np.float32) * np.float32(1e-3)


def _to_unit(coded: Array) -> npt.NDArray[np.float32]:
    """int8 vectors (H,W,3) to float32 of length one, 0,0,0 staying so."""
    vectors = coded.astype(np.float32)
    square = vectors[..., 0] ** 2 + vectors[..., 1] ** 2 + vectors[..., 2] ** 2
    return np.asarray(vectors * (1.0 / np.sqrt(np.maximum(square, 1.0)))[..., None], dtype=np.float32)


REDKITCHEN = Film(
    "redkitchen",
    "redkitchen_rgbd_128x160.npz",
    (128, 160),
    (
        Labels(Task("depth", "depth", value_range=(0.3, 6.0)), "depth_mm", np.uint16, decode=_to_metres),
        Labels(Task("normals", "normals", value_range=(-1.0, 1.0)), "normal", np.int8, (3,), _to_unit),
        Labels(Task("surfaces", "segmentation", _SURFACES, _COLORS), "geo"),
        Labels(Task("edges", "edges"), "occ_edge"),
    ),
    {"train": 0, "validation": 1, "test": 2, "other": 3},
)
"""Train (340), validation (40), test (100) and other, another recording (25)."""
