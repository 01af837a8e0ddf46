"""The demo's budgets: what every subnet takes here, three budgets between the ends, and where a preference tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from .progress import progress_bar

if TYPE_CHECKING:
    from ..runtime.format.manifest import SubnetInfo
    from ..runtime.planning.choice import Candidate
    from ..runtime.planning.plan import Plan
    from ..runtime.suite import Suite

# Networks of a millisecond gain little from a second thread, and on shared machines it makes them jump between speeds.
THREADS = 1
# How much more a preferred task counts, and the two tasks that are played against each other.
WEIGHT = 4.0
RIVALS = ("depth", "segmentation")

Latencies = Mapping[str, float]
"""Median milliseconds by subnet id."""


def measure_all(suite: Suite) -> dict[str, float]:
    """Median latency of every subnet, measured now."""
    from ..runtime.planning.book import Book
    from ..runtime.planning.profiling import profile_suite

    with progress_bar() as report:
        found = profile_suite(suite, threads=THREADS, memory=False, progress=report)
    book = Book(suite, tuple(suite.tasks), threads=THREADS)
    medians = {subnet.id: found.latency[book.key(subnet).text].at(0.5) for subnet in suite.subnets}
    return {name: value for name, value in medians.items() if value is not None}


def three_plans(suite: Suite, latency: Latencies) -> dict[str, Plan]:
    """Tight is just over the fastest subnet, generous just over the best one, middle their geometric mean.

    The best is rarely the slowest: the widest in int8 may be as good as in fp32 in half the time.
    """
    best = _ranked(suite, {})[0].subnet
    tight, generous = 1.1 * min(latency.values()), 1.1 * latency[best.id]
    budgets = {"tight": tight, "middle": math.sqrt(tight * generous), "generous": generous}
    return {name: _plan(suite, rounded_up(value, 2)) for name, value in budgets.items()}


def preferring(suite: Suite, latency: Latencies) -> dict[str, Plan]:
    """At one budget the plan without a preference and those that prefer each rival."""
    limit = rounded_up(telling_budget(suite, latency), 3)
    return {"nothing": _plan(suite, limit), **{task: _plan(suite, limit, {task: WEIGHT}) for task in RIVALS}}


def telling_budget(suite: Suite, latency: Latencies) -> float:
    """The budget at which preferring one rival or the other makes the greatest difference to both."""
    limits = sorted(latency.values())
    middles = [math.sqrt(low * high) for low, high in pairwise(limits)]
    ranked = {task: _ranked(suite, {task: WEIGHT}) for task in RIVALS}

    def difference(limit: float) -> float:
        chosen = {task: _best(ranked[task], latency, limit) for task in RIVALS}
        return min(_relative(suite, chosen[t], t) - _relative(suite, chosen[other], t) for t, other in _pairs())

    return max(middles or limits, key=difference)


def rounded_up(value: float, digits: int) -> float:
    """So many significant digits, never less than the value."""
    scale = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(value / scale - 1e-9) * scale:.6g}")


def _plan(suite: Suite, limit: float, prefer: dict[str, float] | None = None) -> Plan:
    # By what was just measured: on a restless machine a second look might refuse what the first has shown.
    return suite.plan(latency=f"{limit:g} ms", prefer=prefer, threads=THREADS, measure="known")


def _ranked(suite: Suite, prefer: dict[str, float]) -> list[Candidate]:
    from ..runtime.planning.budget import make_budget
    from ..runtime.planning.choice import rank

    return rank(suite.subnets, tuple(suite.tasks), make_budget(suite.tasks, prefer=prefer))


def _best(ranked: Sequence[Candidate], latency: Latencies, limit: float) -> SubnetInfo:
    return next(each.subnet for each in ranked if latency[each.subnet.id] <= limit)


def _relative(suite: Suite, subnet: SubnetInfo, task: str) -> float:
    from ..runtime.planning.choice import relative

    return relative(subnet.quality[task], suite.widest.quality[task])


def _pairs() -> tuple[tuple[str, str], ...]:
    first, second = RIVALS
    return (first, second), (second, first)
