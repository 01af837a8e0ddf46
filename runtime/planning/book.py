"""What is known of a suite's subnets here: latency measured through sessions, in turns, memory and energy; all kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...devices.cache import MeasurementCache
from ...devices.energy import EnergyUse, energy_of, need_sensor
from ...devices.errors import EngineUnavailable
from ...devices.fingerprint import Fingerprint, read_fingerprint
from ...devices.measure import Effort, Measurement, Progress, measure
from ...devices.profile import Key, MemoryUse
from ...devices.repeats import Repeat, drift, repeats_of
from ..engine import checked_threads, target_of
from ..format.manifest import SubnetInfo
from ..heap import release_memory, release_soon
from ..session import load_subnet
from ..tensorrt.settings import ENGINES
from .memory import measure_memory

if TYPE_CHECKING:
    from ..format.suite_file import SuiteFile
    from ..tensorrt.cache import EngineInfo

# Subnets loaded at once and measured in turns; more would not fit a small board's memory.
TOGETHER = 5
# A glance tells far from near; settled numbers decide near a limit; a subnet is chosen on confirmed ones.
# No warm-up runs: loading has run the witness, and the first run of each turn is thrown away.
GLANCE = Effort(runs=6, spread=float("inf"), seconds=0.0, warmup=0)
SETTLE = Effort(runs=21, spread=0.05, seconds=0.6, warmup=0)
CONFIRM = Effort(runs=42, spread=0.03, seconds=1.5, warmup=0)
# What is promised by numbers kept from earlier is looked at again, no longer than is needed to see it changed.
CHECK = Effort(runs=21, spread=0.05, seconds=0.0, warmup=0)


class Book:
    """Measurements of a suite's subnets on this machine, for one set of tasks, provider and threads.

    Reads what is kept when it is made; measures when it is told to, and keeps that.
    """

    def __init__(
        self,
        suite: SuiteFile,
        tasks: Sequence[str],
        *,
        provider: str = "cpu",
        threads: int | None = None,
        cache: MeasurementCache | None = None,
        fingerprint: Fingerprint | None = None,
    ):
        self.suite = suite
        self.tasks = tuple(tasks)
        self.provider = provider
        self.threads = checked_threads(threads)
        self.cache = cache or MeasurementCache()
        self.fingerprint = fingerprint or read_fingerprint()
        self.profile = self.cache.profile(self.fingerprint)
        self.engines: dict[str, EngineInfo] = {}
        if provider in ENGINES:
            from ..tensorrt.load import built_engines

            self.engines = built_engines(suite, suite.subnets, self.tasks, provider)
        self._keys: dict[str, str] = {}
        self._drifts: tuple[tuple[Repeat, ...], dict[tuple[float, float | None], float]] = ((), {})
        self._added: list[Repeat] = []
        self._heavy: tuple[Mapping[str, MemoryUse], int, list[tuple[int, SubnetInfo]]] = ({}, 0, [])

    def key(self, subnet: SubnetInfo) -> Key:
        """What a measurement of this subnet is kept under; subnets of the same graph share it."""
        shape = (1, *self.suite.input.shape)
        # One that the provider has no graph of is never measured: nothing is known under its key.
        graph = subnet.graphs.get(target_of(self.provider))
        provider = self.provider
        if provider in ENGINES:
            # Another engine of the same graph, for another batch say, takes another time.
            engine = self.engines.get(subnet.id)
            provider = f"{provider}@{engine.sha256[:16] if engine else ''}"
        return Key(graph.sha256 if graph else "", shape, provider, self.threads, self.tasks)

    def latency(self, subnet: SubnetInfo) -> Measurement | None:
        """What is known of its latency, in milliseconds."""
        return self.profile.latency.get(self.text(subnet))

    def text(self, subnet: SubnetInfo) -> str:
        """The subnet's key as it stands in a profile; asked thousands of times a plan, so made once."""
        return self._keys.get(subnet.id) or self._keys.setdefault(subnet.id, self.key(subnet).text)

    def forget(self, subnets: Iterable[SubnetInfo]) -> None:
        """Drop what is known of these subnets' latency, for good: it holds no longer. So does what this book has
        learned of repeats: they were of two machines, so to speak.
        """
        keys = [self.text(subnet) for subnet in subnets]
        self.profile = self.cache.forget(self.fingerprint, keys, self._added)

    def drift(self, quantile: float, near: float | None = None) -> float:
        """How far, relatively, a quantile measured again comes out from what was kept here (`devices.repeats`).

        `near` is what it takes, in milliseconds.
        """
        if self._drifts[0] is not self.profile.repeats:
            self._drifts = (self.profile.repeats, {})
        known, asked = self._drifts[1], (quantile, near)
        if asked not in known:
            known[asked] = drift(self.profile.repeats, self.provider, quantile, near)
        return known[asked]

    def over(self, latency_ms: float) -> list[SubnetInfo]:
        """The measured subnets whose quickest run takes longer."""
        return [each for each in self.suite.subnets if (found := self.latency(each)) and found.min > latency_ms]

    def memory(self, subnet: SubnetInfo) -> MemoryUse | None:
        """What is known of its memory, in bytes."""
        return self.profile.memory.get(self.text(subnet))

    def heavier(self, size: int) -> list[tuple[int, SubnetInfo]]:
        """The subnets that were measured to take more memory, each after its peak."""
        known, asked, found = self._heavy
        if known is not self.profile.memory or asked != size:
            uses = ((self.memory(each), each) for each in self.suite.subnets)
            found = [(use.peak, each) for use, each in uses if use is not None and use.peak > size]
            self._heavy = (self.profile.memory, size, found)
        return found

    def energy(self, subnet: SubnetInfo) -> EnergyUse | None:
        """What is known of its energy, in millijoules a run."""
        return self.profile.energy.get(self.key(subnet).text)

    def stale(self, subnets: Iterable[SubnetInfo]) -> list[str]:
        """What changed since these subnets were measured in another state of the machine; empty if never."""
        keys = {self.key(subnet).text for subnet in subnets}
        for profile in self.cache.others(self.fingerprint):
            if keys & profile.latency.keys():
                return self.fingerprint.differences(profile.fingerprint)
        return []

    def measure(
        self, subnets: Sequence[SubnetInfo], quantile: float, effort: Effort, progress: Progress | None = None
    ) -> None:
        """Measure latency, a few subnets at a time and in turns; each group is kept when it is done.

        `effort.seconds` is for each subnet. `progress(what, done, total)` counts subnets.
        """
        unlike = self._unlike(subnets)
        for start in range(0, len(unlike), TOGETHER):
            group = unlike[start : start + TOGETHER]
            calls: dict[str, Callable[[], object]] = {}
            for index, subnet in enumerate(group):
                if progress:
                    progress(f"measuring {subnet.id}", start + index, len(unlike))
                calls[self.text(subnet)] = self._call(subnet)
            release_memory()
            try:
                times = measure(calls, quantile=quantile, effort=replace(effort, seconds=effort.seconds * len(group)))
            finally:
                release_soon()
            repeats = self._repeats(times)
            kept = self.cache.add(self.fingerprint, latency=times, repeats=repeats, conditions=_conditions())
            self.profile = self.profile.merged(kept)
        if progress and unlike:
            progress("measured", len(unlike), len(unlike))

    def check(self, subnet: SubnetInfo, quantile: float) -> Measurement:
        """Measure a subnet shortly and keep how that compares with what is known, which stays as it is."""
        key, call = self.text(subnet), self._call(subnet)
        release_memory()
        try:
            found = measure({key: call}, quantile=quantile, effort=CHECK)
        finally:
            release_soon()
        self.profile = self.profile.merged(self.cache.add(self.fingerprint, repeats=self._repeats(found)))
        return found[key]

    def _repeats(self, times: Mapping[str, Measurement]) -> list[Repeat]:
        known = self.profile.latency
        new = [each for key, found in times.items() for each in repeats_of(self.provider, known.get(key), found)]
        self._added += new
        return new

    def _unlike(self, subnets: Sequence[SubnetInfo]) -> list[SubnetInfo]:
        """One subnet for each key, in order."""
        found: dict[str, SubnetInfo] = {}
        for subnet in subnets:
            found.setdefault(self.text(subnet), subnet)
        return list(found.values())

    def _call(self, subnet: SubnetInfo) -> Callable[[], object]:
        session = load_subnet(self.suite, subnet, self.tasks, False, self.provider, self.threads, quiet=True)
        image = self.suite.witness_input()
        return lambda: session.run(image)

    def measure_memory(self, subnets: Sequence[SubnetInfo], progress: Progress | None = None) -> None:
        """Measure memory, each subnet in a process of its own."""
        unlike = self._unlike(subnets)
        ids = [subnet.id for subnet in unlike]
        with self.suite.container.lent() as (path, descriptor):
            found = measure_memory(path, ids, self.tasks, self.provider, self.threads, progress, inherit=(descriptor,))
        uses = {self.text(subnet): found[subnet.id] for subnet in unlike}
        self.profile = self.profile.merged(self.cache.add(self.fingerprint, memory=uses))

    def measure_energy(self, subnets: Sequence[SubnetInfo], progress: Progress | None = None) -> None:
        """Measure energy by this machine's sensor, two seconds a subnet.

        BudgetError where there is no sensor, EngineUnavailable where it fails.
        """
        sensor = need_sensor("processor" if self.provider == "cpu" else "gpu")
        unlike = self._unlike(subnets)
        for done, subnet in enumerate(unlike):
            if progress:
                progress(f"measuring the energy of {subnet.id}", done, len(unlike))
            call = self._call(subnet)
            release_memory()
            try:
                use = energy_of(call, sensor)
            except OSError as error:
                raise EngineUnavailable(f"the energy sensor {sensor.name} fails: {error.strerror or error}") from error
            finally:
                release_soon()
            kept = self.cache.add(self.fingerprint, energy={self.text(subnet): use}, conditions=_conditions())
            self.profile = self.profile.merged(kept)
        if progress and unlike:
            progress("measured", len(unlike), len(unlike))


def _conditions() -> dict[str, str]:
    """For people who read a profile: when, and how busy the machine was (its load over a minute)."""
    import os

    found = {"measured": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    if hasattr(os, "getloadavg"):
        found["load"] = f"{os.getloadavg()[0]:.2f}"
    return found
