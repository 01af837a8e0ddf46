"""Quality of one subnet on data, and what it is measured on; of many subnets, `evaluator` gives the same for less."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from ...models.decode import decode
from ...models.metrics import Metric
from ...models.setting import Statistics
from ...models.space import SearchSpace, SubnetConfig
from ...models.supernet import Supernet
from ..data.batches import Batch, collate
from ..data.sample import Dataset
from ..layout import laid_out

Quality = dict[str, float]
"""Task name -> value of the task's metric."""


def load_batches(dataset: Dataset, limit: int | None = None, batch_size: int = 16) -> tuple[Batch, ...]:
    """Decode a data set once, to be evaluated many times; `limit` samples spread evenly over it (neighbours of a film
    are alike).
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    chosen = [index * len(dataset) // count for index in range(count)]
    starts = range(0, count, batch_size)
    return tuple(
        collate([dataset[index] for index in chosen[start : start + batch_size]], dataset.tasks) for start in starts
    )


def evaluate(
    supernet: Supernet, config: SubnetConfig, batches: Iterable[Batch], statistics: Statistics | None
) -> Quality:
    """Quality per task of one subnet; NaN where nothing is labelled. The supernet's mode is left as it was."""
    metrics = {task.name: Metric(task) for task in supernet.tasks}
    was_training = supernet.training
    supernet.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                outputs = supernet(laid_out(supernet, batch.images), config, statistics)
                for name, metric in metrics.items():
                    decoded = decode(metric.task, outputs[name].float())
                    metric.update(decoded.cpu().numpy(), batch.targets[name].numpy())
    finally:
        supernet.train(was_training)
    return {name: metric.value() for name, metric in metrics.items()}


def landmark_subnets(space: SearchSpace, only: float | None = None) -> list[SubnetConfig]:
    """The subnets that every training is judged by: one uniform width each, from the widest to the narrowest.

    A training of `only` one width is judged by that.
    """
    if only is not None:
        return [space.uniform(only)]
    found = [space.even(width) for width in reversed(space.encoder_widths)]
    return found if space.narrowest in found else [*found, space.narrowest]


def quality_row(config: SubnetConfig, quality: Quality) -> dict[str, Any]:
    """A row of the quality table, as JSON: NaN (nothing labelled) becomes null."""
    values = {task: None if math.isnan(value) else value for task, value in quality.items()}
    return {"config": config.to_json(), "quality": values}
