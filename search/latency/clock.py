"""Where latencies come from: measured on this machine now, or on another one before (a device profile)."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from ...devices.fingerprint import Fingerprint, read_fingerprint
from ...devices.measure import Effort, Progress
from ...devices.profile import DeviceProfile
from ...devices.targets import match_target
from ...models.space import SearchSpace, SubnetConfig
from ...models.supernet import Supernet
from ...quantize.assignment import FP32, Assignment, may_differ, policy_of
from ...quantize.policy import Policy
from ..entries import Latency
from ..log import EvaluationLog
from ..pace import Timed, at_one_pace
from ..wording import in_words
from .profiled import profiled_latencies
from .timing import EFFORT, QUANTILE, STATISTIC, Timer

PROBES = 80
"""Subnets measured to learn from."""
Policies = Mapping[str, Policy]
NONE: Policies = MappingProxyType({})


class Clock(Protocol):
    """Measured latencies of one supernet's subnets on one device."""

    @property
    def where(self) -> str:
        """The device's name."""
        ...

    @property
    def fingerprint(self) -> Fingerprint:
        """What is known of the device."""
        ...

    def probe(self, policies: Policies = NONE) -> dict[SubnetConfig, Latency]:
        """Of subnets from all over the space, to learn from: in fp32 and, where it can, by each of the policies."""
        ...

    def confirm(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, Latency]:
        """Of those of these subnets that can be measured."""
        ...


class ThisMachine:
    """Measures now, with as many threads as are asked for (None: one for each core).

    Latencies are those of the quickest runs (timing.py), all at one pace (pace.py). `count` subnets are probed in each
    precision, with an `effort` of half a second each.
    """

    def __init__(
        self,
        supernet: Supernet,
        threads: int | None = None,
        progress: Progress | None = None,
        count: int = PROBES,
        effort: Effort = EFFORT,
    ):
        self._supernet, self._threads, self._progress, self._count = supernet, threads, progress, count
        self._effort = effort
        self._time, self._policies = Timer(supernet, threads), NONE
        self._log: EvaluationLog | None = None
        self.fingerprint = read_fingerprint()
        self.where = self.fingerprint.cpu

    def remember(self, log: EvaluationLog) -> None:
        """Keep in a log what is measured from now on, and believe what it knows of this very machine."""
        self._log = log

    def probe(self, policies: Policies = NONE) -> dict[SubnetConfig, Latency]:
        """Every pair of one width for the encoder and one for all decoders, and random subnets."""
        if policies:
            self._time, self._policies = Timer(self._supernet, self._threads, policies), policies
        return self._measured(probes(self._supernet.space, self._count, (FP32, *policies)), "probe")

    def confirm(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, Latency]:
        """All of them, anew: what a probe said earlier is not compared with what others take now."""
        return self._measured(configs, "confirm")

    def memory(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, int]:
        """Most bytes that a fresh process grows by loading and running each, a second or so each."""
        found: dict[SubnetConfig, int] = {}
        for config in configs:
            if self._progress is not None:
                self._progress("measuring memory", len(found), len(configs))
            found[config] = self._time.memory(config, in_words(config)).peak
        if self._progress is not None:
            self._progress("measuring memory", len(found), len(configs))
        return found

    def _measured(self, configs: Sequence[SubnetConfig], phase: str) -> dict[SubnetConfig, Latency]:
        known = {} if self._log is None else self._log.latencies
        found = {config: known[key] for config in configs if (key := (self._name(config, phase), config)) in known}

        def keep(config: SubnetConfig, timed: Timed) -> None:
            found[config] = timed
            if self._log is not None:
                self._log.append_latency(self._name(config, phase), config, timed)

        missing = [config for config in configs if config not in found]
        self._time(missing, self._effort, self._progress, keep)
        milliseconds = at_one_pace(found)
        return {config: Latency(milliseconds[config], "measured", self.where, QUANTILE) for config in configs}

    def _name(self, config: SubnetConfig, phase: str) -> str:
        """What a latency depends on beside widths: machine, threads, when, of which runs, what the precision means."""
        fp32 = config.precision == FP32
        policy = None if fp32 else policy_of(config.precision, self._supernet.space.tasks, self._policies)
        said = json.dumps([self.fingerprint.digest, self._threads, phase, STATISTIC, policy and policy.to_json()])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


class Profiled:
    """What a device profile knows of a supernet; BudgetError where it knows nothing."""

    def __init__(self, profile: DeviceProfile, supernet: Supernet):
        self.fingerprint = profile.fingerprint
        self.where = profile.fingerprint.board or profile.fingerprint.cpu
        self._known = profiled_latencies(profile, supernet)

    def probe(self, policies: Policies = NONE) -> dict[SubnetConfig, Latency]:
        """All of it; it knows of fp32 only."""
        return dict(self._known)

    def confirm(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, Latency]:
        """Those that it has."""
        return {config: self._known[config] for config in configs if config in self._known}


def rewarded(space: SearchSpace, fingerprint: Fingerprint) -> str | None:
    """A line where a device rewards other multiples of channels than those that widths are snapped to."""
    target = match_target(fingerprint)
    multiple = target.channel_multiple if target and "channel_multiple" not in target.our_choice else None
    if target is None or multiple is None or space.multiple % multiple == 0:
        return None
    if target.name.startswith("x86") and "avx512" not in fingerprint.isa:
        return None  # 16 are a register of AVX-512; AVX2's holds 8
    own = f"this supernet's widths are multiples of {space.multiple}"
    return (
        f"{target.name} rewards channels in multiples of {multiple}, {own}: try space.multiple {multiple} in a recipe"
    )


def probes(
    space: SearchSpace, count: int = PROBES, parts: Sequence[str] = (FP32,), seed: int = 0
) -> list[SubnetConfig]:
    """Subnets to learn from, always the same: `count` in each of the precisions, or as many as there are.

    Where there are several, also half as many with the encoder in each, and each decoder in any.
    """
    drawn = _of_all_widths(space, count, seed)
    pure = [replace(config, precision=each) for each in parts for config in drawn]
    rng = random.Random(f"assigned/{seed}")
    if not may_differ(len(space.tasks), parts):
        return pure
    mixed = (
        (config, Assignment(each, tuple(rng.choice(parts) for _ in space.tasks)))
        for each in parts
        for config in _of_all_widths(space, count // 2, seed + 1)
    )
    return list(dict.fromkeys([*pure, *(replace(config, precision=each.precision) for config, each in mixed)]))


def _of_all_widths(space: SearchSpace, count: int, seed: int) -> list[SubnetConfig]:
    """Uniform ones, then random ones."""
    rng = random.Random(f"probes/{seed}")
    uniform = [space.uniform(one, other) for one in space.encoder_widths for other in space.decoder_widths]
    found = dict.fromkeys([space.widest, space.narrowest, *uniform][:count])
    while len(found) < min(count, space.size):
        found[space.sample(rng)] = None
    return list(found)
