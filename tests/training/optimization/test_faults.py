"""Numbers that are not finite stop training with their step, task and subnet named, and are not saved."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pliant import TrainingError
from pliant.models.network import normalize
from pliant.models.norm import SlimBatchNorm2d
from pliant.training.checkpoints.folders import steps
from pliant.training.layout import Inputs
from pliant.training.loop import train
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step
from pliant.training.progress import Silent, StepReport

from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet


def _stopped(spoil: str, gradient: float, *settings: str) -> str:
    """What a step says whose gradient at the parameter `spoil` is multiplied by `gradient`."""
    supernet, recipe = tiny_supernet(), tiny_recipe(*settings).training
    images, targets = random_batch()
    inputs = Inputs(normalize(images, supernet.architecture), targets)
    before = {name: parameter.clone() for name, parameter in supernet.named_parameters()}
    supernet.get_parameter(spoil).register_hook(lambda given: given * gradient)
    optimizer = make_optimizer(supernet, recipe)
    with pytest.raises(TrainingError) as caught:
        train_step(supernet, optimizer, inputs, [SPACE.widest, SPACE.narrowest], recipe, 7)
    assert all(torch.equal(parameter, before[name]) for name, parameter in supernet.named_parameters())
    return str(caught.value)


@pytest.mark.parametrize("sharpness", [0.0, 0.05])
def test_a_gradient_that_is_not_finite_names_task_and_subnet(sharpness: float) -> None:
    said = _stopped("decoders.depth.head.weight", math.nan, f"training.sharpness={sharpness}")
    assert said.startswith(
        "step 7: the gradient is not finite: that of 'depth' in the subnet widest; checkpoints of before"
    )


def test_gradients_that_overflow_only_together_name_the_largest() -> None:
    said = _stopped("decoders.depth.head.weight", 1e38)
    assert "that of all losses together, largest at decoders.depth.head.weight" in said


def test_losses_that_overflow_only_together_are_named_so() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe("training.losses.depth=1e39").training
    images, targets = random_batch()
    inputs = Inputs(normalize(images, supernet.architecture), targets)
    with pytest.raises(TrainingError, match="step 2: the weighted sum of the losses is inf in the subnet widest"):
        train_step(supernet, make_optimizer(supernet, recipe), inputs, [SPACE.widest], recipe, 2)


def test_a_subnet_whose_loss_alone_is_not_finite_is_named() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe().training
    images, targets = random_batch()
    inputs = Inputs(normalize(images, supernet.architecture), targets)

    def spoil_narrow(module: nn.Module, given: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        return output if given[1].config.is_widest else output * math.nan

    supernet.get_submodule("decoders.depth.head").register_forward_hook(spoil_narrow)
    with pytest.raises(TrainingError, match="step 5: the loss of 'depth' is nan in the subnet narrowest"):
        train_step(supernet, make_optimizer(supernet, recipe), inputs, [SPACE.widest, SPACE.narrowest], recipe, 5)


def test_a_loss_that_fails_only_nearby_is_named_too() -> None:
    """A sharpness-aware step looks twice: the narrowest is fine where the weights are, and not where they go."""
    supernet, recipe = tiny_supernet(), tiny_recipe("training.sharpness=0.05").training
    images, targets = random_batch()
    inputs, narrow = Inputs(normalize(images, supernet.architecture), targets), list[None]()

    def spoil_the_second(module: nn.Module, given: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        narrow.extend([] if given[1].config.is_widest else [None])
        return output * math.nan if len(narrow) == 2 else output

    supernet.get_submodule("decoders.depth.head").register_forward_hook(spoil_the_second)
    before = {name: tensor.clone() for name, tensor in supernet.named_parameters()}
    with pytest.raises(TrainingError, match="step 5: the loss of 'depth' is nan in the subnet narrowest"):
        train_step(supernet, make_optimizer(supernet, recipe), inputs, [SPACE.widest, SPACE.narrowest], recipe, 5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.named_parameters())


def test_statistics_that_a_step_ruined_are_not_saved(tmp_path: Path) -> None:
    """Losses in training do not show running statistics: only what evaluates the checkpoint would."""

    class Saboteur(Silent):
        armed = False

        def step(self, report: StepReport) -> None:
            self.armed = report.step == 2

    recipe = tiny_recipe("training.epochs=1", "data.counts.train=12", "training.checkpoint_every=1")
    saboteur = Saboteur()

    def spoil(module: nn.Module, given: Any, output: Any) -> None:
        if saboteur.armed and isinstance(module, SlimBatchNorm2d) and module.name == "encoder.bn1":
            module.get_buffer("running_var").data.fill_(math.inf)

    handle = nn.modules.module.register_module_forward_hook(spoil)
    try:
        with pytest.raises(TrainingError, match="step 2 left weights that are not finite"):
            train(recipe, tmp_path, progress=saboteur)
    finally:
        handle.remove()
    assert [folder.name for folder in steps(tmp_path)] == ["step-000002", "step-000001"]
