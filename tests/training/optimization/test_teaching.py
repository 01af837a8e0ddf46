"""Who is taught in a step, by whom, from when on, and who is left alone."""

from __future__ import annotations

import pytest
import torch

from pliant.models.channels import slice_ranges
from pliant.models.supernet import views
from pliant.training.optimization.objective import strength
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step

from ..tiny import APART, SPACE, UNTAUGHT, tiny_recipe, tiny_supernet
from .stepped import batch_for, gradients, trained


def test_the_teacher_is_not_changed_by_teaching() -> None:
    """What the narrowest has no part in gets the gradient of the widest alone, bit for bit, whatever CI-KD weighs."""
    subnets = [SPACE.widest, SPACE.narrowest]
    without, heavy = gradients(subnets, 0.0), gradients(subnets, 1000.0)
    used = views(tiny_supernet(), SPACE.narrowest)
    assert set(without) == set(heavy) == set(used)
    for name, gradient in without.items():
        taught = torch.zeros_like(gradient, dtype=torch.bool)
        inside = slice_ranges(torch.arange(gradient.numel()).view(gradient.shape), used[name])
        taught.view(-1)[inside.reshape(-1)] = True
        assert torch.equal(gradient[~taught], heavy[name][~taught]), name
        if name.startswith("encoder.") and gradient.ndim > 1:
            assert not torch.equal(gradient[taught], heavy[name][taught]), name


def test_updates_apart_are_taught_by_the_first_all_the_same() -> None:
    for teacher in ("widest", "next"):
        subnets = [SPACE.widest, SPACE.uniform(0.5), SPACE.narrowest]
        _, [losses] = trained(subnets, 1, *APART, f"training.teacher={teacher}")
        assert losses.distillation > 0.0
        assert losses.soft_labels > 0.0


def test_the_widest_has_nothing_to_learn_from_itself() -> None:
    twice = [SPACE.widest, SPACE.widest]
    without, heavy = gradients(twice, 0.0), gradients(twice, 1000.0)
    assert all(torch.equal(gradient, heavy[name]) for name, gradient in without.items())


def test_distillation_reaches_the_narrow_encoders() -> None:
    _, losses = trained([SPACE.widest, SPACE.narrowest], 1, "training.distillation.weight=0.5")
    assert losses[0].distillation > 0
    _, losses = trained([SPACE.widest, SPACE.narrowest], 1, "training.distillation.weight=0")
    assert losses[0].distillation == 0.0


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
    silent = (*UNTAUGHT, f"training.precision={precision}", "training.clip=null")
    narrow, losses = trained([SPACE.widest, SPACE.narrowest], 1, *settings)
    assert losses[0].soft_labels > 0
    assert losses[0].distillation > 0
    untaught, _ = trained([SPACE.widest, SPACE.narrowest], 1, *silent)
    inside, outside = narrow.get_parameter("encoder.layer4.0.conv1.weight"), slice(32, None)
    other = untaught.get_parameter("encoder.layer4.0.conv1.weight")
    assert not torch.equal(inside[:32, :16], other[:32, :16])
    # What the narrowest does not use gets its gradient from the widest alone, which nobody teaches.
    assert torch.equal(inside[outside], other[outside])
    assert torch.equal(inside[:, 16:], other[:, 16:])


def test_soft_labels_have_the_weight_of_their_task() -> None:
    settings = ("training.soft_labels.weight=2", "training.distillation.weight=0")
    subnets = [SPACE.widest, SPACE.narrowest]
    _, both = trained(subnets, 1, *settings)
    _, depth = trained(subnets, 1, *settings, "training.losses.segmentation=0")
    _, segmentation = trained(subnets, 1, *settings, "training.losses.depth=0")
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
    losses = train_step(early, make_optimizer(early, recipe), batch_for(early), subnets, recipe, 0, done=0.4)
    assert (losses.distillation, losses.soft_labels) == (0.0, 0.0)
    losses = train_step(late, make_optimizer(late, recipe), batch_for(late), subnets, recipe, 0, done=0.6)
    assert losses.distillation > 0
    assert losses.soft_labels > 0
    plain, _ = trained(subnets, 1, *UNTAUGHT)
    pairs = zip(early.parameters(), plain.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_next_wider_teaches_not_the_widest() -> None:
    """In the middle subnet's place a copy of the narrowest leaves it nothing to learn."""
    narrow = SPACE.narrowest
    settings = ("training.soft_labels.weight=1", "training.distillation.weight=1")
    _, widest = trained([SPACE.widest, narrow, narrow], 1, *settings)
    _, following = trained([SPACE.widest, narrow, narrow], 1, *settings, "training.teacher=next")
    assert following[0].distillation == pytest.approx(widest[0].distillation / 2, rel=1e-4)
    assert following[0].soft_labels == pytest.approx(widest[0].soft_labels / 2, rel=1e-4)
