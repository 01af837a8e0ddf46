from __future__ import annotations

import itertools
import random

import numpy as np

from pliant.search.predictor import Predictor

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
    assert np.abs(predicted - np.array([truth(each) for each in others])).max() < 0.02


def test_noise_is_not_learned_by_heart() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(20, 1))
    assert np.abs(Predictor(ENCODERS[::13], noise)(ENCODERS)).max() < np.abs(noise).max()
