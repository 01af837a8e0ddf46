"""A book that measures from a script instead of a machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.measure import Effort, Measurement, Progress, runs_needed, summarize
from pliant.devices.profile import MemoryUse
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.planning.book import CHECK, Book

from .paper import TASKS, Paper


class Scripted(Book):
    """A book that measures from a script: each subnet's true latency, with noise that shrinks as runs grow.

    A machine without drift, unless it is made with one; None is what the book learns.
    """

    def __init__(
        self, suite: Paper, truth: dict[str, float], noise: dict[str, float] | None = None, drift: float | None = 0.0
    ):
        super().__init__(cast(pliant.Suite, suite), tuple(TASKS), cache=MeasurementCache("/dev/null/cache"))
        self.truth, self.noise, self.scripted = truth, noise or dict.fromkeys(truth, 0.0), drift
        self.calls: list[tuple[int, tuple[str, ...]]] = []
        self.peaks: dict[str, int] = {}
        self.weighed: list[str] = []

    def drift(self, quantile: float, near: float | None = None) -> float:
        return super().drift(quantile, near) if self.scripted is None else self.scripted

    def check(self, item: SubnetInfo, quantile: float) -> Measurement:
        runs = max(CHECK.runs, runs_needed(quantile))
        self.calls.append((0, (item.id,)))
        found = summarize([self.truth[item.id]] * runs, quantile)
        repeats = self._repeats({self.key(item).text: found})
        self.profile = self.profile.merged(self.cache.add(self.fingerprint, repeats=repeats))
        return found

    def measure(
        self, subnets: Sequence[SubnetInfo], quantile: float, effort: Effort, progress: Progress | None = None
    ) -> None:
        runs = max(effort.runs, runs_needed(quantile))
        if subnets:
            self.calls.append((effort.runs, tuple(item.id for item in subnets)))
        times: dict[str, Measurement] = {}
        for item in subnets:
            value = self.truth[item.id] * (1.0 + self.noise[item.id] * 6.0 / runs)
            times[self.key(item).text] = summarize([value] * runs, quantile)
        repeats = self._repeats(times)
        self.profile = self.profile.merged(self.cache.add(self.fingerprint, latency=times, repeats=repeats))

    def measure_memory(self, subnets: Sequence[SubnetInfo], progress: Progress | None = None) -> None:
        self.weighed += [item.id for item in subnets]
        uses = {self.key(item).text: MemoryUse(self.peaks[item.id], 0, 0) for item in subnets}
        self.profile = self.profile.merged(self.cache.add(self.fingerprint, memory=uses))
