"""The subnets of a step count as much as their weights say, whatever the size of their gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from pliant.models.space import SubnetConfig

from ..tiny import SPACE, UNTAUGHT
from .stepped import trained

_BALANCED = (*UNTAUGHT, "training.clip=null", "training.subnet_balance=gradient-norm")


def _gradients(subnets: list[SubnetConfig], *settings: str) -> dict[str, Tensor]:
    supernet, _ = trained(subnets, 1, *settings)
    return {name: each.grad for name, each in supernet.named_parameters() if each.grad is not None}


def _norm(gradients: dict[str, Tensor]) -> Tensor:
    return torch.stack([each.square().sum() for each in gradients.values()]).sum().sqrt()


def test_gradients_have_the_norm_of_the_first_before_they_are_averaged() -> None:
    """Of gradients g of the widest and h of the narrowest, a step takes (w g + h |g| / |h|) / (w + 1)."""
    wide, narrow = _gradients([SPACE.widest], *_BALANCED), _gradients([SPACE.narrowest], *_BALANCED)
    size = _norm(wide) / _norm(narrow)
    assert not 0.9 < size < 1.1, "the two are alike: scaling would not show"
    for weight in (1.0, 3.0):
        both = _gradients([SPACE.widest, SPACE.narrowest], *_BALANCED, f"training.widest_weight={weight}")
        for name, gradient in both.items():
            expected = (weight * wide[name] + size * narrow.get(name, 0.0)) / (weight + 1)
            assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-6), name


def test_a_subnet_alone_is_left_as_it_is() -> None:
    balanced = _gradients([SPACE.widest], *_BALANCED)
    plain = _gradients([SPACE.widest], *_BALANCED, "training.subnet_balance=fixed")
    for name, gradient in plain.items():
        assert torch.equal(gradient, balanced[name]), name
