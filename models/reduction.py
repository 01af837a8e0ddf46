"""Sums over a whole batch, wherever its images are: in this process, or shared out among those of a group.

With `AllReduce` every process has a share of the images and calls the same layers and losses in the same order. Means,
batch-norm moments, counts of labelled pixels and losses are then those of the whole batch, the same number everywhere;
gradients of parameters are of the own share, and their sum over the processes (`summed`) is the whole batch's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from ..devices.errors import TrainingError


class RankLost(TrainingError):
    """Another process of the group ended, or cannot be reached."""


@contextmanager
def exchanging() -> Iterator[None]:
    """Around every exchange between processes: RankLost where one of them is gone."""
    try:
        yield
    except RuntimeError as error:
        # gloo's own words follow the place in its source and are followed by advice.
        reason = re.sub(r"^\[[^]]*\]\s*", "", " ".join(str(error).split())).split(". ")[0]
        raise RankLost(
            f"another process of this training is gone, killed or out of memory? ({reason}); "
            "start all of them again with --resume"
        ) from error


class Reduction:
    """The whole batch is in this process: nothing is exchanged."""

    shared = False

    def sums(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Each scalar, summed over the shares of the batch. What is made of it must be the same in every process."""
        return values

    def largest(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Each value, elementwise the largest over the shares of the batch; all of one shape, without gradient."""
        return tuple(value.detach() for value in values)

    def average(self, total: Tensor, count: Tensor) -> Tensor:
        """A scalar `total` divided by how many there are, 0 where there is none."""
        total, count = self.sums(total, count)
        return total / count.clamp(min=1)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of values whose first axis is the batch; a scalar."""
        return values.mean()

    def norm(self, values: Tensor) -> Tensor:
        """Euclidean norm of values whose first axis is the batch; a scalar without gradient."""
        found: Tensor = torch.linalg.vector_norm(values)
        return found

    def standardized(self, features: Tensor, eps: float) -> Tensor:
        """(N, C, H, W) with each channel at mean 0 and variance 1 over the batch."""
        variance, mean = torch.var_mean(features, dim=(0, 2, 3), keepdim=True, correction=0)
        return (features - mean) * (variance + eps).rsqrt()

    def summed(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of the shares, each of any shape, added up."""
        return list(gradients)


class AllReduce(Reduction):
    """The batch is shared out among the processes of a group (None: all there are)."""

    shared = True

    def __init__(self, group: dist.ProcessGroup | None = None):
        self.group = group

    def sums(self, *values: Tensor) -> tuple[Tensor, ...]:
        """In float64 and in one exchange; gradients are those of the own share."""
        packed = torch.stack([value.double() for value in values])
        found: Tensor = _Sum.apply(packed, self)  # type: ignore[no-untyped-call]
        return tuple(total.to(value.dtype) for total, value in zip(found.unbind(), values, strict=True))

    def largest(self, *values: Tensor) -> tuple[Tensor, ...]:
        """In one exchange."""
        packed = torch.stack([value.detach() for value in values])
        with exchanging():
            dist.all_reduce(packed, op=dist.ReduceOp.MAX, group=self.group)
        return packed.unbind()

    def mean(self, values: Tensor) -> Tensor:
        """Of unequal shares too."""
        return self.average(values.sum(), torch.tensor(values.numel(), device=values.device))

    def norm(self, values: Tensor) -> Tensor:
        """The root of the sum of all squares."""
        return self.sums(values.detach().square().sum())[0].sqrt()

    def standardized(self, features: Tensor, eps: float) -> Tensor:
        """By the moments of the whole batch."""
        one = features.new_ones(features.shape[1])
        return batch_norm(features, one, torch.zeros_like(one), eps, self)[0]

    def summed(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """In one exchange; there must be the same ones in every process."""
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self.exchange(flat)
        parts = flat.split([gradient.numel() for gradient in gradients])
        return [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]

    def exchange(self, values: Tensor) -> None:
        """Add up a tensor over the group, in place; RankLost where a process is gone."""
        with exchanging():
            dist.all_reduce(values, group=self.group)


class _Sum(torch.autograd.Function):
    """The sum over the group. What follows is the same in every process, so each share's gradient is the sum's."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, reduction: AllReduce) -> Tensor:
        total = values.clone()
        reduction.exchange(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def batch_norm(
    input: Tensor, weight: Tensor, bias: Tensor, eps: float, reduction: AllReduce
) -> tuple[Tensor, Tensor, Tensor]:
    """(N, C, H, W) normalised by the moments of the whole batch; its mean and its unbiased variance, in float64.

    `weight` and `bias` are (C,). One exchange forward and one backward. torch's SyncBatchNorm refuses CPU tensors.
    """
    found = _BatchNorm.apply(input, weight, bias, eps, reduction)  # type: ignore[no-untyped-call]
    output, mean, variance, count = found
    return output, mean, variance * (count / (count - 1))


class _BatchNorm(torch.autograd.Function):
    """Gradients reach the moments, which every process's loss depends on: theirs are added up."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float, reduction: AllReduce
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        channels = input.shape[1]
        variance, mean = torch.var_mean(input.to(weight.dtype), dim=(0, 2, 3), correction=0)
        mean, variance = mean.double(), variance.double()
        own = mean.new_full((1,), input.numel() // channels)
        packed = torch.cat([mean * own, (variance + mean.square()) * own, own])
        reduction.exchange(packed)
        count = packed[-1]
        mean = packed[:channels] / count
        variance = (packed[channels:-1] / count - mean.square()).clamp(min=0)
        ctx.eps, ctx.reduction = eps, reduction
        ctx.save_for_backward(input, weight, mean, variance, count)
        ctx.mark_non_differentiable(mean, variance, count)
        output = F.batch_norm(input, mean.to(weight.dtype), variance.to(weight.dtype), weight, bias, eps=eps)
        return output, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        values, weight, mean64, variance64, count = ctx.saved_tensors
        mean, variance = mean64.to(weight.dtype), variance64.to(weight.dtype)
        deviation = (variance + ctx.eps).rsqrt()
        backward = torch.ops.aten.native_batch_norm_backward
        # As if the moments were constants: also the sums that say what is missing then. CUDA asks for the saved moments
        # too, which no GPU has checked yet.
        direct, of_weight, of_bias = backward(
            gradients[0], values, weight, mean, variance, mean, deviation, False, ctx.eps, [True, True, True]
        )
        packed = torch.cat([of_bias, of_weight]).double()
        ctx.reduction.exchange(packed)
        by_mean, by_spread = (packed / count).to(weight.dtype).chunk(2)
        shift, slope = weight * deviation * by_mean, weight * deviation.square() * by_spread
        centred = values - mean.view(1, -1, 1, 1)
        through = shift.view(1, -1, 1, 1) + centred * slope.view(1, -1, 1, 1)
        return (direct - through).to(values.dtype), of_weight, of_bias, None, None


HERE = Reduction()
"""The whole batch is in this process."""
