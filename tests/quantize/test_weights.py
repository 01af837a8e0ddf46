from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pliant.devices.errors import QuantizeError
from pliant.quantize.weights import Norm, dequantize, folded_bias, folded_scales, quantize_bias, share_weight

VALUES = st.floats(-10, 10, width=32)
WEIGHTS = arrays(np.float32, (4, 3, 3, 3), elements=VALUES)
SIGNED = arrays(np.float32, 4, elements=st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0]))
POSITIVE = arrays(np.float32, 4, elements=st.floats(0.0625, 8, width=32))


@given(WEIGHTS, SIGNED, POSITIVE)
@settings(max_examples=30)
def test_integers_and_folded_scales_give_the_folded_weight(
    weight: NDArray[np.float32], gamma: NDArray[np.float32], variance: NDArray[np.float32]
) -> None:
    norm = Norm(gamma, np.zeros(4, np.float32), np.zeros(4, np.float32), variance, 1e-5)
    shared = share_weight("w", weight, gamma)
    folded = folded_scales(shared.scales, norm)
    assert (folded > 0).all(), "a gain may be 0, but engines refuse a scale that is"
    got = dequantize(shared.values, folded)
    wanted = weight * norm.gain.reshape(-1, 1, 1, 1)
    step = (shared.scales * np.abs(norm.gain)).reshape(-1, 1, 1, 1)
    assert (np.abs(got - wanted) <= 0.5001 * step + 1e-6).all()


@given(WEIGHTS, SIGNED, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=30)
def test_a_narrow_subnet_reads_what_it_would_have_rounded_itself_with_these_scales(
    weight: NDArray[np.float32], gamma: NDArray[np.float32], rows: int, columns: int
) -> None:
    shared = share_weight("w", weight, gamma)
    own = weight[:rows, :columns] * np.where(gamma[:rows] < 0, -1.0, 1.0).reshape(-1, 1, 1, 1)
    alone = np.rint(own / shared.scales[:rows].astype(np.float64).reshape(-1, 1, 1, 1))
    assert (shared.values[:rows, :columns] == np.clip(alone, -127, 127)).all()


def test_channels_without_weights_get_scales_that_engines_can_use() -> None:
    weight = np.zeros((3, 2, 1, 1), np.float32)
    weight[0] = 1.0
    weight[1] = 1e-30
    shared = share_weight("w", weight, None)
    assert (shared.scales > 1e-12).all()
    assert (shared.values[1:] == 0).all()


def test_weights_that_are_not_finite_are_refused() -> None:
    weight = np.ones((2, 1, 1, 1), np.float32)
    weight[1] = np.nan
    with pytest.raises(QuantizeError, match="conv1 has weights that are not finite"):
        share_weight("conv1", weight, None)


def test_a_bias_is_folded_and_kept_within_a_step() -> None:
    random = np.random.default_rng(0)
    gamma, beta, mean = (random.normal(size=8).astype(np.float32) for _ in range(3))
    norm = Norm(gamma, beta, mean, np.full(8, 2.0, np.float32), 1e-5)
    bias = folded_bias(np.ones(8, np.float32), norm, 8)
    np.testing.assert_allclose(bias, beta + (1 - mean) * gamma / np.sqrt(2 + 1e-5), rtol=1e-5)
    scales = np.full(8, 0.01, np.float32)
    integers, bias_scales, kept = quantize_bias(bias, 0.02, scales)
    assert (kept == scales).all()
    np.testing.assert_allclose(integers * bias_scales, bias, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-12])
def test_a_bias_beside_vanishing_weights_does_not_overflow(scale: float) -> None:
    integers, bias_scales, scales = quantize_bias(np.array([-3.0], np.float32), 0.02, np.array([scale], np.float32))
    assert abs(int(integers[0])) < 2**31
    np.testing.assert_allclose(integers * bias_scales.astype(np.float64), -3.0, rtol=1e-3)
    assert scales[0] < 1e-7
