"""What a training costs: multiply-adds of all its steps, counted rather than timed."""

from __future__ import annotations

from functools import cache

from pliant.models.cost import CostModel
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.training.optimization.sampling import subnets_at
from pliant.training.recipe.training import TrainingRecipe

# A backward pass multiplies twice what the forward pass does: with the weights, and with the activations.
PASSES = 3


def training_macs(supernet: Supernet, recipe: TrainingRecipe, steps: int) -> int:
    """Multiply-adds of `steps` steps, forward and backward, of all the subnets that they train.

    What distillation learns beside them, as a projection, is not counted.
    """
    cost = CostModel(supernet)

    @cache
    def macs(config: SubnetConfig) -> int:
        return cost(config).macs

    trained = (config for step in range(steps) for config in subnets_at(supernet.space, recipe, step, steps))
    # A sharpness-aware step is two.
    looks = 2 if recipe.sharpness > 0 else 1
    passes = looks * PASSES * sum(map(macs, trained))
    if recipe.balance == "gradient-norm":
        # The gradient at the features that a step's first decoders share: one pass back through their activations.
        first = subnets_at(supernet.space, recipe, 0, steps)[0]
        passes += steps * sum(part.macs for part in cost(first).decoders.values())
    return recipe.batch_size * passes
