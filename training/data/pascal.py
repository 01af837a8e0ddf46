"""PASCAL-Context for several tasks: 21 classes, human parts, normals, saliency and edges, in the folder `PASCAL_MT`.

Chen et al., "Detect what you can" (CVPR 2014) and Mottaghi et al., "The role of context" (CVPR 2014), as prepared by
Maninis et al., "Attentive single-tasking of multiple tasks" (CVPR 2019, ASTMT), whose normals and saliency are what
other networks said (distilled). Human parts and the label maps behind edges and normals are `.mat` files.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ...devices.errors import DataError
from ...runtime.format.tasks import Task
from .decode import Array, boundaries, class_ids, unit_vectors
from .file_dataset import LabelFiles, Place
from .pascal_parts import PARTS, human_parts
from .prepared import Prepared
from .readers import decoded, read_array

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
TASKS = (
    Task("segmentation", "segmentation", CLASSES),
    Task("human_parts", "segmentation", PARTS),
    Task("normals", "normals", value_range=(-1.0, 1.0)),
    Task("saliency", "segmentation", ("background", "salient")),
    Task("edges", "edges"),
)
# Classes of the label maps that occur in NYUD-v2 too: the network whose normals these are had seen no other things.
_SEEN_INDOORS = np.array(
    [
        *(3, 4, 6, 9, 10, 11, 13, 15, 17, 18, 22, 23, 29, 30, 33, 34, 36, 37, 38, 39, 41, 43, 46, 49, 50, 51, 53, 55),
        *(56, 59, 61, 62, 65, 66, 68, 69, 72, 73, 78, 83, 84, 85, 87, 88, 95, 96, 101, 104, 105, 107, 111, 113, 115),
        *(122, 124, 135, 141, 142, 143, 146, 150, 154, 157, 158, 159, 165, 172, 174, 181, 183, 184, 191, 193, 195),
        *(197, 199, 202, 213, 215, 216, 219, 220, 223, 225, 228, 230, 232, 233, 238, 239, 242, 243, 246, 250, 251),
        *(252, 255, 260, 261, 263, 269, 272, 273, 275, 281, 283, 284, 285, 286, 287, 288, 290, 291, 292, 293, 295),
        *(304, 307, 309, 310, 314, 315, 319, 323, 329, 330, 331, 336, 342, 345, 349, 350, 351, 352, 355, 357, 368),
        *(370, 371, 374, 379, 380, 383, 384, 397, 401, 403, 405, 407, 408, 411, 412, 413, 414, 417, 419, 421, 423),
        *(427, 429, 430, 432, 440, 441, 442, 443, 444, 446, 454, 457),
    ]
)


def _labels(folder: Path) -> tuple[LabelFiles, ...]:
    segmentation, parts, normals, saliency, edges = TASKS
    maps = Place(folder, ("pascal-context/trainval/{}.mat",))
    semantic = Place(folder, ("semseg/VOC12/{}.png", "semseg/pascal-context/{}.png"))
    return (
        LabelFiles(segmentation, semantic, _segmentation),
        LabelFiles(parts, Place(folder, ("human_parts/{}.mat",)), human_parts),
        LabelFiles(normals, Place(folder, ("normals_distill/{}.png",)), partial(_normals, maps)),
        LabelFiles(saliency, Place(folder, ("sal_distill/{}.png",)), _saliency),
        LabelFiles(edges, maps, _edges),
    )


def _segmentation(path: Path) -> Array:
    return decoded(path, read_array(path), partial(class_ids, classes=len(CLASSES)))


def _saliency(path: Path) -> Array:
    """A grey picture: what is lighter than the half is salient."""
    return decoded(path, read_array(path), lambda grey: class_ids((grey > 127).astype(np.uint8), 2))


def _edges(path: Path) -> Array:
    return decoded(path, read_array(path, "LabelMap"), boundaries)


def _normals(maps: Place, path: Path) -> Array:
    """Normals where the label map says that there is something of a class seen indoors, else none."""
    vectors = decoded(path, read_array(path), unit_vectors)
    map_path = maps.candidates(path.stem)[0]
    labels = read_array(map_path, "LabelMap")
    if labels.shape != vectors.shape[:2]:
        raise DataError(f"{map_path} is of the size {list(labels.shape)}, {path} is not: copy both again")
    return np.where(np.isin(labels, _SEEN_INDOORS)[..., None], vectors, np.float32(0))


# Pictures are of several sizes, so one must be asked for.
PASCAL = Prepared(
    "pascal-context", ("PASCAL_MT", "PASCALContext"), "ImageSets/Context", ("JPEGImages/{}.jpg",), TASKS, _labels
)
