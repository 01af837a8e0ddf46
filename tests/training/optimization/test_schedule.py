"""The learning rate over a training."""

from __future__ import annotations

import itertools

import pytest

from pliant.training.optimization.schedule import learning_rate

from ..tiny import tiny_recipe


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_warms_up_to_its_peak_and_then_falls(schedule: str) -> None:
    recipe = tiny_recipe(f"training.schedule={schedule}", "training.warmup=0.1", "training.lr=2").training
    rates = [learning_rate(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == pytest.approx(2.0)
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(rates[9:]))
    assert rates[-1] == 2.0 if schedule == "constant" else rates[-1] < 0.05
