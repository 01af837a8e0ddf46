"""From a network's raw output to what people use, in operations that every engine has (runtime/format/tasks.py)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..runtime.format.tasks import Task


def log_depth(task: Task, logits: Tensor) -> Tensor:
    """Raw (N, 1, H, W) -> natural logarithm of metres (N, H, W): from -2 to 2 they span the task's range.

    The logarithm keeps depth positive and its error relative. It is linear, and bounded only by `decode`: a sigmoid has
    no gradient where a pixel went astray, so such a pixel never comes back.
    """
    low, high = log_range(task)
    return 0.5 * (low + high) + 0.25 * (high - low) * logits[:, 0]


def log_range(task: Task) -> tuple[float, float]:
    """Natural logarithms of the least and the greatest depth that a task knows, in metres."""
    low, high = task.value_range
    return math.log(low), math.log(high)


def decode(task: Task, logits: Tensor) -> Tensor:
    """Raw output -> decoded output of the task's kind.

    segmentation (N,C,H,W) -> uint8 (N,H,W); depth (N,1,H,W) -> metres (N,H,W); normals (N,3,H,W) -> unit vectors
    (N,H,W,3); edges (N,1,H,W) -> probability (N,H,W); classification (N,C) -> probabilities (N,C).
    """
    if task.kind == "segmentation":
        return logits.argmax(1).to(torch.uint8)
    if task.kind == "depth":
        return log_depth(task, logits).clamp(*log_range(task)).exp()
    if task.kind == "normals":
        return (logits / lengths(logits, keepdim=True)).permute(0, 2, 3, 1)
    return logits[:, 0].sigmoid() if task.kind == "edges" else logits.softmax(1)


def lengths(vectors: Tensor, *, keepdim: bool = False) -> Tensor:
    """Euclidean lengths of (N, C, H, W) over C, never quite 0: (N, H, W), or (N, 1, H, W) with `keepdim`."""
    # Spelled out: torch's vector norm over the channel axis took 30 % of a narrow subnet's training step on a CPU.
    return (vectors * vectors).sum(1, keepdim=keepdim).clamp(min=1e-8).sqrt()
