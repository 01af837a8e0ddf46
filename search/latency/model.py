"""Latency of any subnet from some that were measured: a part for the encoder, and one for each decoder that adds up.

Nothing physical, only what a network's shape says: a linear model with a value for each width of each stage and of a
decoder, and with products of the widths of layers that meet, where the cost of a convolution is. Tables by width rather
than multiply-adds, for a thinner layer may take longer (channels that fill no vector). Decoders of one kind share their
table for each precision. That decoders add up makes a latency budget a knapsack too (algorithms/knapsack.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from ...devices.errors import BudgetError
from ...models.space import SearchSpace, SubnetConfig
from ...quantize.assignment import FP32, Assignment, assigned_to
from ...runtime.format.tasks import Task
from ...training.evaluation.evaluator import Encoder
from ..predictor import Fit

Vector = NDArray[np.float64]
PENALTIES = tuple(10.0**exponent for exponent in range(-4, 3))
LEAST = 8
"""Measured subnets without which a model says nothing."""


class LatencyModel:
    """Estimated milliseconds, learned from `measured` ones; BudgetError where these are too few to learn from.

    The encoder of all of them has one precision; their decoders may have others, of the `parts` where these are given.
    """

    def __init__(
        self,
        space: SearchSpace,
        tasks: Sequence[Task],
        measured: Mapping[SubnetConfig, float],
        parts: Sequence[str] | None = None,
    ):
        if len(measured) < LEAST:
            raise BudgetError(f"{len(measured)} measured subnets tell nothing of others: measure {LEAST} at least")
        self._space = space
        self._parts = parts or _decoders_in(measured)
        kinds = {task.name: task.kind == "classification" for task in tasks}
        groups = sorted(set(kinds.values()))
        self._group = {task: groups.index(kind) for task, kind in kinds.items()}
        self._groups = len(groups)
        known = np.array(list(measured.values()), np.float64)
        # In shares of the median: penalties mean the same on a fast device and on a slow one.
        self._unit = float(np.median(known))
        known = known / self._unit
        # An error counts by its share: a budget of one millisecond is as tight as one of ten.
        model = RidgeCV(PENALTIES)
        model.fit(np.stack([self._features(config) for config in measured]), known, 1.0 / known**2)
        self._slopes, self._base = np.asarray(model.coef_, np.float64), float(model.intercept_)

    def __call__(self, config: SubnetConfig) -> float:
        """Milliseconds of a subnet."""
        # As scikit-learn predicts, without its checks of the input: a search asks for tens of thousands, one by one.
        return float((self._features(config)[None] @ self._slopes)[0] + self._base) * self._unit

    def encoder(self, encoder: Encoder) -> float:
        """Milliseconds of all that is not a decoder."""
        return self(SubnetConfig(encoder, ()))

    def decoders(self, encoder: Encoder, widths: Sequence[float] | None = None, precision: str = FP32) -> Vector:
        """(tasks, widths): milliseconds that each decoder, of some widths or all, adds on this encoder.

        `precision` is that of a subnet on it.
        """
        base, widths = self.encoder(encoder), self._space.decoder_widths if widths is None else widths
        tasks = zip(self._space.tasks, self._assigned(SubnetConfig(encoder, (), precision)).decoders, strict=True)
        return np.array(
            [[self(SubnetConfig(encoder, ((task, width),), each)) - base for width in widths] for task, each in tasks]
        )

    @classmethod
    def held_out(
        cls, space: SearchSpace, tasks: Sequence[Task], measured: Mapping[SubnetConfig, float], folds: int = 5
    ) -> Fit:
        """How well subnets are estimated that were not learned from, each once (cross-validation)."""
        # Without those of a fold, a precision that few have may have none.
        configs, parts = list(measured), _decoders_in(measured)
        estimated = dict.fromkeys(configs, 0.0)
        for fold in range(folds):
            others = configs[fold::folds]
            model = cls(space, tasks, {each: measured[each] for each in configs if each not in others}, parts)
            estimated.update({each: model(each) for each in others})
        return Fit.of([estimated[each] for each in configs], [measured[each] for each in configs])

    def _features(self, config: SubnetConfig) -> Vector:
        encoder = np.array(config.encoder)
        decoders = np.zeros((len(self._parts), self._groups, len(self._space.decoder_widths)))
        assigned = dict(zip(self._space.tasks, self._assigned(config).decoders, strict=True))
        for task, width in config.decoders:
            place = self._parts.index(assigned[task]), self._group[task], self._space.decoder_widths.index(width)
            decoders[place] += 1.0
        joined = np.ravel(decoders @ np.array(self._space.decoder_widths))
        stages = [[float(width == each) for each in self._space.encoder_widths] for width in config.encoder]
        products = [encoder[:-1] * encoder[1:], encoder[0] * joined, encoder[-1] * joined]
        return np.concatenate([np.ravel(stages), decoders.ravel(), *products])

    def _assigned(self, config: SubnetConfig) -> Assignment:
        return Assignment.of(config.precision, len(self._space.tasks))


def _decoders_in(configs: Iterable[SubnetConfig]) -> list[str]:
    """The precisions that decoders have in any of them."""
    return sorted({each for config in configs for each in assigned_to(config).decoders})
