"""What a supernet is told with each call: no layer remembers a width."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .reduction import HERE, Reduction
from .rounding import Rounding
from .space import SubnetConfig

Statistics = dict[str, tuple[Tensor, Tensor]]
"""Batch-norm layer name -> (mean, variance) of one configuration, each of its channel count."""


@dataclass
class Moments:
    """Batch-norm moments collected over batches for one layer: count, mean and variance (biased), in float64."""

    count: int
    mean: Tensor
    variance: Tensor

    def merge(self, other: Moments) -> Moments:
        """Pooled moments of both sets of values (Chan et al., 1979)."""
        total = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / total)
        spread = self.variance * self.count + other.variance * other.count
        return Moments(total, mean, (spread + delta**2 * (self.count * other.count / total)) / total)


@dataclass(frozen=True)
class Setting:
    """What one forward pass of a supernet is told: the configuration, and its batch-norm statistics.

    With `collect`, batch norm normalises with the batch's own moments, adds them there, and changes no buffer. In
    training, `reduction` says where the rest of the batch is, and `rounding` how values and weights are rounded.
    """

    config: SubnetConfig
    statistics: Statistics | None = None
    collect: dict[str, Moments] | None = None
    reduction: Reduction = HERE
    rounding: Rounding | None = None


def rounded(x: Tensor, *at: Setting) -> Tensor:
    """A value that a deployed network may have in integers."""
    return at[0].rounding.values(x) if at and at[0].rounding is not None else x
