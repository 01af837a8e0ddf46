"""The images that a search looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...training.checkpoints.checkpoint import Checkpoint
from ...training.data.batches import Batch
from ...training.evaluation.protocol import load_batches
from ...training.evaluation.recalibrate import recalibration_batches
from ...training.prepare import open_split


@dataclass(frozen=True)
class SearchData:
    """Decoded images: those that batch norm is recalibrated on, and those that quality is measured on."""

    name: str
    split: str
    recalibration: Sequence[Batch]
    validation: Sequence[Batch]


def open_search_data(checkpoint: Checkpoint, images: int | None = None, root: Path | None = None) -> SearchData:
    """The recipe's training images for recalibration and its validation images, as many as it (or `images`) says."""
    recipe = checkpoint.recipe
    if root is not None:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"root": root})})
    limit = recipe.search.validation_images if images is None else images
    return SearchData(
        recipe.data.name,
        "validation",
        recalibration_batches(open_split(recipe, "train"), recipe.training),
        load_batches(open_split(recipe, "validation"), limit),
    )
