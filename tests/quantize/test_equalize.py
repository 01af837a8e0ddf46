from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.quantize.equalize import MARGIN, MOST, Pair, factors
from pliant.quantize.ranges import Channels, Range
from pliant.quantize.weights import rounding_shift, share_weight

PAIR = Pair("makes", "reads", "between")
highs = st.lists(st.floats(0.0, 6.0, width=32), min_size=1, max_size=8)


def between(high: list[float]) -> dict[str, Range]:
    found = np.array(high, np.float32)
    return {"between": Range(0.0, float(found.max()), Channels(found, np.zeros_like(found)))}


@given(highs)
def test_no_channel_grows_beyond_the_largest(high: list[float]) -> None:
    """So that a cap as ReLU6's caps nothing more than before, and the tensor's range is what it was."""
    made, read = factors([PAIR], between(high))
    if max(high) == 0:
        assert not made
        return
    assert (made["makes"] == read["reads"]).all()
    assert (made["makes"] >= 1).all()
    assert (made["makes"] <= MOST * 1.001).all()
    assert (made["makes"] * np.array(high) <= max(high) * 1.001).all()


def test_small_channels_grow_to_the_whole_range_but_for_a_margin() -> None:
    made, _ = factors([PAIR], between([6.0, 0.06, 5.0]))
    assert made["makes"] == pytest.approx([1.0, 100 / MARGIN, 1.0])


def test_unknown_channels_are_left_as_they_are() -> None:
    assert factors([PAIR], {"between": Range(0.0, 6.0)}) == ({}, {})


@pytest.mark.parametrize("depthwise", [False, True])
def test_what_rounding_adds_to_a_mean_is_known(depthwise: bool) -> None:
    """Against the sums themselves, of filters that look for differences on large inputs."""
    random = np.random.default_rng(0)
    inputs, outputs = 6, 6
    weight = random.normal(size=(outputs, 1 if depthwise else inputs, 3, 3)).astype(np.float32)
    weight -= weight.mean((1, 2, 3), keepdims=True)
    means = random.uniform(2, 6, inputs).astype(np.float32)
    shared = share_weight("w", weight, None)
    rounded = shared.values * shared.scales.reshape(-1, 1, 1, 1)
    per_input = (rounded - weight).sum((2, 3))
    wanted = per_input[:, 0] * means if depthwise else (per_input * means).sum(1)
    assert rounding_shift(weight, shared.scales, means) == pytest.approx(wanted, abs=1e-4)
    assert np.abs(wanted).max() > 1e-3
