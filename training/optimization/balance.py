"""How much each task weighs in the sum that is trained; on top of the recipe's own weights, `training.losses`.

- `fixed`: those alone;
- `uncertainty`: each task has a learned spread (Kendall et al., CVPR 2018, arXiv 1705.07115);
- `gradient-norm`: tasks pull equally at what they share (GradNorm, ICML 2018, arXiv 1711.02257).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ...models.losses import labelled
from ...models.reduction import HERE, Reduction
from ...runtime.format.tasks import Task

SPEED = 0.02
"""Share of the way to balance that a step goes: gradients of one batch are noisy."""
ASYMMETRY = 0.5
"""How much more a task that lags behind pulls; 0 is not at all."""
_TINY = 1e-12


class Balance(nn.Module):
    """Fixed weights, and what the other ways to balance share: `given` weights by task, 1 where there is none."""

    def __init__(self, tasks: Sequence[Task], given: Mapping[str, float]):
        super().__init__()
        self.tasks = tuple(tasks)
        self.given = [given.get(task.name, 1.0) for task in tasks]

    def observe(self, losses: Mapping[str, Tensor], features: Tensor, batch: Reduction = HERE) -> None:
        """Told a step's first losses, one a task and with their graph, and the shared features; nothing to learn here.

        `features` (N, c, h, w) are the deepest that every decoder reads; `batch` says where the rest of the batch is.
        """

    def weights(self) -> Sequence[float | Tensor]:
        """A weight a task, in the tasks' order, without gradient."""
        return self.given

    def terms(
        self, losses: Mapping[str, Tensor], targets: Mapping[str, Tensor], batch: Reduction = HERE
    ) -> list[Tensor]:
        """What is summed to be minimised: a scalar a task."""
        return [weight * losses[task.name] for task, weight in zip(self.tasks, self.weights(), strict=True)]


class Uncertainty(Balance):
    """Homoscedastic uncertainty: a task's loss L becomes exp(-s) L + c s, with a learned s.

    That is the likelihood of an observation of spread exp(s) with an error of the loss's form: c is 1 for absolute
    errors (depth; also normals), 1/2 for cross-entropies, of which s is the logarithm of a temperature's square. A
    batch without a label of the task says nothing about its spread. Weights begin at the given ones.
    """

    def __init__(self, tasks: Sequence[Task], given: Mapping[str, float]):
        super().__init__(tasks, given)
        self.log_spread = nn.Parameter(torch.zeros(len(self.tasks)))

    def weights(self) -> Sequence[Tensor]:
        """exp(-s), times the given weights."""
        precision = torch.exp(-self.log_spread.detach())
        return [given * value for given, value in zip(self.given, precision.unbind(), strict=True)]

    def terms(
        self, losses: Mapping[str, Tensor], targets: Mapping[str, Tensor], batch: Reduction = HERE
    ) -> list[Tensor]:
        """Weighted losses, each with the price of its spread."""
        found = []
        for task, given, spread in zip(self.tasks, self.given, self.log_spread.unbind(), strict=True):
            price = spread if task.kind in ("depth", "normals") else 0.5 * spread
            known = batch.sums(labelled(task, targets[task.name]).sum())[0] > 0
            found.append(given * (torch.exp(-spread) * losses[task.name] + price * known))
        return found


class GradientNorm(Balance):
    """Weights w so that every w_t |grad L_t| is the mean, times how slowly the task learns to the power `ASYMMETRY`.

    The gradient is taken at the deepest shared features rather than at a layer's weights: it costs one more backward
    pass of the decoders of one subnet. How a dense decoder pulls at the fine features of its skip is not seen. How
    slowly: the share of its first loss that a task still has, relative to the mean share. GradNorm descends to that
    balance by gradient; here weights go a share of the way each step. Their sum stays the number of tasks; a task
    without a label in the batch keeps its weight.
    """

    balanced: Tensor
    first: Tensor

    def __init__(self, tasks: Sequence[Task], given: Mapping[str, float]):
        super().__init__(tasks, given)
        self.register_buffer("balanced", torch.ones(len(self.tasks)))
        self.register_buffer("first", torch.zeros(len(self.tasks)))

    def observe(self, losses: Mapping[str, Tensor], features: Tensor, batch: Reduction = HERE) -> None:
        """Move the weights towards balance."""
        ordered = [losses[task.name] for task in self.tasks]
        norms = []
        for loss in ordered:
            gradient = torch.autograd.grad(loss, features, retain_graph=True, allow_unused=True)[0]
            norms.append(loss.new_zeros(()) if gradient is None else batch.norm(gradient.float()))
        with torch.no_grad():
            self._move(torch.stack(norms), torch.stack(ordered).detach())

    def _move(self, norms: Tensor, losses: Tensor) -> None:
        if not bool((norms + losses).isfinite().all()):
            return  # the step ends for it and names the task: such weights would spoil every task's loss
        self.first.copy_(torch.where(self.first > 0, self.first, losses))
        known = (norms > 0) & (losses > 0)
        left = losses / self.first.clamp(min=_TINY)
        slow = left / ((left * known).sum() / known.sum().clamp(min=1)).clamp(min=_TINY)
        wanted = known * slow**ASYMMETRY / norms.clamp(min=_TINY)
        wanted = wanted * (self.balanced * known).sum() / wanted.sum().clamp(min=_TINY)
        self.balanced.add_(SPEED * (wanted - self.balanced) * known)

    def weights(self) -> Sequence[Tensor]:
        """The balanced weights, times the given ones."""
        return [given * weight for given, weight in zip(self.given, self.balanced.unbind(), strict=True)]


def make_balance(
    kind: Literal["fixed", "uncertainty", "gradient-norm"], tasks: Sequence[Task], given: Mapping[str, float]
) -> Balance:
    """The balance that a recipe names, as it is before the first step."""
    kinds = {"fixed": Balance, "uncertainty": Uncertainty, "gradient-norm": GradientNorm}
    return kinds[kind](tasks, given)
