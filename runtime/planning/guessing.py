"""Whom to measure of many subnets: a spread of each precision, then those that their like put near a limit.

What is not measured is guessed between its like, latency by multiply-adds and memory by bytes; that only says whom to
measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .choice import Candidate, narrower
from .judge import LARGER, OVER, Judge

# Of many subnets so many get a glance first, narrow and wide ones; of so many the memory, which takes a second each.
SPREAD, MEMORIES = 12, 6


def spread(candidates: Sequence[Candidate], count: int = SPREAD) -> list[Candidate]:
    """Some of each precision, from the fewest multiply-adds to the most."""
    found: list[Candidate] = []
    precisions = sorted({candidate.subnet.precision for candidate in candidates})
    for precision in precisions:
        like = [candidate for candidate in candidates if candidate.subnet.precision == precision]
        like.sort(key=lambda candidate: candidate.macs)
        places = np.linspace(0, len(like) - 1, max(2, count // len(precisions))).round().astype(int)
        found += [like[place] for place in dict.fromkeys(places.tolist())]
    return found


def seems_far(candidate: Candidate, others: Sequence[Candidate], judge: Judge) -> bool:
    """Whether a candidate that is neither measured nor ruled out would, by its like, be far over the limit."""
    limit = judge.budget.latency_ms
    if limit is None or judge.book.latency(candidate.subnet) is not None or judge.beyond(candidate):
        return False
    known = [
        (one.macs, time.min) for one in others if _like(one, candidate) and (time := judge.book.latency(one.subnet))
    ]
    return _between(known, candidate.macs) > limit * OVER


def seems_large(candidate: Candidate, others: Sequence[Candidate], judge: Judge) -> bool:
    """Whether a candidate whose memory was not measured would, by its like, be over the limit."""
    limit = judge.budget.memory_bytes
    if limit is None:
        return False
    known = [
        (one.bytes, use.peak) for one in others if _like(one, candidate) and (use := judge.book.memory(one.subnet))
    ]
    return _between(known, candidate.bytes) * (1.0 + judge.memory_room) > limit * LARGER


def _like(one: Candidate, other: Candidate) -> bool:
    return one.subnet.precision == other.subnet.precision


def _between(known: Sequence[tuple[float, float]], at: float) -> float:
    """The value at a place between those that are known, growing with it; 0 without any."""
    if not known:
        return 0.0
    places, values = zip(*sorted(known), strict=True)
    return float(np.interp(at, places, np.maximum.accumulate(values)))


def telling(far: Sequence[Candidate], tasks: Sequence[str]) -> list[Candidate]:
    """Those that may rule others out: nobody among them does nowhere more than they do."""
    least: list[Candidate] = []
    for candidate in sorted(far, key=lambda one: one.macs):
        if not any(narrower(one.subnet, candidate.subnet, tasks) for one in least):
            least.append(candidate)
    return least
