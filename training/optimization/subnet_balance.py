"""How much the subnets of a step count: as their losses are, or each as much as its weight says.

The gradient of a narrow subnet is often several times as large as that of the widest, which so has little say in the
weights that they share. Where the balance is by `gradient-norm`, each subnet's gradient is scaled to the norm that the
first one's has (the widest's), before all are averaged by their weights: as normalized gradients balance tasks (Chen
and others, GradNorm, ICML 2018, learn weights to the same end). A step of one subnet is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class SubnetBalance:
    """Sums the gradients of one step's subnets, scaled to one norm."""

    def __init__(self, parameters: Iterable[nn.Parameter]):
        self._parameters = list(parameters)
        self._summed: list[Tensor | None] = [None] * len(self._parameters)
        self._norm: Tensor | None = None

    def begin(self) -> None:
        """Before the backward pass of a subnet."""
        for parameter in self._parameters:
            parameter.grad = None

    def add(self, weight: float) -> None:
        """What the backward pass left is the subnet's gradient, of the whole batch; the weighted sum of all so far is
        left in its place."""
        own = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(own)
        self._norm = norm if self._norm is None else self._norm
        # A gradient of nothing stays nothing.
        factor = weight * torch.where(norm > 0, self._norm / norm, torch.zeros_like(norm))
        for index, parameter in enumerate(self._parameters):
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
                before = self._summed[index]
                self._summed[index] = parameter.grad if before is None else before.add_(parameter.grad)
            parameter.grad = self._summed[index]
