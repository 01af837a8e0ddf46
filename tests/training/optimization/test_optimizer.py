"""The optimizer moves weights as torch's plain one does, however gradients lie in memory."""

from __future__ import annotations

import pytest
import torch

from pliant.training.layout import Inputs, laid_out
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step

from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weights_move_as_by_the_plain_optimizer(name: str) -> None:
    recipe = tiny_recipe(f"training.optimizer={name}", "training.lr=0.01").training
    supernet, twin = tiny_supernet(), tiny_supernet()
    optimizer, plain = make_optimizer(supernet, recipe), make_optimizer(twin, recipe)
    for group in plain.param_groups:
        group["fused"] = False
    images, targets = random_batch()
    for step, config in enumerate([SPACE.widest, SPACE.narrowest, SPACE.widest]):
        train_step(supernet, optimizer, Inputs(laid_out(supernet, images), targets), [config], recipe, step)
        for own, other in zip(supernet.parameters(), twin.parameters(), strict=True):
            other.grad = own.grad
        plain.step()
    start = dict(tiny_supernet().named_parameters())
    for (where, own), other in zip(supernet.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(own, other)
        assert not torch.equal(own, start[where]), where
