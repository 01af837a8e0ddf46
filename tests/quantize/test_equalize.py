from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from pliant.quantize.equalize import MARGIN, MOST, Pair, factors
from pliant.quantize.ranges import Channels, Range
from pliant.quantize.weights import Window, rounding_shift, share_weight

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
    made, _ = factors([PAIR], between([6.0, 1.0, 5.0, 0.001]))
    assert made["makes"] == pytest.approx([1.0, 6 / MARGIN, 1.0, MOST])


def test_a_channel_of_which_nothing_was_seen_is_left_as_it_is() -> None:
    made, _ = factors([PAIR], between([6.0, 0.0]))
    assert made["makes"] == pytest.approx([1.0, 1.0])


def test_unknown_channels_are_left_as_they_are() -> None:
    assert factors([PAIR], {"between": Range(0.0, 6.0)}) == ({}, {})


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 6)])
def test_what_rounding_adds_to_a_mean_is_known(depthwise: bool, stride: int, dilation: int) -> None:
    """Against outputs themselves: filters that look for differences, where padding is most of what they see too."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 6, 8, 10, generator=generator) * 4 + 2
    weight = torch.randn(6, 1 if depthwise else 6, 3, 3, generator=generator)
    weight -= weight.mean((1, 2, 3), keepdim=True)
    shared = share_weight("w", weight.numpy(), None)
    rounded = torch.from_numpy(shared.values * shared.scales.reshape(-1, 1, 1, 1))

    def means(kernel: torch.Tensor) -> torch.Tensor:
        made = F.conv2d(images, kernel, None, stride, dilation, dilation, 6 if depthwise else 1)
        return made.mean((0, 2, 3))

    wanted = (means(rounded) - means(weight)).numpy()
    window = Window((stride, stride), (dilation,) * 4, (dilation, dilation))
    found = rounding_shift(weight.numpy(), shared.scales, images.mean(0).numpy(), window)
    assert found == pytest.approx(wanted, abs=2e-5)
    assert np.abs(wanted).max() > 2e-4
