"""Batch-norm statistics of one configuration (US-Nets, ICCV 2019): what a subnet is evaluated and exported with."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..devices.errors import DataError
from ..models.network import normalize
from ..models.setting import Moments, Statistics
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from .data.batches import Batch


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
