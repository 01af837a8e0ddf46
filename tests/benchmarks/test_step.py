"""What `benchmarks/step.py` times is the step of a real training."""

from __future__ import annotations

import itertools

from pliant.benchmarks.step import drawn
from pliant.training.optimization.sampling import subnets_at

from ..training.tiny import SPACE, tiny_recipe


def test_the_subnets_of_a_timed_step_are_those_that_the_recipe_draws() -> None:
    recipe = tiny_recipe("training.subnets=2", "training.sampling=stratified", "training.uniform=1").training
    found = list(itertools.islice(drawn(SPACE, recipe, 4), 12))
    alone = round(recipe.full_width * 12)
    assert alone > 0
    assert found[alone:] == [subnets_at(SPACE, recipe, step, 12) for step in range(alone, 12)]
    assert all(len(step) == 4 for step in found), "those of the widest alone are not what is timed"
