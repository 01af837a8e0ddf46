"""How long subnets take on this machine, before there is a suite: through the sessions that a suite's would be.

A subnet's graph depends on its widths alone, so the statistics that stand in it are just those at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from ...devices.dialect import get_dialect
from ...devices.measure import Effort, Progress, sample
from ...devices.profile import MemoryUse
from ...export.engine import Engine
from ...export.feeds import Feed
from ...export.forms import Forms
from ...models.norm import SlimBatchNorm2d
from ...models.setting import Statistics
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from ...quantize.policy import Policy
from ..pace import Timed
from .memory import measure_memory

TOGETHER = 8
"""Subnets timed in turns."""
STATISTIC, QUANTILE = "mean of the quickest tenth", 0.05
"""What a search compares of the runs of a subnet, and about which quantile that is. A plan promises others."""
EFFORT = Effort(runs=42, seconds=0.5, warmup=1)
Call = Callable[[], object]


class Timer:
    """Measured latency of a supernet's subnets in onnxruntime, with `threads` (None: one for each core).

    Each runs in the precision that it names, fp32 or one of the `policies`.
    """

    def __init__(self, supernet: Supernet, threads: int | None = None, policies: Mapping[str, Policy] | None = None):
        self._supernet, self._threads = supernet, threads
        self._forms = Forms(supernet, policies or {}, get_dialect("onnxruntime"))
        self._names = [task.name for task in supernet.tasks]
        self._image = np.zeros((1, supernet.architecture.height, supernet.architecture.width, 3), np.uint8)

    def __call__(
        self,
        configs: Sequence[SubnetConfig],
        effort: Effort = EFFORT,
        progress: Progress | None = None,
        keep: Callable[[SubnetConfig, Timed], None] | None = None,
    ) -> dict[SubnetConfig, Timed]:
        """Measure subnets, some at a time in turns; `progress(what, done, total)`.

        Each has `effort.seconds`, and `effort.runs` at least; the effort's spread is not looked at. `keep` is given
        each as soon as it is measured.
        """
        wanted = list(dict.fromkeys(configs))
        found: dict[SubnetConfig, Timed] = {}
        said = progress or (lambda _what, _done, _total: None)
        said("measuring latency", 0, len(wanted))
        for group, runs in self.in_turns(wanted, effort):
            pace = quickest_tenth(runs[self._supernet.space.widest])
            for config in group:
                found[config] = Timed(quickest_tenth(runs[config]), pace)
                if keep is not None:
                    keep(config, found[config])
            said("measuring latency", len(found), len(wanted))
        return found

    def in_turns(
        self, configs: Sequence[SubnetConfig], effort: Effort = EFFORT
    ) -> Iterator[tuple[Sequence[SubnetConfig], dict[SubnetConfig, list[float]]]]:
        """Group by group, milliseconds of every run of its subnets, and of the widest beside them."""
        widest = self._supernet.space.widest
        for start in range(0, len(configs), TOGETHER):
            group = configs[start : start + TOGETHER]
            beside = dict.fromkeys([widest, *group])
            calls = {str(at): self._widest if each == widest else self._call(each) for at, each in enumerate(beside)}
            # As long for all, steady or not: the pace is that of the same moments, and more runs have a quicker tenth.
            times = sample(calls, effort=replace(effort, seconds=effort.seconds * len(calls), spread=0.0))
            yield group, dict(zip(beside, times.values(), strict=True))

    @cached_property
    def _widest(self) -> Call:
        return self._call(self._supernet.space.widest)

    def memory(self, config: SubnetConfig, what: str) -> MemoryUse:
        """What a subnet takes of a fresh process; `what` it is, in words. PliantError where that cannot be measured."""
        return measure_memory(self._feed(config), self._names, self._image.shape, self._threads, what)

    def _call(self, config: SubnetConfig) -> Call:
        engine = Engine(self._feed(config), self._names, "a subnet to be timed", self._threads)
        return lambda: engine(self._image)

    def _feed(self, config: SubnetConfig) -> Feed:
        fp32 = self._forms.fp32(config, _statistics_at_hand(self._supernet, config))
        return self._forms.of(config, fp32, self._forms.unmeasured())


def quickest_tenth(times: Sequence[float]) -> float:
    """The mean of the quickest tenth of the runs, in which other work on the machine shows little."""
    return float(np.sort(times)[: max(1, len(times) // 10)].mean())


def _statistics_at_hand(supernet: Supernet, config: SubnetConfig) -> Statistics:
    norms = {name: layer for name, layer in supernet.slim_layers().items() if isinstance(layer, SlimBatchNorm2d)}
    return {name: layer.statistics_at(config, None) for name, layer in norms.items()}
