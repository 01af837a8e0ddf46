"""The exponential moving average (EMA) of a supernet's weights: what is evaluated, kept and exported where it is on."""

from __future__ import annotations

import copy

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ...models.supernet import Supernet


class Average:
    """A supernet whose every parameter and buffer follows another's: e <- d e + (1 - d) w after each step.

    It begins as a copy of `supernet`, in evaluation mode, without gradients.
    """

    def __init__(self, supernet: Supernet, decay: float):
        self.supernet = copy.deepcopy(supernet).eval().requires_grad_(False)
        self.decay = decay

    def update(self, supernet: Supernet, step: int) -> None:
        """Follow `supernet` after `step` (0 is the first); what is no real number, a count, is copied."""
        pairs = list(zip(_tensors(self.supernet), _tensors(supernet), strict=True))
        real = [pair for pair in pairs if pair[0].is_floating_point()]
        follow = get_ema_multi_avg_fn(decay_at(step, self.decay))
        follow([own for own, _ in real], [other for _, other in real], None)
        for own, other in pairs:
            if not own.is_floating_point():
                own.copy_(other)


def decay_at(step: int, decay: float) -> float:
    """Decay after a step (0 is the first): small at first, so that a short training forgets where it began."""
    return min(decay, (1 + step) / (10 + step))


def _tensors(supernet: Supernet) -> list[Tensor]:
    return [*(parameter.detach() for parameter in supernet.parameters()), *supernet.buffers()]
