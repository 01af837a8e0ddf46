from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.devices.errors import QuantizeError
from pliant.quantize.ranges import Extremes, Range, find_ranges, merge_extremes


def extremes(low: list[float], high: list[float]) -> Extremes:
    return Extremes(np.array(low, np.float32), np.array(high, np.float32))


@given(st.floats(-100, 100), st.floats(0.001, 100))
def test_zero_is_exact_and_the_range_is_covered_to_half_a_step(low: float, span: float) -> None:
    scale, zero = Range(low, low + span).parameters()
    bottom, top = (0 - float(zero)) * float(scale), (255 - float(zero)) * float(scale)
    assert bottom <= min(low, 0.0) + 0.51 * float(scale)
    assert top >= max(low + span, 0.0) - 0.51 * float(scale)


def test_after_relu_the_zero_point_is_zero() -> None:
    scale, zero = Range(0.0, 6.0).parameters()
    assert zero == 0
    assert scale == pytest.approx(6 / 255)


def test_a_tensor_that_never_leaves_zero_has_a_scale_still() -> None:
    assert Range(0.0, 0.0).parameters()[0] > 0


def test_ranges_are_of_all_images() -> None:
    merged = merge_extremes([{"t": extremes([0, -1], [2, 4])}, {"t": extremes([-5], [3])}])
    assert find_ranges(merged) == {"t": Range(-5.0, 4.0)}


def test_no_images_are_an_error() -> None:
    with pytest.raises(QuantizeError, match="at least one calibration image"):
        merge_extremes([])


def test_values_that_are_not_finite_name_their_tensor() -> None:
    with pytest.raises(QuantizeError, match=r"not finite at encoder\.bn1"):
        find_ranges({"encoder.bn1": extremes([0.0], [float("nan")])})


def test_nothing_but_constants_is_an_error() -> None:
    with pytest.raises(QuantizeError, match="nothing but constants"):
        find_ranges({"a": extremes([1.0], [1.0]), "b": extremes([0.0], [0.0])})
