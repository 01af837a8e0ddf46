"""Quality of subnets that were not measured, from those that were: ridge regression on a handful of features.

A search measures tens of encoders, so a predictor must be light (SimQ-NAS, arXiv 2312.13301, uses ridge or RBF-SVR on
one-hot genes). Widths have an order, which one-hot genes forget: here the features are each width's square root, their
squares and their products by two, and the strength of the penalty is chosen by leaving one out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from ..training.evaluator import Encoder

Matrix = NDArray[np.float64]
PENALTIES = tuple(10.0**exponent for exponent in range(-4, 4))


@dataclass(frozen=True)
class Fit:
    """How near estimates come to the truth: mean relative error, and Kendall's rank correlation (tau-b)."""

    error: float
    tau: float

    @classmethod
    def of(cls, estimated: Sequence[float], true: Sequence[float]) -> Fit:
        """Compare estimates with what they are of, in the same order."""
        guess, truth = np.array(estimated, np.float64), np.array(true, np.float64)
        return cls(float(np.abs(guess / truth - 1.0).mean()), float(kendalltau(guess, truth)[0]))


class Predictor:
    """Several numbers of an encoder, each from its widths; learned from (encoders, numbers) pairs, `values` (n, k)."""

    def __init__(self, encoders: Sequence[Encoder], values: Matrix):
        self._model = make_pipeline(
            PolynomialFeatures(2, include_bias=False),
            StandardScaler(),
            RidgeCV(PENALTIES, alpha_per_target=True),
        )
        self._model.fit(_features(encoders), values)

    def __call__(self, encoders: Sequence[Encoder]) -> Matrix:
        """(encoders, k)."""
        found: Matrix = np.asarray(self._model.predict(_features(encoders)), np.float64)
        return found.reshape(len(encoders), -1)


def _features(encoders: Sequence[Encoder]) -> Matrix:
    return np.sqrt(np.array(encoders, np.float64))
