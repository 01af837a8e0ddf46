"""Why a step failed, found out once it has: whose gradient is not finite, or that a batch is too small."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ...devices.errors import RecipeError
from ...models.reduction import HERE, Reduction
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from .sampling import label


def gradient_fault(
    supernet: Supernet, subnets: Iterable[tuple[SubnetConfig, Mapping[str, Tensor]]], batch: Reduction = HERE
) -> str:
    """`of 'depth' in the subnet widest`: the first loss of a subnet whose gradient alone is not finite, found again.

    `subnets` come with their losses by name, which have their graph. Where each is finite alone, their sum overflowed:
    then the parameter with the largest gradient is named. Gradients are lost. Processes that share a `batch` must find
    the same: they look at the gradient of all of it.
    """
    names, parameters = zip(*supernet.named_parameters(), strict=True)
    largest, where = 0.0, names[0]
    for config, losses in subnets:
        for task, loss in losses.items():
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


@contextmanager
def enough_values(images: int) -> Iterator[None]:
    """RecipeError where a batch of `images` has features of one value a channel, of which there is no variance.

    Which sizes of pictures end in 1x1 features, only the network knows: so torch is let to find it at the first step.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise RecipeError(
            f"a batch of {images} leaves batch norm one value a channel, so small are the pictures where they are 1x1: "
            "raise training.batch_size (and have as many training images), or data.size"
        ) from error
