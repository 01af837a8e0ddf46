"""Task preferences, and ECMT's rule that turns one into decoder widths (Aich et al., ICCV 2023).

The rule, for preferences `w_t > 0` and a *ceiling* `c > 0`:

    width_t = snap(c * w_t / max_u w_u)

where `snap` is the nearest allowed width, the narrower of two that are equally near. So the most preferred task gets
the ceiling, the others their share in proportion; above the widest width the ceiling goes on, for those that are
preferred less: else they would stay narrow where there is budget for all. At one ceiling, raising a task's preference
never narrows its decoder and never widens another's. The ceiling itself is searched together with the encoder, under
the budget: a wide one is paid for with a narrower encoder, and measured quality decides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..devices.errors import BudgetError
from ..models.space import SearchSpace
from ..runtime.planning.budget import LEAST_WEIGHT, MOST_WEIGHT

Decoders = tuple[tuple[str, float], ...]
"""(task, decoder width) for each task, sorted by task."""


@dataclass(frozen=True)
class Preference:
    """Relative importance of tasks: (task, weight from 1e-9 to 1e9), sorted by task; only the ratios matter."""

    weights: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        for task, weight in self.weights:
            # Whole numbers are compared as they are: one of 400 digits has no float.
            if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
                raise BudgetError(
                    f"the preference of {task!r} must be a number over 0, from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
                )
        object.__setattr__(self, "weights", tuple(sorted((str(t), float(w)) for t, w in self.weights)))

    @classmethod
    def of(cls, tasks: Iterable[str], weights: Mapping[str, float] | None = None) -> Preference:
        """Weights for these tasks, 1 where none is given; BudgetError for a task that is not among them."""
        names, given = list(tasks), dict(weights or {})
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise BudgetError(f"no task is called {unknown[0]!r}: prefer one of {', '.join(names)}")
        return cls(tuple((task, given.get(task, 1.0)) for task in names))

    @property
    def name(self) -> str:
        """Short text for people, also the key in a front: `equal`, or the weights that are not 1."""
        if len({weight for _, weight in self.weights}) <= 1:
            return "equal"
        return ", ".join(f"{task}={weight:g}" for task, weight in self.weights if weight != 1.0)

    @property
    def simplex(self) -> dict[str, float]:
        """Weights that sum to 1."""
        total = math.fsum(weight for _, weight in self.weights)
        return {task: weight / total for task, weight in self.weights}

    def to_json(self) -> dict[str, float]:
        """Weights by task."""
        return dict(self.weights)


def standard_preferences(tasks: Sequence[str], given: Iterable[Mapping[str, float]] = ()) -> tuple[Preference, ...]:
    """What to search for: all tasks equal, then each twice as important in turn, then `given`; each once."""
    favoured = [Preference.of(tasks, {task: 2.0}) for task in tasks] if len(tasks) > 1 else []
    asked = [Preference.of(tasks, weights) for weights in given]
    return tuple({each.name: each for each in [Preference.of(tasks), *favoured, *asked]}.values())


def snap(width: float, allowed: Sequence[float]) -> float:
    """The allowed width nearest to `width`; of two equally near, the narrower."""
    return min(allowed, key=lambda each: (round(abs(each - width), 9), each))


def decoder_widths(space: SearchSpace, preference: Preference, ceiling: float) -> Decoders:
    """ECMT's rule (this module's formula): (task, decoder width) for each task of the space."""
    most = max(weight for _, weight in preference.weights)
    return tuple((task, snap(ceiling * weight / most, space.decoder_widths)) for task, weight in preference.weights)


def rule_variants(space: SearchSpace, preferences: Iterable[Preference]) -> list[Decoders]:
    """Decoders that ECMT's rule gives at any ceiling, each once; for one preference, as its ceiling rises."""
    return list(dict.fromkeys(itertools.chain.from_iterable(_at_every_ceiling(space, each) for each in preferences)))


def _at_every_ceiling(space: SearchSpace, preference: Preference) -> Iterator[Decoders]:
    """From all narrowest to all widest."""
    most = max(weight for _, weight in preference.weights)
    steps = [(low + high) / 2 for low, high in itertools.pairwise(space.decoder_widths)]
    changes = sorted({step * most / weight for step in steps for _, weight in preference.weights})
    between = [(low + high) / 2 for low, high in itertools.pairwise([0.0, *changes])]
    last = [2 * changes[-1]] if changes else [space.decoder_widths[0]]
    return (decoder_widths(space, preference, ceiling) for ceiling in (*between, *last))
