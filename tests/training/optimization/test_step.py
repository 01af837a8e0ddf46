"""A step trains every subnet it is given, or stops and says why."""

from __future__ import annotations

import itertools
import math
import weakref
from typing import Any

import pytest
import torch

from pliant import TrainingError
from pliant.models.channels import slice_ranges
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet, views
from pliant.training.layout import Inputs
from pliant.training.optimization.objective import strength
from pliant.training.optimization.sampling import step_subnets
from pliant.training.optimization.schedule import learning_rate, make_optimizer
from pliant.training.optimization.step import StepLosses, train_step

from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet


def _inputs(supernet: Supernet, count: int = 4) -> Inputs:
    images, targets = random_batch(count)
    return Inputs(normalize(images, supernet.architecture), targets)


def _train(subnets: list[SubnetConfig], steps: int = 1, *settings: str) -> tuple[Supernet, list[StepLosses]]:
    supernet, recipe = tiny_supernet(), tiny_recipe(*settings).training
    optimizer = make_optimizer(supernet, recipe)
    inputs = _inputs(supernet)
    return supernet, [train_step(supernet, optimizer, inputs, subnets, recipe, step) for step in range(steps)]


def test_the_loss_goes_down() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe("training.lr=0.003").training
    optimizer, inputs = make_optimizer(supernet, recipe), _inputs(supernet)
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


def test_the_widest_counts_as_much_as_it_is_said_to() -> None:
    """Of gradients g of the widest and h of the narrowest, a step takes (w g + h) / (w + 1)."""

    def found(subnets: list[SubnetConfig], weight: float) -> torch.Tensor:
        settings = (f"training.widest_weight={weight}", "training.distillation.weight=0", "training.clip=null")
        supernet, _ = _train(subnets, 1, *settings)
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
    off = ("training.distillation.weight=0",)
    apart, [losses] = _train(subnets, 1, *off, "training.updates=apart")
    alone, recipe = tiny_supernet(), tiny_recipe(*off).training
    optimizer, inputs = make_optimizer(alone, recipe), _inputs(alone)
    each = [train_step(alone, optimizer, inputs, [config], recipe, 0) for config in subnets]
    for name, tensor in apart.state_dict().items():
        assert torch.equal(tensor, alone.state_dict()[name]), name
    assert losses.tasks == each[0].tasks
    assert losses.gradient_norm == max(one.gradient_norm for one in each)
    together, _ = _train(subnets, 1, *off)
    assert not torch.equal(together.state_dict()["encoder.conv1.weight"], apart.state_dict()["encoder.conv1.weight"])


def test_an_update_apart_moves_weights_outside_its_subnet_too() -> None:
    """By what the optimizer remembers of others: a subnet's own gradient is zero there."""

    def last(subnets: list[SubnetConfig]) -> torch.Tensor:
        supernet, _ = _train(subnets, 1, "training.distillation.weight=0", "training.updates=apart")
        return supernet.encoder.get_parameter("layer4.0.conv1.weight").detach()[-1, -1]

    alone, followed = last([SPACE.widest]), last([SPACE.widest, SPACE.narrowest])
    assert not torch.equal(alone, followed)


def test_updates_apart_are_taught_by_the_first_all_the_same() -> None:
    settings = ("training.updates=apart", "training.soft_labels.weight=1")
    for teacher in ("widest", "next"):
        _, [losses] = _train(
            [SPACE.widest, SPACE.uniform(0.5), SPACE.narrowest], 1, *settings, f"training.teacher={teacher}"
        )
        assert losses.distillation > 0.0
        assert losses.soft_labels > 0.0


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


TAUGHT = (
    "training.soft_labels.weight=1",
    "training.soft_labels.divergence=alpha",
    "training.distillation.form=attention",
    "training.distillation.form=relational",
)


@pytest.mark.parametrize("setting", TAUGHT)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_taught_changes_narrow_subnets_only(setting: str, precision: str) -> None:
    settings = ("training.soft_labels.weight=0.5", setting, f"training.precision={precision}", "training.clip=null")
    silent = ("training.distillation.weight=0", f"training.precision={precision}", "training.clip=null")
    narrow, losses = _train([SPACE.widest, SPACE.narrowest], 1, *settings)
    assert losses[0].soft_labels > 0
    assert losses[0].distillation > 0
    untaught, _ = _train([SPACE.widest, SPACE.narrowest], 1, *silent)
    inside, outside = narrow.get_parameter("encoder.layer4.0.conv1.weight"), slice(32, None)
    other = untaught.get_parameter("encoder.layer4.0.conv1.weight")
    assert not torch.equal(inside[:32, :16], other[:32, :16])
    # What the narrowest does not use gets its gradient from the widest alone, which nobody teaches.
    assert torch.equal(inside[outside], other[outside])
    assert torch.equal(inside[:, 16:], other[:, 16:])


def test_soft_labels_have_the_weight_of_their_task() -> None:
    settings = ("training.soft_labels.weight=2", "training.distillation.weight=0")
    subnets = [SPACE.widest, SPACE.narrowest]
    _, both = _train(subnets, 1, *settings)
    _, depth = _train(subnets, 1, *settings, "training.losses.segmentation=0")
    _, segmentation = _train(subnets, 1, *settings, "training.losses.depth=0")
    assert both[0].soft_labels == pytest.approx(depth[0].soft_labels + segmentation[0].soft_labels, rel=1e-4)


def test_teaching_starts_and_rises_when_it_should() -> None:
    part = tiny_recipe("training.distillation.start=0.5", "training.distillation.ramp=0.2").training.distillation
    found = [strength(part, done) for done in (0.0, 0.499, 0.5, 0.6, 0.7, 1.0)]
    assert found == pytest.approx([0.0, 0.0, 0.0, 0.05, 0.1, 0.1])
    late = tiny_recipe("training.distillation.start=0.5").training.distillation
    assert [strength(late, done) for done in (0.49, 0.5)] == [0.0, 0.1]
    assert strength(tiny_recipe().training.distillation, 0.0) == 0.1


def test_before_its_start_a_step_is_that_without_teaching() -> None:
    recipe = tiny_recipe("training.distillation.start=0.5", "training.soft_labels={weight: 1, start: 0.5}").training
    early, late = tiny_supernet(), tiny_supernet()
    subnets = [SPACE.widest, SPACE.narrowest]
    losses = train_step(early, make_optimizer(early, recipe), _inputs(early), subnets, recipe, 0, done=0.4)
    assert (losses.distillation, losses.soft_labels) == (0.0, 0.0)
    losses = train_step(late, make_optimizer(late, recipe), _inputs(late), subnets, recipe, 0, done=0.6)
    assert losses.distillation > 0
    assert losses.soft_labels > 0
    plain, _ = _train(subnets, 1, "training.distillation.weight=0")
    pairs = zip(early.parameters(), plain.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_next_wider_teaches_not_the_widest() -> None:
    """In the middle subnet's place a copy of the narrowest leaves it nothing to learn."""
    narrow = SPACE.narrowest
    settings = ("training.soft_labels.weight=1", "training.distillation.weight=1")
    _, widest = _train([SPACE.widest, narrow, narrow], 1, *settings)
    _, following = _train([SPACE.widest, narrow, narrow], 1, *settings, "training.teacher=next")
    assert following[0].distillation == pytest.approx(widest[0].distillation / 2, rel=1e-4)
    assert following[0].soft_labels == pytest.approx(widest[0].soft_labels / 2, rel=1e-4)


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
    _train(step_subnets(SPACE, 0, 0, 2), 1, setting, "training.soft_labels.weight=1")
    assert len(made) == 4 * (2 + 4)
