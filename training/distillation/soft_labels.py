"""Soft labels: a subnet's outputs should be what a wider subnet says (in-place distillation; US-Nets, ICCV 2019).

What is compared follows the kind of the task: class probabilities by a divergence (segmentation, classification, and
edges, which are two classes); depth by the absolute difference of its logarithm; normals by one minus the cosine.

They count where the ground truth does. Pixels without a label (sensor shadows, the void class) are never judged, and
a narrow subnet should not spend its capacity on imitating guesses there. An image without any label of a task is
another matter: it merely was not annotated, is judged like others, and the teacher is all there is to learn from; so
there every pixel counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...models.decode import log_depth
from ...models.losses import labelled
from ...models.reduction import HERE, Reduction
from ...runtime.format.tasks import Task
from ..recipe.training import SoftLabels
from .divergence import divergence


def soft_label_loss(
    task: Task, student: Tensor, teacher: Tensor, target: Tensor, recipe: SoftLabels, batch: Reduction = HERE
) -> Tensor:
    """Mean distance of raw outputs from the teacher's, of the same shape; a scalar with gradient to `student` only.

    `target`, as `training.data.batches.Batch` holds it, only says what counts; `batch` says where the rest of it is.
    """
    distances = _distances(task, student.float(), teacher.detach().float(), recipe)
    counts = counted(task, target)
    return batch.average((distances * counts).sum(), counts.sum())


def counted(task: Task, target: Tensor) -> Tensor:
    """Where soft labels count, (N, H, W) or (N,): where there are labels, and all of an image without any."""
    valid = labelled(task, target)
    blank = ~valid.flatten(1).any(1) if valid.ndim > 1 else ~valid
    return valid | blank.view(-1, *(1,) * (valid.ndim - 1))


def _distances(task: Task, student: Tensor, teacher: Tensor, recipe: SoftLabels) -> Tensor:
    """(N, H, W), or (N,) for classification."""
    if task.kind == "depth":
        return (log_depth(task, student) - log_depth(task, teacher)).abs()
    if task.kind == "normals":
        return 1.0 - _cosine(student, teacher)
    if task.kind == "edges":
        student, teacher = (torch.cat([torch.zeros_like(scores), scores], 1) for scores in (student, teacher))
    return divergence(student, teacher, recipe.divergence, recipe.temperature)


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    # Spelled out: torch's vector norm over the channel axis is several times slower on a CPU.
    lengths = (one.square().sum(1).clamp(min=1e-8) * other.square().sum(1).clamp(min=1e-8)).sqrt()
    return (one * other).sum(1) / lengths
