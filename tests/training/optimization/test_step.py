"""A step trains every subnet it is given, or stops and says why."""

from __future__ import annotations

import math
import weakref
from typing import Any

import pytest
import torch

from pliant import TrainingError
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.training.layout import Inputs
from pliant.training.optimization.sampling import step_subnets
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step

from ..tiny import APART, SPACE, UNTAUGHT, random_batch, tiny_recipe, tiny_supernet
from .stepped import batch_for, trained


def test_the_loss_goes_down() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe("training.lr=0.003").training
    optimizer, inputs = make_optimizer(supernet, recipe), batch_for(supernet)
    # Each image is of one class and one depth: the batch's own labels are noise, which no network learns in some steps.
    for number in range(len(inputs.images)):
        inputs.targets["segmentation"][number] = number % 3
        inputs.targets["depth"][number] = 1.0 + number
    subnets = step_subnets(SPACE, 0, 0, 1)
    losses = [train_step(supernet, optimizer, inputs, subnets, recipe, step) for step in range(12)]
    assert losses[-1].total < 0.8 * losses[0].total
    assert set(losses[0].tasks) == {"segmentation", "depth"}


def test_the_narrowest_subnet_trains_on_the_cpu_and_moves_nothing_else() -> None:
    before = tiny_supernet().state_dict()
    supernet, losses = trained([SPACE.narrowest], 3, "training.weight_decay=0")
    assert math.isfinite(losses[-1].total)
    after = supernet.state_dict()["encoder.layer4.0.conv1.weight"]
    kept = before["encoder.layer4.0.conv1.weight"]
    narrow = SPACE.narrowest
    assert narrow.encoder[3] == 0.25
    assert not torch.equal(after[:32, :16], kept[:32, :16])
    assert torch.equal(after[32:], kept[32:])
    assert torch.equal(after[:, 16:], kept[:, 16:])


def test_the_widest_counts_as_much_as_it_is_said_to() -> None:
    """Of gradients g of the widest and h of the narrowest, a step takes (w g + h) / (w + 1)."""

    def found(subnets: list[SubnetConfig], weight: float) -> torch.Tensor:
        supernet, _ = trained(subnets, 1, f"training.widest_weight={weight}", *UNTAUGHT, "training.clip=null")
        gradient = supernet.encoder.get_parameter("layer4.0.conv1.weight").grad
        assert gradient is not None
        return gradient

    wide, narrow = found([SPACE.widest], 7.0), found([SPACE.narrowest], 7.0)
    for weight in (1.0, 3.0):
        both = found([SPACE.widest, SPACE.narrowest], weight)
        torch.testing.assert_close(both, (weight * wide + narrow) / (weight + 1), rtol=1e-4, atol=1e-6)


def test_updates_apart_are_steps_of_each_subnet_by_itself() -> None:
    """Bit for bit, where none is taught; together they are another thing."""
    subnets = [SPACE.widest, SPACE.narrowest, SPACE.uniform(0.5)]
    apart, [losses] = trained(subnets, 1, *UNTAUGHT, *APART)
    alone, recipe = tiny_supernet(), tiny_recipe(*UNTAUGHT).training
    optimizer, inputs = make_optimizer(alone, recipe), batch_for(alone)
    each = [train_step(alone, optimizer, inputs, [config], recipe, 0) for config in subnets]
    for name, tensor in apart.state_dict().items():
        assert torch.equal(tensor, alone.state_dict()[name]), name
    assert losses.tasks == each[0].tasks
    assert losses.gradient_norm == max(one.gradient_norm for one in each)
    together, _ = trained(subnets, 1, *UNTAUGHT)
    assert not torch.equal(together.state_dict()["encoder.conv1.weight"], apart.state_dict()["encoder.conv1.weight"])


def test_an_update_apart_moves_weights_outside_its_subnet_too() -> None:
    """By what the optimizer remembers of others: a subnet's own gradient is zero there."""

    def last(subnets: list[SubnetConfig]) -> torch.Tensor:
        supernet, _ = trained(subnets, 1, *UNTAUGHT, *APART)
        return supernet.encoder.get_parameter("layer4.0.conv1.weight").detach()[-1, -1]

    alone, followed = last([SPACE.widest]), last([SPACE.widest, SPACE.narrowest])
    assert not torch.equal(alone, followed)


@pytest.mark.parametrize("kind", ["cosine", "standardized"])
def test_bf16_trains_on_the_cpu(kind: str) -> None:
    subnets = step_subnets(SPACE, 0, 0, 1)
    _, losses = trained(subnets, 2, "training.precision=bf16", f"training.distillation.kind={kind}")
    assert math.isfinite(losses[-1].total)


def test_a_loss_that_is_not_finite_names_step_task_and_subnet() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe().training
    optimizer = make_optimizer(supernet, recipe)
    inputs = batch_for(supernet)
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
        train_step(supernet, optimizer, batch_for(supernet), [SPACE.widest], recipe, 3)
    assert torch.equal(before, supernet.get_parameter("decoders.depth.head.bias"))


def test_loss_weights_count() -> None:
    changed, _ = trained([SPACE.widest], 1, "training.losses.depth=0", "training.weight_decay=0")
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


@pytest.mark.parametrize("setting", ["training.teacher=widest", "training.teacher=next"])
def test_a_subnet_is_freed_before_the_next_is_built(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features and outputs of a finished subnet are gone when the next one begins: what teaches is detached."""
    whole = Supernet.decode_features
    made: list[weakref.ref[torch.Tensor]] = []

    def watched(self: Supernet, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        assert all(ref() is None for ref in made)
        outputs = whole(self, *args, **kwargs)
        made.extend(weakref.ref(tensor) for tensor in (*outputs.values(), *args[0]))
        return outputs

    monkeypatch.setattr(Supernet, "decode_features", watched)
    trained(step_subnets(SPACE, 0, 0, 2), 1, setting, "training.soft_labels.weight=1")
    assert len(made) == 4 * (2 + 4)
