"""A projection serves every pair of widths by a prefix of one matrix, and begins near the identity."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pliant import TrainingError
from pliant.models.network import normalize
from pliant.training.distillation.ci_kd import KINDS, ci_kd, stage_distance
from pliant.training.distillation.projection import Projection
from pliant.training.layout import Inputs
from pliant.training.optimization.auxiliary import Auxiliary
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step

from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet

FULL = 32
PROJECTION = "training.distillation.form=projection"


def _projection() -> Projection:
    torch.manual_seed(0)
    return Projection(FULL)


def _features(channels: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, channels, 5, 7, generator=torch.Generator().manual_seed(seed)).relu()


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_widest_it_is_nearly_the_identity(kind: str) -> None:
    wide = _features(FULL)
    with torch.no_grad():
        assert float(stage_distance(_projection()(wide, FULL), wide, kind)) < 0.02


@given(st.integers(1, FULL), st.integers(0, FULL - 1))
def test_a_pair_of_widths_uses_and_trains_a_prefix(narrow: int, more: int) -> None:
    wide = min(FULL, narrow + more)
    projection = _projection()
    made = projection(_features(narrow), wide)
    expected = torch.einsum("oc,nchw->nohw", projection.weight[:wide, :narrow], _features(narrow))
    assert torch.allclose(made, expected, atol=1e-5)
    made.square().sum().backward()
    gradient = projection.weight.grad
    assert gradient is not None
    assert not bool(gradient[wide:].any() or gradient[:, narrow:].any())
    assert bool(gradient[:wide, :narrow].any())


@pytest.mark.parametrize("kind", KINDS)
def test_all_channels_of_the_teacher_count_and_it_gets_no_gradient(kind: str) -> None:
    projection = _projection()
    student, teacher = _features(8, 1).requires_grad_(), _features(FULL).requires_grad_()
    distance = ci_kd([student], [teacher], kind, form="projection", project=lambda _, own, wide: projection(own, wide))
    distance.backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert bool(student.grad.any())
    gradient = projection.weight.grad
    assert gradient is not None
    assert bool(gradient[8:, :8].any())
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) < 10


def test_a_step_trains_projections_of_the_chosen_stages_beside_the_supernet() -> None:
    supernet, recipe = tiny_supernet(), tiny_recipe(PROJECTION, "training.distillation.stages=[1, 3]").training
    auxiliary = Auxiliary(supernet, recipe)
    before = {name: tensor.clone() for name, tensor in auxiliary.state_dict().items()}
    assert set(before) == {"projections.1.weight", "projections.3.weight"}
    optimizer = make_optimizer(supernet, recipe, auxiliary)
    images, targets = random_batch()
    inputs = Inputs(normalize(images, supernet.architecture), targets)
    subnets = [SPACE.widest, SPACE.narrowest]
    losses = train_step(supernet, optimizer, inputs, subnets, recipe, 0, auxiliary=auxiliary)
    assert losses.distillation > 0
    assert all(not torch.equal(tensor, before[name]) for name, tensor in auxiliary.state_dict().items())
    with pytest.raises(TrainingError, match="make its Auxiliary once"):
        train_step(supernet, optimizer, inputs, subnets, recipe, 0)


def test_a_recipe_without_levers_learns_nothing_beside() -> None:
    assert Auxiliary(tiny_supernet(), tiny_recipe().training).state_dict() == {}
