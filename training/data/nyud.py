"""NYUD-v2 for several tasks: rooms with 40 classes, depth, normals and edges, in the folder `NYUD_MT` or `NYUDv2`.

Silberman et al., "Indoor segmentation and support inference from RGBD images" (ECCV 2012), as prepared by Maninis et
al., "Attentive single-tasking of multiple tasks" (CVPR 2019, ASTMT) and by those who built on it: the file types of
ASTMT, of MTI-Net (Vandenhende et al.) and of ATRC (Bruggemann et al.) are all read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...runtime.format.tasks import Task
from .decode import Array, class_ids, edge_map, metres, unit_vectors
from .file_dataset import LabelFiles, Place
from .prepared import Prepared
from .readers import decoded, read_array

CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor_mat"),
    *("clothes", "ceiling", "books", "refrigerator", "television", "paper", "towel", "shower_curtain", "box"),
    *("whiteboard", "person", "night_stand", "toilet", "sink", "lamp", "bathtub", "bag"),
    *("other_structure", "other_furniture", "other_prop"),
)
TASKS = (
    Task("segmentation", "segmentation", CLASSES),
    Task("depth", "depth", value_range=(0.5, 10.0)),
    Task("normals", "normals", value_range=(-1.0, 1.0)),
    Task("edges", "edges"),
)


def _labels(folder: Path) -> tuple[LabelFiles, ...]:
    segmentation, depth, normals, edges = TASKS
    return (
        LabelFiles(segmentation, Place(folder, ("segmentation/{}.png", "segmentation/{}.mat")), _segmentation),
        LabelFiles(depth, Place(folder, ("depth/{}.npy", "depth/{}.mat")), _depth),
        LabelFiles(normals, Place(folder, ("normals/{}.npy", "normals/{}.png", "normals/{}.jpg")), _normals),
        LabelFiles(edges, Place(folder, ("edge/{}.npy", "edge/{}.png")), _edges),
    )


def _segmentation(path: Path) -> Array:
    """The 40 classes are numbered from 1; 0 is what has no class."""
    read = partial(class_ids, classes=len(CLASSES), first=1, ignore=(0, 255))
    return decoded(path, read_array(path, "segmentation"), read)


def _depth(path: Path) -> Array:
    return decoded(path, read_array(path, "depth"), metres)


def _normals(path: Path) -> Array:
    return decoded(path, read_array(path), unit_vectors)


def _edges(path: Path) -> Array:
    return decoded(path, read_array(path), edge_map)


# At 425x560 pixels, unless another size is asked for.
NYUD = Prepared("nyudv2", ("NYUD_MT", "NYUDv2"), "gt_sets", ("images/{}.jpg", "images/{}.png"), TASKS, _labels)
