"""From a network's raw output to what people use, in operations that every engine has (table: `runtime.tasks`)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..runtime.tasks import Task


def log_depth(task: Task, logits: Tensor) -> Tensor:
    """Raw (N, 1, H, W) -> natural logarithm of metres (N, H, W), within the task's range.

    A sigmoid on the logarithm keeps depth positive and bounded, and its error relative.
    """
    low, high = (math.log(value) for value in task.value_range)
    return low + (high - low) * torch.sigmoid(logits[:, 0])


def decode(task: Task, logits: Tensor) -> Tensor:
    """Raw output -> decoded output of the task's kind.

    segmentation (N,C,H,W) -> uint8 (N,H,W); depth (N,1,H,W) -> metres (N,H,W); normals (N,3,H,W) -> unit vectors
    (N,H,W,3); edges (N,1,H,W) -> probability (N,H,W); classification (N,C) -> probabilities (N,C).
    """
    if task.kind == "segmentation":
        return logits.argmax(1).to(torch.uint8)
    if task.kind == "depth":
        return log_depth(task, logits).exp()
    if task.kind == "normals":
        length = (logits * logits).sum(1, keepdim=True).clamp(min=1e-8).sqrt()
        return (logits / length).permute(0, 2, 3, 1)
    return logits[:, 0].sigmoid() if task.kind == "edges" else logits.softmax(1)
