"""Tasks are weighed as each balance says, on top of the recipe's own weights."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pliant.models.network import normalize
from pliant.training.layout import Inputs
from pliant.training.optimization.auxiliary import Auxiliary
from pliant.training.optimization.balance import ASYMMETRY, GradientNorm, Uncertainty, make_balance
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step

from ..tiny import DEPTH, SEGMENTATION, SPACE, random_batch, tiny_recipe, tiny_supernet

TASKS = (SEGMENTATION, DEPTH)
KINDS = ("fixed", "uncertainty", "gradient-norm")
LABELS = random_batch()[1]
NO_DEPTH = {**LABELS, "depth": torch.zeros_like(LABELS["depth"])}


def _losses(segmentation: float, depth: float) -> dict[str, torch.Tensor]:
    return {"segmentation": torch.tensor(segmentation), "depth": torch.tensor(depth)}


@pytest.mark.parametrize("kind", KINDS)
def test_all_begin_at_the_given_weights(kind: str) -> None:
    balance = make_balance(kind, TASKS, {"depth": 3.0})  # type: ignore[arg-type]
    assert [float(weight) for weight in balance.weights()] == [1.0, 3.0]
    assert [float(term.detach()) for term in balance.terms(_losses(2.0, 0.5), LABELS)] == [2.0, 1.5]


def test_uncertainty_has_its_gradient_and_its_optimum_in_closed_form() -> None:
    balance = Uncertainty(TASKS, {"depth": 3.0})
    with torch.no_grad():
        balance.log_spread.copy_(torch.tensor([0.4, -0.3]))
    losses = _losses(2.0, 0.5)
    assert _slope(balance, losses) == pytest.approx([-math.exp(-0.4) * 2.0 + 0.5, 3.0 * (-math.exp(0.3) * 0.5 + 1.0)])
    with torch.no_grad():
        balance.log_spread.copy_(torch.tensor([math.log(4.0), math.log(0.5)]))
    assert _slope(balance, losses) == pytest.approx([0.0, 0.0], abs=1e-6)


def _slope(
    balance: Uncertainty, losses: dict[str, torch.Tensor], targets: dict[str, torch.Tensor] = LABELS
) -> list[float]:
    total = torch.stack(balance.terms(losses, targets)).sum()
    return torch.autograd.grad(total, balance.log_spread)[0].tolist()


def test_a_batch_without_labels_says_nothing_about_the_spread() -> None:
    assert _slope(Uncertainty(TASKS, {}), _losses(2.0, 0.0), NO_DEPTH) == [-1.5, 0.0]


def _observe(balance: GradientNorm, norms: list[float], losses: list[float]) -> None:
    """Losses that are linear in the features, with these gradient norms."""
    features = torch.zeros(1, 2, 1, 1, requires_grad=True)
    given = {
        task.name: norm * features[0, index, 0, 0] + loss
        for index, (task, norm, loss) in enumerate(zip(TASKS, norms, losses, strict=True))
    }
    balance.observe(given, features)


@given(st.lists(st.tuples(*[st.one_of(st.just(0.0), st.floats(1e-3, 1e3))] * 4), min_size=1, max_size=20))
def test_the_sum_of_weights_is_kept_and_none_turns_negative(steps: list[tuple[float, float, float, float]]) -> None:
    balance = GradientNorm(TASKS, {})
    for first, second, one, other in steps:
        _observe(balance, [first, second], [one, other])
        assert float(balance.balanced.sum()) == pytest.approx(2.0, rel=1e-4)
        assert bool((balance.balanced >= 0).all())


def test_weights_go_to_equal_pull_and_more_for_the_task_that_lags() -> None:
    balance = GradientNorm(TASKS, {})
    for _ in range(600):
        _observe(balance, [8.0, 2.0], [1.0, 1.0])
    first, second = balance.balanced.tolist()
    assert 8.0 * first == pytest.approx(2.0 * second, rel=1e-3)
    for _ in range(600):
        _observe(balance, [8.0, 2.0], [0.9, 0.1])
    first, second = balance.balanced.tolist()
    assert 8.0 * first / (2.0 * second) == pytest.approx(9.0**ASYMMETRY, rel=1e-3)


def test_a_task_without_labels_keeps_its_weight() -> None:
    balance = GradientNorm(TASKS, {})
    _observe(balance, [8.0, 2.0], [1.0, 1.0])
    before = balance.balanced.clone()
    _observe(balance, [8.0, 0.0], [1.0, 0.0])
    assert balance.balanced.tolist() == pytest.approx(before.tolist())
    assert before.tolist() != [1.0, 1.0]


@pytest.mark.parametrize("losses", [{"segmentation": math.nan}, {"depth": math.inf}, {"segmentation": -1.0}])
def test_what_is_not_finite_moves_no_weight(losses: dict[str, float]) -> None:
    """So that the step, which ends for it, finds the task that did it."""
    balance = GradientNorm(TASKS, {})
    _observe(balance, [8.0, 2.0], [1.0, 1.0])
    before = balance.balanced.clone()
    features = torch.ones(1, 2, 1, 1, requires_grad=True)
    whole = {name: features.sum() * value for name, value in {"segmentation": 1.0, "depth": 1.0, **losses}.items()}
    # The root of 0 is finite, its gradient is not.
    whole["segmentation"] = whole["segmentation"] + (0.0 * features).sqrt().sum()
    balance.observe(whole, features)
    assert torch.equal(balance.balanced, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_moves_what_learns_and_no_weight_before_it_has_learnt(kind: str, precision: str) -> None:
    """A fixed balance has nothing to move; gradient norms weigh the first step already."""
    settings = (f"training.precision={precision}", "training.soft_labels.weight=1", "training.optimizer=sgd")
    recipe = tiny_recipe(f"training.balance={kind}", *settings).training
    plain = tiny_recipe(*settings).training
    networks = [tiny_supernet(), tiny_supernet()]
    auxiliary = Auxiliary(networks[0], recipe)
    before = {name: tensor.clone() for name, tensor in auxiliary.state_dict().items()}
    images, targets = random_batch()
    inputs = Inputs(normalize(images, networks[0].architecture), targets)
    subnets = [SPACE.widest, SPACE.narrowest]
    optimizer = make_optimizer(networks[0], recipe, auxiliary)
    train_step(networks[0], optimizer, inputs, subnets, recipe, 0, auxiliary=auxiliary)
    train_step(networks[1], make_optimizer(networks[1], plain), inputs, subnets, plain, 0)
    for name, tensor in auxiliary.state_dict().items():
        assert not torch.equal(tensor, before[name]), name
    assert bool(before) == (kind != "fixed")
    if kind != "gradient-norm":
        for one, other in zip(*(network.parameters() for network in networks), strict=True):
            assert torch.allclose(one, other, atol=1e-6)
