"""What both processes of a test run: for each lever, steps on shares of a batch against the same on all of it."""

from __future__ import annotations

import math

import pytest
import torch

from pliant import TrainingError
from pliant.models.network import normalize
from pliant.models.reduction import HERE, Reduction
from pliant.models.supernet import Supernet
from pliant.training.layout import Inputs
from pliant.training.optimization.auxiliary import Auxiliary
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import StepLosses, train_step
from pliant.training.ranks import Ranks, joined
from pliant.training.recipe.training import TrainingRecipe

from .tiny import APART, SPACE, random_batch, tiny_recipe, tiny_supernet

IMAGES = 5
LEVERS = (
    ("training.balance=uncertainty", "training.distillation.kind=standardized"),
    ("training.balance=gradient-norm", "training.distillation.form=projection", "training.sharpness=0.05"),
    ("training.soft_labels={weight: 1, divergence: alpha}", "training.distillation.form=attention"),
    ("training.soft_labels.weight=1", "training.distillation.form=relational", "training.clip=0.1"),
    ("training.quantization_aware=1",),
    (*APART, "training.class_weights=rarity"),
    ("training.teacher=next", "training.subnet_balance=gradient-norm", "training.distillation.form=projection"),
)


def _inputs(supernet: Supernet, step: int, share: slice) -> Inputs:
    """One process has no label of depth at all, and all labels of an image of segmentation are missing."""
    images, targets = random_batch(IMAGES)
    targets["depth"][:2] = 0
    targets["segmentation"][step] = 255
    normal = normalize(images, supernet.architecture)
    return Inputs(normal[share], {name: target[share] for name, target in targets.items()})


def _trained(
    recipe: TrainingRecipe, share: slice, batch: Reduction
) -> tuple[list[StepLosses], dict[str, torch.Tensor]]:
    supernet = tiny_supernet()
    auxiliary = Auxiliary(supernet, recipe)
    optimizer = make_optimizer(supernet, recipe, auxiliary)
    subnets = [SPACE.widest, SPACE.narrowest]
    losses = [
        train_step(
            supernet, optimizer, _inputs(supernet, step, share), subnets, recipe, step, auxiliary=auxiliary, batch=batch
        )
        for step in range(2)
    ]
    return losses, {**supernet.state_dict(), **auxiliary.state_dict(prefix="auxiliary.")}


def _compare(ranks: Ranks, settings: tuple[str, ...]) -> None:
    recipe = tiny_recipe(*settings).training
    own = slice(IMAGES * ranks.rank // ranks.world, IMAGES * (ranks.rank + 1) // ranks.world)
    losses, shared = _trained(recipe, own, ranks.batch)
    expected, whole = _trained(recipe, slice(None), HERE)
    for one, other in zip(losses, expected, strict=True):
        assert abs(one.total - other.total) < 1e-6, (settings, one, other)
        assert abs(one.gradient_norm - other.gradient_norm) < 1e-6, (settings, one, other)
    for name, tensor in whole.items():
        assert torch.allclose(shared[name], tensor, rtol=0, atol=1e-6), (settings, name)


def _fault(ranks: Ranks) -> None:
    """A gradient that is not finite in one share only is found, and named, in every process."""
    supernet, recipe = tiny_supernet(), tiny_recipe().training
    inputs = _inputs(supernet, 0, slice(0, 2) if ranks.leads else slice(2, 5))
    if not ranks.leads:
        supernet.get_parameter("decoders.depth.head.weight").register_hook(lambda gradient: gradient * math.inf)
    optimizer = make_optimizer(supernet, recipe)
    with pytest.raises(TrainingError, match="gradient is not finite: that of 'depth' in the subnet widest"):
        train_step(supernet, optimizer, inputs, [SPACE.widest], recipe, 3, batch=ranks.batch)


def main() -> None:
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]
    with joined() as ranks:
        for settings in LEVERS:
            _compare(ranks, settings)
        _fault(ranks)
    print("the same")


if __name__ == "__main__":
    main()
