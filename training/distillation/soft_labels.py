"""Soft labels: a subnet's outputs should be what a wider subnet says (in-place distillation; US-Nets, ICCV 2019).

What is compared follows the kind of the task: class probabilities by a divergence (segmentation, classification, and
edges, which are two classes); depth by the absolute difference of its logarithm; normals by one minus the cosine.

They count where the ground truth does. Pixels without a label (sensor shadows, the void class) are never judged, and
a narrow subnet should not spend its capacity on imitating guesses there. An image without any label of a task is
another matter: it merely was not annotated, is judged like others, and the teacher is all there is to learn from; so
there every pixel counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...models.decode import lengths, log_depth
from ...models.losses import labelled
from ...models.reduction import HERE, Reduction
from ...runtime.format.tasks import Task
from ..recipe.training import SoftLabels
from .divergence import divergence, log_probabilities


@dataclass(frozen=True)
class SoftTarget:
    """What a teacher says of a task, made ready once for all whom it teaches.

    `said` is log-depth (N, H, W), unit normals (N, 3, H, W), or logarithms of class probabilities (N, C, H, W) or
    (N, C), without gradient; `counts` says where it counts, (N, H, W) or (N,).
    """

    said: Tensor
    counts: Tensor


def soft_target(task: Task, teacher: Tensor, target: Tensor, recipe: SoftLabels) -> SoftTarget:
    """From a teacher's raw output; `target`, as `training.data.batches.Batch` holds it, only says what counts."""
    scores = teacher.detach().float()
    if task.kind == "depth":
        said = log_depth(task, scores)
    elif task.kind == "normals":
        said = scores / lengths(scores, keepdim=True)
    else:
        said = log_probabilities(_classes(task, scores), recipe.temperature)
    return SoftTarget(said, counted(task, target))


def soft_label_loss(
    task: Task, student: Tensor, target: SoftTarget, recipe: SoftLabels, batch: Reduction = HERE
) -> Tensor:
    """Mean distance of a raw output from what the teacher says of it; a scalar. `batch`: where the rest of it is."""
    distances = _distances(task, student.float(), target.said, recipe)
    return batch.average((distances * target.counts).sum(), target.counts.sum())


def counted(task: Task, target: Tensor) -> Tensor:
    """Where soft labels count, (N, H, W) or (N,): where there are labels, and all of an image without any."""
    valid = labelled(task, target)
    blank = ~valid.flatten(1).any(1) if valid.ndim > 1 else ~valid
    return valid | blank.view(-1, *(1,) * (valid.ndim - 1))


def _distances(task: Task, student: Tensor, said: Tensor, recipe: SoftLabels) -> Tensor:
    """(N, H, W), or (N,) for classification."""
    if task.kind == "depth":
        return (log_depth(task, student) - said).abs()
    if task.kind == "normals":
        return 1.0 - (student * said).sum(1) / lengths(student)
    return divergence(_classes(task, student), said, recipe.divergence, recipe.temperature)


def _classes(task: Task, scores: Tensor) -> Tensor:
    """Scores of classes: edges are two, of which one has score 0."""
    return torch.cat([torch.zeros_like(scores), scores], 1) if task.kind == "edges" else scores
