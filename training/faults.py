"""Which task and subnet a gradient that is not finite comes from; asked only after a training has stopped for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..models.reduction import HERE, Reduction
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from .sampling import label


def gradient_fault(
    supernet: Supernet,
    subnets: Sequence[SubnetConfig],
    losses_of: Callable[[SubnetConfig], dict[str, Tensor]],
    batch: Reduction = HERE,
) -> str:
    """`of 'depth' in the subnet widest`: the first loss of a subnet whose gradient alone is not finite, found again.

    `losses_of(subnet)` gives its losses by task, with their graph. Where each is finite alone, their sum overflowed:
    then the parameter with the largest gradient is named. Gradients are lost. Processes that share a `batch` must find
    the same: they look at the gradient of all of it.
    """
    names, parameters = zip(*supernet.named_parameters(), strict=True)
    largest, where = 0.0, names[0]
    for config in subnets:
        for task, loss in losses_of(config).items():
            found: Sequence[Tensor | None] = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            used = [(name, gradient) for name, gradient in zip(names, found, strict=True) if gradient is not None]
            whole = batch.summed([gradient for _, gradient in used])
            for (name, _), gradient in zip(used, whole, strict=True):
                size = float(gradient.abs().max())
                if not math.isfinite(size):
                    return f"of {task!r} in the subnet {label(supernet.space, config)}"
                if size > largest:
                    largest, where = size, name
    return f"of all losses together, largest at {where}"
