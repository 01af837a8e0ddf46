"""The choice by brute force, from DESIGN's formula and the kept profile alone: none of the planner's own code.

What was not measured is out where a subnet of its precision that is nowhere wider was measured over a limit. A
latency leaves as much room under the limit as 24 of the 25 repeats of the profile that are nearest differ by, or half
its own spread, and memory 10 %; where no subnet leaves that, memory does without, or else latency, or both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pliant.devices.measure import Measurement
from pliant.devices.profile import MemoryUse
from pliant.devices.repeats import Repeat
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.suite import Suite

from .requests import Request


@dataclass(frozen=True)
class Known:
    """What the profile says of subnets: `latency` and `memory` give None where nothing was measured.

    `roomy` are the limits under which room is to be left: of latency that of repeats, of memory that of peaks.
    """

    latency: Callable[[SubnetInfo], Measurement | None]
    memory: Callable[[SubnetInfo], MemoryUse | None]
    repeats: Sequence[Repeat] = ()
    roomy: frozenset[str] = frozenset({"latency", "memory"})


@dataclass(frozen=True)
class Truth:
    """The subnet to choose (None: none fits), and better ones of which the profile does not say that they miss."""

    best: str | None
    unproven: tuple[str, ...]


def order(suite: Suite, request: Request) -> list[SubnetInfo]:
    """Best first: the largest sum over tasks of w q / q(widest), errors inverted, ties to the cheaper."""
    full = [each for each in suite.subnets if each.precision == "fp32"] or suite.subnets
    reference = max(full, key=lambda each: each.macs)

    def place(subnet: SubnetInfo) -> tuple[float, int, int]:
        total = 0.0
        for task in request.names(suite):
            ours, full = subnet.quality[task], reference.quality[task]
            ratio = ours.value / full.value if ours.higher_is_better else full.value / ours.value
            total += request.prefer.get(task, 1.0) * ratio
        cost = subnet.cost(request.tasks)
        return -total, cost.macs, cost.bytes

    return sorted(suite.subnets, key=place)


def fits(suite: Suite, subnet: SubnetInfo, request: Request, known: Known) -> bool | None:
    """Whether a subnet keeps every limit; None where that is not known."""
    for task, floor in request.floors.items():
        quality = subnet.quality[task]
        if quality.value < floor if quality.higher_is_better else quality.value > floor:
            return False
    answers = (_in_memory(suite, subnet, request, known), _in_time(suite, subnet, request, known))
    return False if False in answers else None if None in answers else True


def _in_memory(suite: Suite, subnet: SubnetInfo, request: Request, known: Known) -> bool | None:
    if request.memory_bytes is None:
        return True
    use = known.memory(subnet)
    if use is not None:
        return use.peak * (1.1 if "memory" in known.roomy else 1.0) <= request.memory_bytes
    large = (each for each in suite.subnets if (its := known.memory(each)) and its.peak > request.memory_bytes)
    if any(_nowhere_wider(each, subnet, request.names(suite)) for each in large):
        return False
    return False if subnet.cost(request.tasks).bytes > request.memory_bytes else None


def _in_time(suite: Suite, subnet: SubnetInfo, request: Request, known: Known) -> bool | None:
    found = known.latency(subnet)
    if found is None:
        slow = (each for each in suite.subnets if (time := known.latency(each)) and time.min > request.latency_ms)
        return False if any(_nowhere_wider(each, subnet, request.names(suite)) for each in slow) else None
    value = found.at(request.quantile)
    if value is not None:
        return value * (1.0 + _room(found, request, known)) <= request.latency_ms
    return False if found.at_least(request.quantile) > request.latency_ms else None


def _room(found: Measurement, request: Request, known: Known) -> float:
    if "latency" not in known.roomy:
        return 0.0
    value = found.at(request.quantile)
    like = [each for each in known.repeats if each.quantile == request.quantile]
    if value is not None:
        like.sort(key=lambda each: abs(math.log(each.latency / value)) if each.latency else math.inf)
        like = like[:25]
    ratios = [each.ratio for each in like]
    apart = sorted(max(ratio, 1.0 / ratio) - 1.0 for ratio in ratios)
    drift = apart[math.ceil(0.96 * len(apart)) - 1] if len(apart) >= 10 else max([0.08, *apart])
    own = found.spread / 2.0 if found.quantile == request.quantile and found.settled(found.quantile) else 0.0
    return min(max(drift, own), 0.5)


def _nowhere_wider(one: SubnetInfo, other: SubnetInfo, tasks: tuple[str, ...]) -> bool:
    ours = [*one.widths.encoder, one.encoder.macs, *(one.decoders[task].macs for task in tasks)]
    theirs = [*other.widths.encoder, other.encoder.macs, *(other.decoders[task].macs for task in tasks)]
    return one.precision == other.precision and all(a <= b for a, b in zip(ours, theirs, strict=True))


def best(suite: Suite, request: Request, known: Known) -> Truth:
    """Walk from the best down to the first that is known to fit, with room or, where none is left by any, with less."""
    found = Truth(None, ())
    for less in (set(), {"memory"}, {"latency"}, {"latency", "memory"}):
        found = _best(suite, request, replace(known, roomy=known.roomy - less))
        if found.best is not None:
            break
    return found


def _best(suite: Suite, request: Request, known: Known) -> Truth:
    unproven: list[str] = []
    for subnet in order(suite, request):
        answer = fits(suite, subnet, request, known)
        if answer:
            return Truth(subnet.id, tuple(unproven))
        if answer is None:
            unproven.append(subnet.id)
    return Truth(None, tuple(unproven))
