"""Gain over separate training: the multi-task delta, positive where a method is better.

For each seed, width and task the relative difference of the metric to that of the separate network of the same seed,
with the sign turned where lower is better; then its mean over tasks (Maninis et al., CVPR 2019, whose delta is a drop:
ours is a gain, and has the other sign). The spread is over seeds.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from .methods import DEFAULT, METHODS, SEPARATE

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Gain:
    """Mean over seeds of a relative gain (0.01 is one per cent), its standard deviation, how many seeds, and in how
    many of them it is positive."""

    mean: float
    spread: float
    seeds: int
    ahead: int

    @classmethod
    def over(cls, gains: list[float]) -> Gain:
        """Of the gains of all seeds; the spread of one seed is not known, hence NaN."""
        spread = statistics.stdev(gains) if len(gains) > 1 else float("nan")
        return cls(statistics.fmean(gains), spread, len(gains), sum(gain > 0 for gain in gains))


def gains(rows: Rows, data: str, method: str) -> dict[float, Gain]:
    """By width, the mean gain over all tasks; seeds without their separate networks do not count."""
    return {width: Gain.over(list(of_seed.values())) for width, of_seed in _by_seed(rows, data, method).items()}


def task_gains(rows: Rows, data: str, method: str) -> dict[tuple[float, str], Gain]:
    """By width and task, the gain."""
    found: dict[tuple[float, str], list[float]] = defaultdict(list)
    for (width, task, _), gain in _relative(rows, data, method).items():
        found[width, task].append(gain)
    return {key: Gain.over(values) for key, values in sorted(found.items())}


@dataclass(frozen=True)
class Lever:
    """What a method adds to the default of the same seeds, by width (a gain of 0.01 is a point)."""

    method: str
    points: dict[float, Gain]


def levers(rows: Rows, data: str) -> list[Lever]:
    """Every method that changes the default, by the seeds that both and the separate networks have."""
    base = _by_seed(rows, data, DEFAULT)
    found = []
    for method in [name for name, each in METHODS.items() if name != DEFAULT and not each.separate]:
        paired = {
            width: [gain - base[width][seed] for seed, gain in of_seed.items() if seed in base.get(width, {})]
            for width, of_seed in _by_seed(rows, data, method).items()
        }
        if paired and all(paired.values()):
            found.append(Lever(method, {width: Gain.over(points) for width, points in paired.items()}))
    return found


def _by_seed(rows: Rows, data: str, method: str) -> dict[float, dict[int, float]]:
    """By width and seed, the mean gain over all tasks."""
    found: dict[float, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (width, _, seed), gain in _relative(rows, data, method).items():
        found[width][seed].append(gain)
    return {
        width: {seed: statistics.fmean(of_task) for seed, of_task in of_seed.items()}
        for width, of_seed in sorted(found.items())
    }


def _relative(rows: Rows, data: str, method: str) -> dict[tuple[float, str, int], float]:
    """(width, task, seed) -> relative gain over the separate network."""
    of_data = [row for row in rows if row["data"] == data]
    separate = {_key(row): row["value"] for row in of_data if row["method"] == SEPARATE}
    found = {}
    for row in of_data:
        if row["method"] == method and (base := separate.get(_key(row))):
            sign = 1.0 if row["higher_is_better"] else -1.0
            found[_key(row)] = sign * (row["value"] - base) / abs(base)
    return found


def _key(row: dict[str, Any]) -> tuple[float, str, int]:
    return row["width"], row["task"], row["seed"]
