"""Steps of a tiny supernet on one random batch, for tests of what a step does."""

from __future__ import annotations

import torch

from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.training.layout import Inputs
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import StepLosses, train_step

from ..tiny import random_batch, tiny_recipe, tiny_supernet


def batch_for(supernet: Supernet, count: int = 4) -> Inputs:
    images, targets = random_batch(count)
    return Inputs(normalize(images, supernet.architecture), targets)


def trained(subnets: list[SubnetConfig], steps: int = 1, *settings: str) -> tuple[Supernet, list[StepLosses]]:
    supernet, recipe = tiny_supernet(), tiny_recipe(*settings).training
    optimizer = make_optimizer(supernet, recipe)
    inputs = batch_for(supernet)
    return supernet, [train_step(supernet, optimizer, inputs, subnets, recipe, step) for step in range(steps)]


def gradients(subnets: list[SubnetConfig], weight: float) -> dict[str, torch.Tensor]:
    """Gradients of one step's sum over subnets, at a weight of CI-KD."""
    supernet, _ = trained(subnets, 1, f"training.distillation.weight={weight}", "training.clip=null")
    return {name: parameter.grad for name, parameter in supernet.named_parameters() if parameter.grad is not None}
