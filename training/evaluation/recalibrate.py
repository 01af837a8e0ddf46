"""Batch-norm statistics of one configuration (US-Nets, ICCV 2019): what a subnet is evaluated and exported with.

They are measured on images as training saw them: drawn at random, changed as the recipe says. It matters: on Red
Kitchen, batches of neighbouring frames (one view, normalised by its own moments) gave the widest subnet a depth RMSE
of 0.66 m on validation images, batches from the whole film 0.43 m, such batches changed as in training 0.26 m. And in
batches of 32 rather than of the recipe's 8, whose moments are noisy: at width 0.25 0.45 to 1.01 m became 0.39 to 0.68
(one training each, 128 images, several draws).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch

from ...devices.errors import DataError
from ...models.setting import Moments, Statistics
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from ..data.batches import Batch, epoch_batches
from ..data.sample import Dataset
from ..layout import laid_out
from ..recipe.training import TrainingRecipe

LARGE = 32
"""Images of a batch whose moments tell of all images rather than of the batch."""


def recalibrate(supernet: Supernet, config: SubnetConfig, batches: Iterable[Batch]) -> Statistics:
    """Mean and biased variance of every batch-norm layer's input, pooled over all positions of `batches`.

    Each batch passes once, normalised with its own moments as in training. Nothing of the supernet changes. Raises
    DataError when there are no batches.
    """
    collected: dict[str, Moments] = {}
    with torch.no_grad():
        for batch in batches:
            supernet(laid_out(supernet, batch.images), config, collect=collected)
    if not collected:
        raise DataError("batch norm cannot be recalibrated without images")
    return {name: (moments.mean.float(), moments.variance.float()) for name, moments in collected.items()}


def recalibration_batches(dataset: Dataset, recipe: TrainingRecipe) -> tuple[Batch, ...]:
    """Images that would have followed the last of a training, in batches of LARGE or the recipe's size if that is more.

    At least `recalibration_images` of them, decoded.
    """
    size = min(max(LARGE, recipe.batch_size), recipe.recalibration_images, len(dataset))
    batches = itertools.chain.from_iterable(
        epoch_batches(dataset, size, recipe.seed, epoch, recipe.augmentation)
        for epoch in itertools.count(recipe.epochs)
    )
    return tuple(itertools.islice(batches, math.ceil(recipe.recalibration_images / size)))
