from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from pliant.search.predictor import MOST, TELLING, Foretold, Predictor

WIDTHS = (0.25, 0.5, 0.75, 1.0)
ENCODERS = list(itertools.product(WIDTHS, repeat=4))


def truth(encoder: tuple[float, ...]) -> list[float]:
    first, second, third, fourth = encoder
    return [first**0.7 + 0.5 * second * third, 1.0 - 0.2 * fourth]


def test_it_learns_what_was_not_measured_from_little() -> None:
    known = random.Random(0).sample(ENCODERS, 40)
    others = [encoder for encoder in ENCODERS if encoder not in known]
    predicted = Predictor(known, np.array([truth(each) for each in known]))(others)
    assert predicted.shape == (len(others), 2)
    errors = np.abs(predicted - np.array([truth(each) for each in others]))
    assert errors.mean() < 0.02
    assert errors.max() < 0.15, "of values from 0.4 to 1.5"


def test_it_knows_that_the_first_step_may_be_the_largest() -> None:
    """One width below which all is lost, in any stage: squares of widths would round that corner off."""
    known = random.Random(0).sample(ENCODERS, 40)
    found = Predictor(known, np.array([[min(encoder) > 0.25] for encoder in known], np.float64))(ENCODERS)[:, 0]
    lost = np.array([min(encoder) == 0.25 for encoder in ENCODERS])
    assert np.median(found[lost]) < 0.1
    assert found[~lost].min() > found[lost].mean()


def test_nothing_varies() -> None:
    predicted = Predictor([(0.5, 0.5), (0.5, 0.5)], np.array([[1.0, 2.0], [1.0, 2.0]]))([(0.5, 0.5), (1.0, 0.25)])
    assert predicted == pytest.approx(np.array([[1.0, 2.0], [1.0, 2.0]]))


def test_of_very_many_a_part_is_learned_from() -> None:
    drawn = random.Random(0).choices(ENCODERS, k=4 * MOST)
    predicted = Predictor(drawn, np.array([truth(each) for each in drawn]))(ENCODERS)
    assert np.abs(predicted - np.array([truth(each) for each in ENCODERS])).max() < 0.02


def test_noise_is_not_learned_by_heart() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(20, 1))
    assert np.abs(Predictor(ENCODERS[::13], noise)(ENCODERS)).max() < np.abs(noise).max()


def test_predictions_are_judged_by_what_is_measured_after_them() -> None:
    true = np.array([truth(encoder) for encoder in ENCODERS[:TELLING]])
    told = Foretold()
    told.add(true[:2] + 0.1, true[:2])
    assert told.fit() is None, "two say nothing"
    told.add(true[2:] + 0.1, true[2:])
    assert len(told) == TELLING
    found = told.fit()
    assert found is not None
    assert found.error == pytest.approx(0.1)
    assert found.tau == pytest.approx(1.0)


def test_a_column_that_never_differs_has_no_rank() -> None:
    true = np.column_stack([np.arange(0.0, 8.0), np.ones(8)])
    told = Foretold()
    told.add(true, true)
    found = told.fit()
    assert found is not None
    assert found.error == 0.0
    assert found.tau == pytest.approx(1.0)
    flat = Foretold()
    flat.add(true[:, 1:], true[:, 1:])
    assert flat.fit() is None
