"""Quality of subnets on data, with recalibrated batch norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch

from ..models.decode import decode
from ..models.metrics import Metric
from ..models.network import normalize
from ..models.setting import Statistics
from ..models.space import SearchSpace, SubnetConfig
from ..models.supernet import Supernet
from .data.batches import Batch, collate
from .data.sample import Dataset
from .recalibrate import recalibrate

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
    supernet: Supernet,
    config: SubnetConfig,
    data: Dataset | Sequence[Batch],
    statistics: Statistics | None,
    limit: int | None = None,
    tasks: Sequence[str] | None = None,
) -> Quality:
    """Quality per task of one subnet; `data` is a data set, or batches that `load_batches` decoded already.

    NaN where nothing is labelled. `limit` counts samples of a data set. The supernet's mode is left as it was.
    """
    batches = data if isinstance(data, list | tuple) else load_batches(cast(Dataset, data), limit)
    metrics = {task.name: Metric(task) for task in supernet.tasks if tasks is None or task.name in tasks}
    device = next(supernet.parameters()).device
    was_training = supernet.training
    supernet.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                images = normalize(batch.images.to(device), supernet.architecture)
                outputs = supernet(images, config, statistics, tasks=list(metrics))
                for name, metric in metrics.items():
                    decoded = decode(metric.task, outputs[name].float())
                    metric.update(decoded.cpu().numpy(), batch.targets[name].numpy())
    finally:
        supernet.train(was_training)
    return {name: metric.value() for name, metric in metrics.items()}


class Evaluator:
    """Statistics and quality of any number of configurations of one supernet, each part computed once.

    A task's output depends on the encoder's widths and its own decoder's only, so both are kept by (encoder, task,
    width): a search that changes one decoder pays for that decoder's task, and returning to a subnet costs nothing.
    """

    def __init__(self, supernet: Supernet, recalibration: Sequence[Batch], validation: Sequence[Batch]):
        self.supernet = supernet
        self._recalibration = tuple(recalibration)
        self._validation = tuple(validation)
        self._statistics: dict[tuple[Any, ...], Statistics] = {}
        self._quality: dict[tuple[Any, ...], float] = {}

    def statistics(self, config: SubnetConfig) -> Statistics:
        """Recalibrated batch-norm statistics of a configuration."""
        missing = [task for task, width in config.decoders if (config.encoder, task, width) not in self._statistics]
        if missing:
            found = recalibrate(self.supernet, config, self._recalibration, missing)
            self._statistics[config.encoder,] = _under(found, "encoder.")
            for task in missing:
                self._statistics[config.encoder, task, config.width(f"decoder.{task}")] = _under(
                    found, f"decoders.{task}."
                )
        merged = dict(self._statistics[config.encoder,])
        for task, width in config.decoders:
            merged.update(self._statistics[config.encoder, task, width])
        return merged

    def quality(self, config: SubnetConfig) -> Quality:
        """Quality per task of a configuration on the validation batches."""
        missing = [task for task, width in config.decoders if (config.encoder, task, width) not in self._quality]
        if missing:
            found = evaluate(self.supernet, config, self._validation, self.statistics(config), tasks=missing)
            for task in missing:
                self._quality[config.encoder, task, config.width(f"decoder.{task}")] = found[task]
        return {task: self._quality[config.encoder, task, width] for task, width in config.decoders}


def _under(statistics: Statistics, prefix: str) -> Statistics:
    return {name: moments for name, moments in statistics.items() if name.startswith(prefix)}


def landmark_subnets(space: SearchSpace) -> list[SubnetConfig]:
    """The subnets that every training is judged by: one uniform width each, from the widest to the narrowest."""
    found = []
    for width in reversed(space.encoder_widths):
        decoder = min(space.decoder_widths, key=lambda each, width=width: abs(each - width))  # type: ignore[misc]
        found.append(space.uniform(width, decoder))
    return found if space.narrowest in found else [*found, space.narrowest]


def quality_row(config: SubnetConfig, quality: Quality) -> dict[str, Any]:
    """A row of the quality table, as JSON: NaN (nothing labelled) becomes null."""
    values = {task: None if math.isnan(value) else value for task, value in quality.items()}
    return {"config": config.to_json(), "quality": values}
