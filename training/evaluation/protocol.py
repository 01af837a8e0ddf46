"""What subnets are judged on, which of them every training is judged by, and how that is written down."""

from __future__ import annotations

import math
from typing import Any

from ...models.space import SearchSpace, SubnetConfig
from ..data.batches import Batch, collate
from ..data.sample import Dataset

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
