"""Quality of one subnet, one forward pass after another: what the evaluator, which shares passes, has to agree with."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from pliant.models.decode import decode
from pliant.models.metrics import Metric
from pliant.models.setting import Statistics
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.training.data.batches import Batch
from pliant.training.layout import laid_out


def evaluate(
    supernet: Supernet, config: SubnetConfig, batches: Iterable[Batch], statistics: Statistics | None
) -> dict[str, float]:
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
