"""The images that a search looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...export.quality import read_calibration
from ...training.checkpoints.checkpoint import Checkpoint
from ...training.data.batches import Batch
from ...training.evaluation.protocol import load_batches
from ...training.evaluation.recalibrate import recalibration_batches
from ...training.prepare import open_split


@dataclass(frozen=True)
class SearchData:
    """Decoded images: those that batch norm is recalibrated on, and those that quality is measured on.

    `calibration` are batches (N, H, W, 3) for ranges; a search in fp32 needs none.
    """

    name: str
    split: str
    recalibration: Sequence[Batch]
    validation: Sequence[Batch]
    calibration: Sequence[NDArray[np.uint8]] = ()


def open_search_data(
    checkpoint: Checkpoint, images: int | None = None, root: Path | None = None, *, int8: bool = False
) -> SearchData:
    """The recipe's training images for recalibration and its validation images, as many as it (or `images`) says.

    For a search in `int8` also those that an export calibrates on.
    """
    recipe = checkpoint.recipe
    if root is not None:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"root": root})})
    limit = recipe.search.validation_images if images is None else images
    train, architecture = open_split(recipe, "train"), checkpoint.supernet.architecture
    size = architecture.height, architecture.width
    return SearchData(
        recipe.data.name,
        "validation",
        recalibration_batches(train, recipe.training),
        load_batches(open_split(recipe, "validation"), limit),
        read_calibration(train, recipe.quantize.calibration_images, size) if int8 else (),
    )
