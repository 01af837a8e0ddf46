"""Divergences are what their formulas say, with the right gradients, and zero only where both agree."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.training.distillation.divergence import RATIO, alpha_divergence, divergence, log_probabilities


def _scores(seed: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p.softmax(1) * (p.log_softmax(1) - q.log_softmax(1))).sum(1)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_alpha_becomes_kl_in_both_limits(one: int, other: int) -> None:
    student, teacher = _scores(one), _scores(other)
    log_q, log_p = log_probabilities(student), log_probabilities(teacher)
    exact = alpha_divergence(log_q, log_p, 1.0)
    assert torch.allclose(exact, _kl(teacher, student))
    assert torch.allclose(alpha_divergence(log_q, log_p, 1.0 - 1e-6), exact, atol=1e-4)
    assert torch.allclose(alpha_divergence(log_q, log_p, 1e-6), _kl(student, teacher), atol=1e-4)
    assert torch.allclose(divergence(student, log_p), exact)


@pytest.mark.parametrize("alpha", [-1.0, -0.5, 0.5, 1.0, 2.0])
def test_the_gradient_is_right(alpha: float) -> None:
    student, log_p = _scores(0).requires_grad_(), log_probabilities(_scores(1))
    assert torch.autograd.gradcheck(lambda scores: alpha_divergence(scores.log_softmax(1), log_p, alpha), (student,))


@pytest.mark.parametrize("alpha", [-1.0, 1.0])
def test_a_large_ratio_is_cut_off_in_the_gradient(alpha: float) -> None:
    student, teacher = _scores(0, 6.0).requires_grad_(), _scores(1, 6.0)
    q, p = student.softmax(1), teacher.softmax(1)
    weight = ((p / q) ** alpha).detach()
    assert float(weight.max()) > RATIO
    expected = torch.autograd.grad((-(weight.clamp(max=RATIO) * q) / alpha).sum(), student)[0]
    divergences = alpha_divergence(log_probabilities(student), log_probabilities(teacher), alpha, RATIO)
    found = torch.autograd.grad(divergences.sum(), student)[0]
    assert torch.allclose(found, expected)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["kl", "alpha"]), st.sampled_from([0.5, 1.0, 4.0]))
def test_it_is_positive_and_zero_for_equals(seed: int, kind: str, temperature: float) -> None:
    student, teacher = _scores(seed), _scores(seed + 1)
    log_p = log_probabilities(teacher, temperature)
    assert bool((divergence(student, log_p, kind, temperature) > 0).all())
    assert torch.allclose(divergence(teacher + 3.0, log_p, kind, temperature), torch.zeros(3, 2).double())


def test_alpha_is_the_larger_of_two_and_punishes_false_certainty() -> None:
    sure = torch.tensor([[8.0, 0.0]]).double()
    unsure = log_probabilities(torch.zeros(1, 2).double())
    assert float(divergence(sure, unsure, "alpha")) >= float(divergence(sure, unsure, "kl"))
    low, high = (float(alpha_divergence(log_probabilities(sure), unsure, alpha, RATIO)) for alpha in (-1.0, 1.0))
    assert float(divergence(sure, unsure, "alpha")) == max(low, high)


def test_temperature_keeps_the_size_of_small_differences() -> None:
    teacher = _scores(0)
    student = teacher + 1e-3 * _scores(1)
    cold, hot = (float(divergence(student, log_probabilities(teacher, at), "kl", at).mean()) for at in (1.0, 3.0))
    assert 0.3 < hot / cold < 3.0


@pytest.mark.parametrize("kind", ["kl", "alpha"])
def test_no_gradient_reaches_the_teacher_and_extremes_are_finite(kind: str) -> None:
    student = torch.tensor([[500.0, 0.0, -500.0]]).requires_grad_()
    teacher = torch.tensor([[-500.0, 0.0, 500.0]]).requires_grad_()
    divergence(student, log_probabilities(teacher), kind).sum().backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert bool(student.grad.isfinite().all())
