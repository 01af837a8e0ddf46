"""Training steps for benchmarks: what a recipe trains, ready to take one step after the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pliant.models.space import SubnetConfig
from pliant.training.data.batches import Batch
from pliant.training.layout import Inputs, inputs_of
from pliant.training.optimization.auxiliary import Auxiliary
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step
from pliant.training.prepare import choose_device, fresh_supernet, open_training_data, place
from pliant.training.recipe.recipe import Recipe


class Stepping:
    """The data, fresh supernet and optimizer of a recipe."""

    def __init__(self, recipe: Recipe):
        self.settings = recipe.training
        self.data = open_training_data(recipe)
        self.device = choose_device(self.settings.device)
        self.supernet, _ = fresh_supernet(recipe, self.data)
        place(self.supernet, self.device)
        self.auxiliary = Auxiliary(self.supernet, self.settings).to(self.device)
        self.optimizer = make_optimizer(self.supernet, self.settings, self.auxiliary)

    def inputs(self, batch: Batch) -> Inputs:
        """A batch where the supernet is."""
        return inputs_of(self.supernet, batch)

    def step(self, inputs: Inputs, subnets: Sequence[SubnetConfig], number: int = 0) -> None:
        """Train the subnets on a batch, and wait until the device has done so."""
        train_step(self.supernet, self.optimizer, inputs, subnets, self.settings, number, auxiliary=self.auxiliary)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
