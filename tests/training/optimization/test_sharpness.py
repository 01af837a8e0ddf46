"""A sharpness-aware step takes its gradient nearby, and its step from where it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pliant.models.network import normalize
from pliant.models.supernet import Supernet
from pliant.training.layout import Inputs
from pliant.training.optimization.auxiliary import Auxiliary
from pliant.training.optimization.balance import GradientNorm
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.sharpness import ascended
from pliant.training.optimization.step import train_step

from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet

SUBNETS = [SPACE.widest, SPACE.narrowest]


def _inputs(supernet: Supernet) -> Inputs:
    images, targets = random_batch()
    return Inputs(normalize(images, supernet.architecture), targets)


def _state(supernet: Supernet) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in supernet.state_dict().items()}


def test_weights_move_by_the_radius_along_the_gradient_and_come_back_exactly() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    network(torch.randn(8, 3)).square().sum().backward()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gradients = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    moved: list[torch.Tensor] = []

    def fail() -> None:
        moved.extend((p.detach() - before[name]).flatten() for name, p in network.named_parameters())
        network(torch.randn(8, 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ascended(network, 0.5):
        fail()
    assert torch.allclose(torch.cat(moved), 0.5 * gradients / gradients.norm(), atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_step_is_taken_from_the_original_weights_with_the_gradient_nearby() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe("training.sharpness=0.05", "training.clip=null").training
    before, seen = _state(supernet), {}
    optimizer = make_optimizer(supernet, recipe)

    def watch(*_: Any) -> None:
        seen.update({name: parameter.detach().clone() for name, parameter in supernet.named_parameters()})
        seen.update({f"{name}.grad": p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None})

    optimizer.register_step_pre_hook(watch)
    train_step(supernet, optimizer, _inputs(supernet), SUBNETS, recipe, 0)
    other = tiny_supernet()
    plain = tiny_recipe("training.clip=null", "training.optimizer=sgd", "training.momentum=0").training
    still = torch.optim.SGD(other.parameters(), lr=0.0)
    losses = train_step(other, still, _inputs(other), SUBNETS, plain, 0)
    for name, tensor in other.named_buffers():
        assert torch.equal(tensor, supernet.get_buffer(name)), name
    with torch.no_grad():
        for parameter in other.parameters():
            assert parameter.grad is not None
            parameter.add_(0.05 * parameter.grad / losses.gradient_norm)
    train_step(other, still, _inputs(other), SUBNETS, plain, 0)
    for name, parameter in other.named_parameters():
        assert torch.equal(seen[name], before[name]), name
        assert parameter.grad is not None
        assert torch.allclose(seen[f"{name}.grad"], parameter.grad, atol=1e-4, rtol=1e-3), name


def test_the_balance_of_tasks_is_told_of_a_batch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(GradientNorm, "_move", lambda self, norms, losses: told.append(float(norms.sum())))
    supernet, recipe = (
        tiny_supernet(),
        tiny_recipe("training.sharpness=0.05", "training.balance=gradient-norm").training,
    )
    auxiliary = Auxiliary(supernet, recipe)
    train_step(supernet, make_optimizer(supernet, recipe), _inputs(supernet), SUBNETS, recipe, 0, auxiliary=auxiliary)
    assert len(told) == 1


def test_a_radius_of_zero_is_the_plain_step() -> None:
    found = []
    for settings in (["training.sharpness=0"], ["training.sharpness=1e-12"], ["training.sharpness=0.1"]):
        supernet, recipe = tiny_supernet(), tiny_recipe(*settings, "training.optimizer=sgd").training
        train_step(supernet, make_optimizer(supernet, recipe), _inputs(supernet), SUBNETS, recipe, 0)
        found.append(supernet.get_parameter("encoder.conv1.weight").detach())
    assert torch.allclose(found[0], found[1], atol=1e-7)
    assert not torch.allclose(found[0], found[2], atol=1e-7)
