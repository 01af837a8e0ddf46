"""The ladder that a governor steps on: subnets worth running here, by what they took here, quickest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .choice import Candidate
    from .judge import Judge


@dataclass(frozen=True)
class Rung:
    """A subnet by its id, its milliseconds at the budget's quantile as profiled here, and its score."""

    id: str
    latency_ms: float
    score: float


def measured_rungs(chosen: Candidate, ranked: Sequence[Candidate], judge: Judge) -> tuple[Rung, ...]:
    """The candidates that keep every limit but that of latency, as far as they were measured.

    Most have had a glance only, which tells a median: others of its quantiles are the median times the tail of the
    chosen subnet. Where memory or energy is limited, what was not measured counts as keeping it if it is cheaper than
    the chosen.
    """
    known = judge.book.latency(chosen.subnet)
    value = judge.latency(chosen)
    if judge.budget.latency_ms is None or known is None or known.p50 is None or value is None:
        return ()
    found = []
    for candidate in ranked:
        if candidate.misses or judge.memory_miss(candidate) or judge.energy_miss(candidate):
            continue
        unmeasured = judge.lacks_memory(candidate) or judge.lacks_energy(candidate)
        if unmeasured and (candidate.macs > chosen.macs or candidate.bytes > chosen.bytes):
            continue
        times = judge.book.latency(candidate.subnet)
        if times is not None and times.p50 is not None:
            latency = times.at(judge.budget.quantile) or times.p50 * value / known.p50
            found.append(Rung(candidate.subnet.id, latency, candidate.score))
    return tuple(found)


def efficient(rungs: Iterable[Rung], keep: str) -> tuple[Rung, ...]:
    """Those that no quicker one equals in score, quickest first; the one called `keep` stays in any case."""
    front: list[Rung] = []
    best = float("-inf")
    for rung in sorted(rungs, key=lambda rung: (rung.latency_ms, -rung.score)):
        if rung.score > best or rung.id == keep:
            front.append(rung)
        best = max(best, rung.score)
    return tuple(front)
