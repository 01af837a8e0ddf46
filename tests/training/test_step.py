"""A step trains every subnet it is given, or stops and says why."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from pliant import TrainingError
from pliant.models.channels import slice_ranges
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet, views
from pliant.training.sampling import step_subnets
from pliant.training.schedule import learning_rate, make_optimizer
from pliant.training.step import Inputs, StepLosses, train_step

from .tiny import SPACE, random_batch, tiny_recipe, tiny_supernet


def _inputs(supernet: Supernet, count: int = 4) -> Inputs:
    images, targets = random_batch(count)
    return Inputs(normalize(images, supernet.architecture), targets)


def _train(subnets: list[SubnetConfig], steps: int = 1, *settings: str) -> tuple[Supernet, list[StepLosses]]:
    supernet, recipe = tiny_supernet(), tiny_recipe(*settings).training
    optimizer = make_optimizer(supernet, recipe)
    inputs = _inputs(supernet)
    return supernet, [train_step(supernet, optimizer, inputs, subnets, recipe, step) for step in range(steps)]


def test_the_loss_goes_down() -> None:
    _, losses = _train(step_subnets(SPACE, 0, 0, 1), 12, "training.lr=0.003")
    assert losses[-1].total < 0.8 * losses[0].total
    assert set(losses[0].tasks) == {"segmentation", "depth"}


def test_the_narrowest_subnet_trains_on_the_cpu_and_moves_nothing_else() -> None:
    before = tiny_supernet().state_dict()
    supernet, losses = _train([SPACE.narrowest], 3, "training.weight_decay=0")
    assert math.isfinite(losses[-1].total)
    after = supernet.state_dict()["encoder.layer4.0.conv1.weight"]
    kept = before["encoder.layer4.0.conv1.weight"]
    narrow = SPACE.narrowest
    assert narrow.encoder[3] == 0.25
    assert not torch.equal(after[:32, :16], kept[:32, :16])
    assert torch.equal(after[32:], kept[32:])
    assert torch.equal(after[:, 16:], kept[:, 16:])


def _gradients(subnets: list[SubnetConfig], weight: float) -> dict[str, torch.Tensor]:
    """Gradients of one step's sum over subnets, at a weight of CI-KD."""
    supernet, _ = _train(subnets, 1, f"training.distillation.weight={weight}", "training.clip=null")
    return {name: parameter.grad for name, parameter in supernet.named_parameters() if parameter.grad is not None}


def test_the_teacher_is_not_changed_by_teaching() -> None:
    """What the narrowest has no part in gets the gradient of the widest alone, bit for bit, whatever CI-KD weighs."""
    subnets = [SPACE.widest, SPACE.narrowest]
    without, heavy = _gradients(subnets, 0.0), _gradients(subnets, 1000.0)
    used = views(tiny_supernet(), SPACE.narrowest)
    assert set(without) == set(heavy) == set(used)
    for name, gradient in without.items():
        taught = torch.zeros_like(gradient, dtype=torch.bool)
        inside = slice_ranges(torch.arange(gradient.numel()).view(gradient.shape), used[name])
        taught.view(-1)[inside.reshape(-1)] = True
        assert torch.equal(gradient[~taught], heavy[name][~taught]), name
        if name.startswith("encoder.") and gradient.ndim > 1:
            assert not torch.equal(gradient[taught], heavy[name][taught]), name


def test_the_widest_has_nothing_to_learn_from_itself() -> None:
    twice = [SPACE.widest, SPACE.widest]
    without, heavy = _gradients(twice, 0.0), _gradients(twice, 1000.0)
    assert all(torch.equal(gradient, heavy[name]) for name, gradient in without.items())


def test_distillation_reaches_the_narrow_encoders() -> None:
    _, losses = _train([SPACE.widest, SPACE.narrowest], 1, "training.distillation.weight=0.5")
    assert losses[0].distillation > 0
    _, losses = _train([SPACE.widest, SPACE.narrowest], 1, "training.distillation.weight=0")
    assert losses[0].distillation == 0.0


@pytest.mark.parametrize("kind", ["cosine", "standardized"])
def test_bf16_trains_on_the_cpu(kind: str) -> None:
    subnets = step_subnets(SPACE, 0, 0, 1)
    _, losses = _train(subnets, 2, "training.precision=bf16", f"training.distillation.kind={kind}")
    assert math.isfinite(losses[-1].total)


def test_a_loss_that_is_not_finite_names_step_task_and_subnet() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe().training
    optimizer = make_optimizer(supernet, recipe)
    inputs = _inputs(supernet)
    with torch.no_grad():
        supernet.get_parameter("decoders.depth.head.bias").fill_(math.nan)
    before = {name: tensor.clone() for name, tensor in supernet.named_parameters()}
    with pytest.raises(TrainingError, match=r"step 17: the loss of 'depth' is nan in the subnet widest"):
        train_step(supernet, optimizer, inputs, [SPACE.widest, SPACE.narrowest], recipe, 17)
    after = dict(supernet.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before if "depth.head" not in name)


def test_a_gradient_that_is_not_finite_stops_before_the_weights_move() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe().training
    optimizer = make_optimizer(supernet, recipe)

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * math.inf

    supernet.get_parameter("encoder.conv1.weight").register_hook(spoil)
    before = supernet.get_parameter("decoders.depth.head.bias").clone()
    with pytest.raises(TrainingError, match="step 3: the gradient is not finite"):
        train_step(supernet, optimizer, _inputs(supernet), [SPACE.widest], recipe, 3)
    assert torch.equal(before, supernet.get_parameter("decoders.depth.head.bias"))


def test_loss_weights_count() -> None:
    changed, _ = _train([SPACE.widest], 1, "training.losses.depth=0", "training.weight_decay=0")
    kept = tiny_supernet().state_dict()
    for name, parameter in changed.named_parameters():
        if name.startswith("decoders.depth."):
            assert torch.equal(parameter, kept[name]), name
    assert not torch.equal(
        changed.get_parameter("decoders.segmentation.head.weight"), kept["decoders.segmentation.head.weight"]
    )


def test_unlabelled_tasks_train_nothing() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe("training.weight_decay=0").training
    images, targets = random_batch()
    unlabelled: dict[str, Any] = {
        "segmentation": torch.full_like(targets["segmentation"], 255),
        "depth": targets["depth"],
    }
    inputs = Inputs(normalize(images, supernet.architecture), unlabelled)
    losses = train_step(supernet, make_optimizer(supernet, recipe), inputs, [SPACE.widest], recipe, 0)
    assert losses.tasks["segmentation"] == 0.0
    assert torch.equal(
        supernet.get_parameter("decoders.segmentation.head.weight"),
        tiny_supernet().get_parameter("decoders.segmentation.head.weight"),
    )


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_warms_up_to_its_peak_and_then_falls(schedule: str) -> None:
    recipe = tiny_recipe(f"training.schedule={schedule}", "training.warmup=0.1", "training.lr=2").training
    rates = [learning_rate(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == pytest.approx(2.0)
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(rates[9:]))
    assert rates[-1] == 2.0 if schedule == "constant" else rates[-1] < 0.05
