"""Random requests for plans, drawn from what a suite can do on this machine: some easy, some hard, some impossible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pliant.devices.measure import measure
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.heap import release_memory
from pliant.runtime.planning.book import SETTLE
from pliant.runtime.planning.memory import measure_memory
from pliant.runtime.session import load_subnet
from pliant.runtime.suite import Suite

# Limits go a little beyond what the narrowest and the widest subnet need.
BEYOND = 1.25
QUANTILES = (0.5, 0.95)


@dataclass(frozen=True)
class Request:
    """What a plan is asked for; `tasks` None means all. Milliseconds at `quantile`, bytes."""

    tasks: tuple[str, ...] | None
    latency_ms: float
    quantile: float = 0.5
    memory_bytes: int | None = None
    prefer: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)

    def names(self, suite: Suite) -> tuple[str, ...]:
        """The tasks to run."""
        return tuple(suite.tasks) if self.tasks is None else self.tasks

    def words(self) -> dict[str, Any]:
        """The same as keywords of `Suite.plan`."""
        words: dict[str, Any] = {"latency": f"{self.latency_ms!r} ms", "quantile": self.quantile}
        if self.tasks is not None:
            words["tasks"] = self.tasks
        if self.memory_bytes is not None:
            words["memory"] = f"{self.memory_bytes} B"
        return {**words, "prefer": self.prefer or None, "floors": self.floors or None}


@dataclass(frozen=True)
class Range:
    """What the narrowest and the widest subnet take here, for some tasks."""

    latency_ms: tuple[float, float]
    memory_bytes: tuple[float, float]


def ends(suite: Suite) -> tuple[SubnetInfo, SubnetInfo]:
    """The subnets of the fewest and of the most multiply-adds."""
    ordered = sorted(suite.subnets, key=lambda subnet: (subnet.macs, subnet.bytes))
    return ordered[0], ordered[-1]


def range_of(suite: Suite, tasks: tuple[str, ...] | None, threads: int | None) -> Range:
    """A short look, apart from what plans measure and keep."""
    names, both = suite.check_tasks(tasks), ends(suite)
    image = suite.witness_input()
    sessions = {each.id: load_subnet(suite, each, names, threads=threads, quiet=True) for each in both}
    calls = {name: (lambda session=session: session.run(image)) for name, session in sessions.items()}
    release_memory()
    times = measure(calls, effort=SETTLE)
    uses = measure_memory(suite.path, list(calls), names, threads=threads)
    low, high = (times[each.id].p50 or times[each.id].mean for each in both)
    least, most = (float(uses[each.id].peak) for each in both)
    return Range((low, high), (least, most))


def subsets(suite: Suite, count: int, rng: np.random.Generator) -> list[tuple[str, ...] | None]:
    """All tasks, and some random smaller sets of them."""
    names, found = list(suite.tasks), [None]
    for _ in range(20 * count):
        some = tuple(name for name in names if rng.random() < 0.5)
        if len(found) < count and 0 < len(some) < len(names) and some not in found:
            found.append(some)  # type: ignore[arg-type]
    return list(found)


def draw(
    suite: Suite, ranges: dict[tuple[str, ...] | None, Range], count: int, rng: np.random.Generator
) -> list[Request]:
    """Random requests: a latency limit always, everything else in about every other one."""
    return [_one(suite, ranges, rng) for _ in range(count)]


def _one(suite: Suite, ranges: dict[tuple[str, ...] | None, Range], rng: np.random.Generator) -> Request:
    tasks = list(ranges)[int(rng.integers(len(ranges)))]
    names, reach = suite.check_tasks(tasks), ranges[tasks]
    return Request(
        tasks,
        _between(*reach.latency_ms, rng),
        QUANTILES[int(rng.integers(len(QUANTILES)))],
        int(_between(*reach.memory_bytes, rng)) if rng.random() < 0.3 else None,
        {name: float(10 ** rng.uniform(-1, 1)) for name in _some(names, rng)},
        {name: _floor(suite.subnets, name, rng) for name in _some(names, rng)[:1]},
    )


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(low / BEYOND), math.log(high * BEYOND)))


def _some(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    """In every other request a few of the tasks."""
    wanted = rng.random() < 0.5
    return [name for name in names if rng.random() < 0.5 and wanted]


def _floor(found: Sequence[SubnetInfo], task: str, rng: np.random.Generator) -> float:
    """A quality that half of the subnets or more have."""
    quality = [subnet.quality[task] for subnet in found]
    share = rng.uniform(0.0, 0.5)
    return float(np.quantile([each.value for each in quality], share if quality[0].higher_is_better else 1.0 - share))
