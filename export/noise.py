"""How far one output is from another, as noise over signal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOST = 1e6
"""Noise over signal of an output that is not finite."""


def noise_power(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """Power of the difference over that of the signal, about its mean; at most LOST."""
    wide = expected.astype(np.float64)
    found = float(((wide - actual) ** 2).mean() / max(float(wide.var()), 1e-30))
    return min(found, LOST) if math.isfinite(found) else LOST


def signal_to_noise(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """Decibels, at most 200; the signal is what the output varies by, its mean does not count."""
    return -10 * math.log10(max(noise_power(expected, actual), 1e-20))
