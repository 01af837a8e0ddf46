from __future__ import annotations

import itertools

import pytest

from pliant.models.space import SubnetConfig
from pliant.search.archive import Archive
from pliant.search.ecmt import Ecmt
from pliant.search.factorized import Factorized, best_decoders

from .making import formula_problem, volume_of


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_on_a_measured_encoder_no_decoders_within_a_budget_are_better(share: float) -> None:
    problem, _ = formula_problem(2)
    archive = Archive(problem, best_decoders)
    encoder = problem.space.widest.encoder
    tasks, widths = problem.space.tasks, problem.space.decoder_widths
    every = [
        archive.candidate(SubnetConfig(encoder, tuple(zip(tasks, chosen, strict=True))))
        for chosen in itertools.product(widths, repeat=len(tasks))
    ]
    low, high = min(each.macs for each in every), max(each.macs for each in every)
    budget = low + share * (high - low)
    kept = [each for each in archive.candidates.values() if each.config.encoder == encoder]
    for preference in problem.preferences:
        best, found = (
            max(archive.yardstick.score(preference, each.quality) for each in those if each.macs <= budget)
            for those in (every, kept)
        )
        assert found == pytest.approx(best)


def test_with_a_third_of_the_evaluations_it_finds_more_than_ecmt() -> None:
    for seed in range(3):
        few, _ = formula_problem(20, seed)
        many, _ = formula_problem(60, seed)
        assert volume_of(few, Factorized().search(few).candidates) > volume_of(many, Ecmt().search(many).candidates)


def test_of_more_encoders_than_it_can_look_at_it_draws_some() -> None:
    problem, source = formula_problem(20, stages=4)
    wide = problem.space.__class__(
        4, problem.space.tasks, tuple(step / 8 for step in range(1, 9)), problem.space.decoder_widths
    )
    found = Factorized().search(problem.__class__(**{**vars(problem), "space": wide}))
    assert found.evaluations == len(set(source.asked)) == 20
