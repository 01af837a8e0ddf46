"""What helps to train a supernet and is no part of it: projections of features, and the balance of tasks.

It stands beside the supernet, in the optimizer and in the checkpoint, and is never exported.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ...models.channels import Channels
from ...models.supernet import Supernet
from ..distillation.ci_kd import Project
from ..distillation.projection import Projection
from ..recipe.training import TrainingRecipe
from .balance import make_balance


class Auxiliary(nn.Module):
    """The auxiliary modules that a recipe asks for; with every lever at its default it holds no tensor."""

    def __init__(self, supernet: Supernet, recipe: TrainingRecipe):
        super().__init__()
        self.balance = make_balance(recipe.balance, supernet.tasks, recipe.losses)
        self.projections = nn.ModuleDict()
        if recipe.distillation.form == "projection":
            channels = cast(list[Channels], supernet.encoder.channels)
            chosen = recipe.distillation.stages
            stages = range(len(channels)) if chosen is None else chosen
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(recipe.seed)
                for stage in stages:
                    self.projections[str(stage)] = Projection(channels[stage].full)

    @property
    def project(self) -> Project | None:
        """What `ci_kd` is given; None where features are compared as they are."""
        return self._project if self.projections else None

    def _project(self, stage: int, features: Tensor, channels: int) -> Tensor:
        return self.projections[str(stage)](features, channels)  # type: ignore[no-any-return]
