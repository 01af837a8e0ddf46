"""The contact sheet in the documentation: pictures above their labels.

python -m pliant.training.data.scenes.sheet docs/images/scenes.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..sample import Sample
from .picture import COLORS, FARTHEST, render

Pixels = npt.NDArray[np.uint8]
_SEED = 0
_CHOSEN = (12, 0, 21, 16, 35, 36, 30, 42)
# Stops of a map from near (light) to far (dark), RGB.
_DEPTH_STOPS = ((252, 244, 190), (246, 150, 90), (190, 64, 112), (86, 28, 110), (16, 10, 48))


def contact_sheet(samples: Sequence[Sample], gap: int = 4) -> Image.Image:
    """Columns of image, segmentation, depth, normals and edges, one column a sample of one size."""
    columns = [_column(sample, gap) for sample in samples]
    height = columns[0].shape[0]
    space = np.full((height, gap, 3), 255, dtype=np.uint8)
    parts = [part for column in columns for part in (column, space)]
    return Image.fromarray(np.concatenate(parts[:-1], axis=1))


def _column(sample: Sample, gap: int) -> Pixels:
    targets = sample.targets
    palette = np.array(COLORS, dtype=np.uint8)
    edges = np.where(targets["edges"] == 1, 30, 240).astype(np.uint8)
    rows = (
        sample.image,
        palette[targets["segmentation"]],
        _show_depth(targets["depth"]),
        ((targets["normals"] * [1.0, -1.0, -1.0] + 1.0) * 127.5).astype(np.uint8),
        np.repeat(edges[:, :, None], 3, axis=2),
    )
    space = np.full((gap, sample.image.shape[1], 3), 255, dtype=np.uint8)
    return np.concatenate([part for row in rows for part in (row, space)][:-1], axis=0)


def _show_depth(depth: npt.NDArray[Any]) -> Pixels:
    """Depth in metres as colours of its logarithm; grey where there is none."""
    place = np.log(np.clip(depth, 1.0, FARTHEST)) / np.log(FARTHEST) * (len(_DEPTH_STOPS) - 1)
    stops = np.array(_DEPTH_STOPS, dtype=np.float32)
    known = np.arange(len(stops))
    color = np.stack([np.interp(place, known, stops[:, channel]) for channel in range(3)], axis=-1)
    return np.where(depth[:, :, None] > 0.0, color, 128.0).astype(np.uint8)


def main(path: str) -> None:
    """Write the sheet of the documentation."""
    sheet = contact_sheet([render(_SEED, index, (96, 128), "train") for index in _CHOSEN])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
