"""Batch-norm statistics of one configuration (US-Nets, ICCV 2019): what a subnet is evaluated and exported with.

They are measured on batches as training made them: drawn at random, changed as the recipe says, of its batch size. It
matters: on Red Kitchen, neighbouring frames as they are (batches of one view, normalised by its own moments) gave the
widest subnet a depth RMSE of 0.66 m on validation images, frames drawn from the whole film 0.43 m, training's batches
0.26 m (one training, 128 images each).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch

from ..devices.errors import DataError
from ..models.network import normalize
from ..models.setting import Moments, Statistics
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from .data.batches import Batch, epoch_batches
from .data.sample import Dataset
from .recipe import TrainingRecipe


def recalibrate(supernet: Supernet, config: SubnetConfig, batches: Iterable[Batch]) -> Statistics:
    """Mean and biased variance of every batch-norm layer's input, pooled over all positions of `batches`.

    Each batch passes once, normalised with its own moments as in training. Nothing of the supernet changes. Raises
    DataError when there are no batches.
    """
    collected: dict[str, Moments] = {}
    device = next(supernet.parameters()).device
    with torch.no_grad():
        for batch in batches:
            images = normalize(batch.images.to(device), supernet.architecture)
            supernet(images, config, collect=collected)
    if not collected:
        raise DataError("batch norm cannot be recalibrated without images")
    return {name: (moments.mean.float(), moments.variance.float()) for name, moments in collected.items()}


def recalibration_batches(dataset: Dataset, recipe: TrainingRecipe) -> tuple[Batch, ...]:
    """The batches that would have followed the last of a training: at least `recalibration_images` images, decoded."""
    epochs = itertools.count(recipe.epochs)
    batches = itertools.chain.from_iterable(
        epoch_batches(dataset, recipe.batch_size, recipe.seed, epoch, recipe.augmentation) for epoch in epochs
    )
    count = math.ceil(recipe.recalibration_images / min(recipe.batch_size, len(dataset)))
    return tuple(itertools.islice(batches, count))
