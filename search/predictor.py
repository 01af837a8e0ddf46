"""Quality of subnets that were not measured, from those that were: a Gaussian process over steps of widths.

A search measures tens of encoders, so a predictor must be light (SimQ-NAS, arXiv 2312.13301, uses ridge or RBF-SVR on
one-hot genes). Widths have an order, which one-hot genes forget, but no even scale: the step from the narrowest to the
next may mean far more than that to the widest. So each step between two known widths is an axis of its own, from 0 to
1, and the distance of two encoders is taken over the steps that lie between them. How smooth and how noisy quality is
over that, all tasks and decoders tell together, by their likelihood (Rasmussen & Williams, 2006, chapter 5).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from ..training.evaluation.evaluator import Encoder

Matrix = NDArray[np.float64]
MOST = 1000
"""Subnets learned from; of more, an even part: what a process costs grows with their cube."""
TELLING = 8
"""Fewest predictions of which an error and a rank correlation say something."""


def relative_error(guess: Matrix, truth: Matrix) -> float:
    """The mean of how far estimates are off what they are of, as shares of that."""
    return float(np.abs(guess / truth - 1.0).mean())


@dataclass(frozen=True)
class Fit:
    """How near estimates come to the truth: mean relative error, and Kendall's rank correlation (tau-b)."""

    error: float
    tau: float

    @classmethod
    def of(cls, estimated: Sequence[float], true: Sequence[float]) -> Fit:
        """Compare estimates with what they are of, in the same order."""
        guess, truth = np.array(estimated, np.float64), np.array(true, np.float64)
        return cls(relative_error(guess, truth), float(kendalltau(guess, truth)[0]))


class Foretold:
    """What a search predicted before it measured it, beside what it measured: held out by the order of things."""

    def __init__(self) -> None:
        self._predicted = list[Matrix]()
        self._measured = list[Matrix]()

    def add(self, predicted: Matrix, measured: Matrix) -> None:
        """Quality of some subnets, or encoders with all their decoders: a row each."""
        self._predicted.append(predicted)
        self._measured.append(measured)

    def __len__(self) -> int:
        return sum(map(len, self._measured))

    def fit(self) -> Fit | None:
        """By column, in the mean of those in which quality differs: mean absolute error, and rank correlation.

        None of fewer than `TELLING` rows.
        """
        if len(self) < TELLING:
            return None
        columns = zip(np.concatenate(self._predicted).T, np.concatenate(self._measured).T, strict=True)
        told = [(mine, true) for mine, true in columns if np.ptp(true) > 0 and np.ptp(mine) > 0]
        if not told:
            return None
        error = fmean(float(np.abs(mine - true).mean()) for mine, true in told)
        return Fit(error, fmean(float(kendalltau(mine, true)[0]) for mine, true in told))


def flags_of(precision: str, precisions: Sequence[str]) -> tuple[float, ...]:
    """Which of the precisions it is, as axes beside the widths: one for each but the first, none where there is one."""
    return tuple(float(precision == each) for each in precisions[1:])


class Predictor:
    """Several numbers of an encoder, each from its widths; learned from (encoders, numbers) pairs, `values` (n, k)."""

    def __init__(self, encoders: Sequence[Encoder], values: Matrix):
        widths = np.array(encoders, np.float64)
        self._levels = [np.unique(column) for column in widths.T]
        values = np.asarray(values, np.float64).reshape(len(widths), -1)
        self._mean, spread = values.mean(0), values.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        part = slice(None, None, -(-len(widths) // MOST))
        smooth = ConstantKernel(1.0, (1e-6, 1e4)) * RBF(3.0, (0.05, 100.0))
        self._model = GaussianProcessRegressor(smooth + WhiteKernel(0.1, (1e-4, 1.0)))
        with warnings.catch_warnings():
            # A bound that is reached says that there is no noise, or nothing but noise: no harm.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._steps(widths)[part], ((values - self._mean) / self._spread)[part])

    def __call__(self, encoders: Sequence[Encoder]) -> Matrix:
        """(encoders, k)."""
        found = np.asarray(self._model.predict(self._steps(np.array(encoders, np.float64))), np.float64)
        values: Matrix = found.reshape(len(encoders), -1) * self._spread + self._mean
        return values

    def _steps(self, widths: Matrix) -> Matrix:
        """(n, steps): how far each width is over each step between two known ones, 0 to 1."""
        steps = [
            np.clip((column - low) / (high - low), 0.0, 1.0)
            for column, levels in zip(widths.T, self._levels, strict=True)
            for low, high in pairwise(levels)
        ]
        return np.column_stack([np.zeros(len(widths)), *steps])
