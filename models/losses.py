"""What each kind of task is trained with. Pixels without a label do not count; a batch without any gives zero."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..runtime.format.tasks import Task
from .decode import lengths, log_depth, log_range
from .reduction import HERE, Reduction

IGNORE = 255
MOST_WEIGHT = 10.0
"""The most that a pixel of what is rare, an edge or a class, weighs against one of what is common."""


def loss(task: Task, logits: Tensor, target: Tensor, batch: Reduction = HERE, *, rarity: bool = False) -> Tensor:
    """Mean loss over labelled pixels (or images) of the whole batch; a scalar that always has a gradient.

    `logits` is a network's raw output for the task, `target` as `training.data.batches.Batch` holds it; `batch` says
    where the rest of a batch is of which these are a share. With `rarity` pixels of rare classes weigh more in a
    segmentation; those of edges always do.
    """
    logits = logits.float()
    if task.kind == "segmentation" and rarity:
        return _by_rarity(logits, target, batch)
    if task.kind == "segmentation":
        return _cross_entropy(logits, target, IGNORE, batch)
    if task.kind == "classification":
        return _cross_entropy(logits, target, -1, batch)
    if task.kind == "depth":
        return _depth(task, logits, target, batch)
    return _normals(logits, target, batch) if task.kind == "normals" else _edges(logits, target, batch)


def labelled(task: Task, target: Tensor) -> Tensor:
    """Which pixels (N, H, W), or images (N,), of a target count in the loss."""
    if task.kind == "classification":
        return target != -1
    if task.kind == "depth":
        return target > 0
    return target.abs().sum(-1) > 0 if task.kind == "normals" else target != IGNORE


def _cross_entropy(logits: Tensor, target: Tensor, ignore: int, batch: Reduction) -> Tensor:
    total = F.cross_entropy(logits, target, ignore_index=ignore, reduction="sum")
    return batch.average(total, (target != ignore).sum())


def _by_rarity(logits: Tensor, target: Tensor, batch: Reduction) -> Tensor:
    """Cross-entropy that weighs a class by the square root of how much rarer it is than the most common of the batch.

    The metric, mIoU, counts all classes alike; plain cross-entropy learns those of few pixels last.
    """
    losses = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    classes = logits.shape[1]
    own = torch.bincount(target[target != IGNORE], minlength=classes).to(logits.dtype)
    counts = batch.summed([own])[0]
    weights = (counts.max() / counts.clamp(min=1)).sqrt().clamp(max=MOST_WEIGHT)
    return batch.average((losses * weights[target.clamp(max=classes - 1)]).sum(), (weights * own).sum())


def _depth(task: Task, logits: Tensor, target: Tensor, batch: Reduction) -> Tensor:
    """Absolute error of log-depth (relative error, scale-free) and, lighter, of depth in metres: the metric is RMSE."""
    low, high = task.value_range
    valid = target > 0
    logs = log_depth(task, logits)
    truth = target.clamp(low, high)
    relative = (logs - truth.log()).abs()
    metres = (logs.clamp(*log_range(task)).exp() - truth).abs()
    return batch.average(((relative + 0.2 * metres) * valid).sum(), valid.sum())


def _normals(logits: Tensor, target: Tensor, batch: Reduction) -> Tensor:
    """One minus the cosine between prediction and truth."""
    valid = target.abs().sum(-1) > 0
    cosine = (logits * target.permute(0, 3, 1, 2)).sum(1) / lengths(logits)
    return batch.average(((1.0 - cosine) * valid).sum(), valid.sum())


def _edges(logits: Tensor, target: Tensor, batch: Reduction) -> Tensor:
    """Weighted binary cross-entropy plus Dice: edges are rare, and the metric is F1 of what is more likely than not.

    The threshold that is best for F1 lies at half of the F1 that can be had, far below 0.5. So edges weigh more than
    the rest, by the square root of how much rarer they are in the batch (at most tenfold).
    """
    scores = logits[:, 0]
    valid = (target != IGNORE).float()
    truth = torch.where(target == IGNORE, torch.zeros_like(target), target).float()
    edges, count = batch.sums(truth.sum(), valid.sum())
    others = count - edges
    weight = (others / edges.clamp(min=1)).sqrt().clamp(1.0, MOST_WEIGHT)
    entropy = F.binary_cross_entropy_with_logits(scores, truth, reduction="none", pos_weight=weight)
    probability = scores.sigmoid() * valid
    found = ((entropy * valid).sum(), (probability * truth).sum(), probability.sum())
    total, overlap, marked = batch.sums(*found)
    dice = 1.0 - (2.0 * overlap + 1.0) / (marked + edges + 1.0)
    return total / (others + weight * edges).clamp(min=1) + 0.5 * dice * (count > 0)
