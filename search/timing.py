"""How long subnets take on this machine, before there is a suite: through the sessions that a suite's would be.

A subnet's graph depends on its widths alone, so the statistics that stand in it are just those at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..devices.dialect import get_dialect
from ..devices.measure import Effort, Measurement, Progress, measure
from ..export.engine import Engine
from ..export.forms import Forms
from ..models.norm import SlimBatchNorm2d
from ..models.setting import Statistics
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from ..quantize.policy import Policy

TOGETHER = 8
"""Subnets timed in turns."""
QUANTILE = 0.1
"""What a search compares: a low one, which other work on the machine disturbs least. A plan promises others."""
EFFORT = Effort(runs=42, spread=0.02, seconds=0.5, warmup=1)


class Timer:
    """Measured latency of a supernet's subnets in onnxruntime, with `threads` (None: one for each core).

    Each runs in the precision that it names, fp32 or one of the `policies`.
    """

    def __init__(self, supernet: Supernet, threads: int | None = None, policies: Mapping[str, Policy] | None = None):
        self._supernet, self._threads = supernet, threads
        self._forms = Forms(supernet, policies or {}, get_dialect("onnxruntime"))
        self._image = np.zeros((1, supernet.architecture.height, supernet.architecture.width, 3), np.uint8)

    def __call__(
        self,
        configs: Sequence[SubnetConfig],
        effort: Effort = EFFORT,
        progress: Progress | None = None,
        keep: Callable[[SubnetConfig, Measurement], None] | None = None,
    ) -> dict[SubnetConfig, Measurement]:
        """Measure subnets, some at a time in turns; `effort.seconds` is for each, `progress(what, done, total)`.

        `keep` is given each as soon as it is measured.
        """
        wanted = list(dict.fromkeys(configs))
        found: dict[SubnetConfig, Measurement] = {}
        for start in range(0, len(wanted), TOGETHER):
            if progress is not None:
                progress("measuring latency", start, len(wanted))
            group = {str(index): config for index, config in enumerate(wanted[start : start + TOGETHER])}
            calls = {name: self._call(config) for name, config in group.items()}
            times = measure(calls, quantile=QUANTILE, effort=replace(effort, seconds=effort.seconds * len(group)))
            for name, each in times.items():
                found[group[name]] = each
                if keep is not None:
                    keep(group[name], each)
        return found

    def _call(self, config: SubnetConfig) -> Callable[[], object]:
        fp32 = self._forms.fp32(config, _statistics_at_hand(self._supernet, config))
        feed = self._forms.of(config, fp32, self._forms.unmeasured())
        names = [task.name for task in self._supernet.tasks]
        engine = Engine(feed, names, "a subnet to be timed", self._threads)
        return lambda: engine(self._image)


def _statistics_at_hand(supernet: Supernet, config: SubnetConfig) -> Statistics:
    norms = {name: layer for name, layer in supernet.slim_layers().items() if isinstance(layer, SlimBatchNorm2d)}
    return {name: layer.statistics_at(config, None) for name, layer in norms.items()}
