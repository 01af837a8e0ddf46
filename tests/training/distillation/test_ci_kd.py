"""CI-KD compares a stage with the first channels of the widest's, and teaches in one direction."""

from __future__ import annotations

import pytest
import torch

from pliant.training.distillation.ci_kd import (
    FORMS,
    KINDS,
    attention_distance,
    ci_kd,
    relational_distance,
    stage_distance,
)


def _features(channels: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, channels, 5, 7, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_identical_features_cost_nothing(kind: str) -> None:
    wide = _features(12)
    assert float(ci_kd([wide[:, :5].clone()], [wide], kind)) == pytest.approx(0.0, abs=1e-6)
    assert float(ci_kd([torch.zeros(2, 4, 3, 3)], [torch.zeros(2, 8, 3, 3)], kind)) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_scale_does_not_matter_and_difference_does(kind: str) -> None:
    wide = _features(12)
    assert float(stage_distance(3.0 * wide[:, :5], wide, kind)) == pytest.approx(0.0, abs=1e-5)
    assert float(stage_distance(-wide[:, :5], wide, kind)) == pytest.approx(2.0, abs=1e-3)
    assert 0.5 < float(stage_distance(_features(5, seed=1), wide, kind)) < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_reaches_the_teacher(kind: str) -> None:
    student, teacher = _features(5, 1).requires_grad_(), _features(12).requires_grad_()
    ci_kd([student], [teacher], kind).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert float(student.grad.abs().sum()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_first_channels_of_the_teacher_count(kind: str) -> None:
    wide = _features(12)
    changed = wide.clone()
    changed[:, 5:] = 100.0
    student = _features(5, 1)
    assert stage_distance(student, wide, kind) == stage_distance(student, changed, kind)


def test_stages_are_averaged_and_chosen() -> None:
    student, teacher = [_features(4, 1), _features(4, 2)], [_features(8, 3), _features(8, 4)]
    first, second = (ci_kd(student, teacher, stages=[stage]) for stage in (0, 1))
    assert float(ci_kd(student, teacher)) == pytest.approx(float((first + second) / 2))
    assert float(ci_kd(student, teacher, stages=[])) == 0.0


@pytest.mark.parametrize("form", FORMS)
def test_every_form_teaches_in_one_direction_and_is_zero_for_the_same(form: str) -> None:
    student, teacher = _features(5, 1).requires_grad_(), _features(12).requires_grad_()
    distance = ci_kd([student], [teacher], form=form)
    distance.backward()
    assert distance.item() > 0.01
    assert teacher.grad is None
    assert student.grad is not None
    assert float(student.grad.abs().sum()) > 0
    assert float(ci_kd([teacher.detach()], [teacher], form=form)) == pytest.approx(0.0, abs=1e-6)
    assert float(ci_kd([torch.zeros(2, 4, 3, 3)], [torch.zeros(2, 8, 3, 3)], form=form)) == 0.0


def test_attention_asks_where_not_what() -> None:
    wide = _features(12)
    shuffled = wide[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    assert float(attention_distance(3.0 * shuffled, wide)) == pytest.approx(0.0, abs=1e-6)
    assert float(attention_distance(wide.flip(3), wide)) > 0.01


def test_relations_ignore_channels_and_scale_but_not_places() -> None:
    wide = _features(12).abs()
    shuffled = wide[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    assert float(relational_distance(3.0 * shuffled, wide)) == pytest.approx(0.0, abs=1e-6)
    assert float(relational_distance(wide.flip(3), wide)) > 1e-3
    large = torch.randn(1, 4, 40, 40)
    assert float(relational_distance(large, large)) == pytest.approx(0.0, abs=1e-6)
