"""Whom to measure of many subnets: a spread of each precision, then those that their like put near a limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .choice import Candidate, narrower
from .judge import OVER, Judge

# Of many subnets so many get a glance first, narrow and wide ones.
SPREAD = 12


def spread(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Some of each precision, from the fewest multiply-adds to the most."""
    found: list[Candidate] = []
    precisions = sorted({candidate.subnet.precision for candidate in candidates})
    for precision in precisions:
        like = [candidate for candidate in candidates if candidate.subnet.precision == precision]
        like.sort(key=lambda candidate: candidate.macs)
        places = np.linspace(0, len(like) - 1, max(2, SPREAD // len(precisions))).round().astype(int)
        found += [like[place] for place in dict.fromkeys(places.tolist())]
    return found


def seems_far(candidate: Candidate, others: Sequence[Candidate], judge: Judge) -> bool:
    """Whether a candidate that is neither measured nor ruled out would, by its like, be far over the limit."""
    limit = judge.budget.latency_ms
    if limit is None or judge.book.latency(candidate.subnet) is not None or judge.beyond(candidate):
        return False
    return _guess(candidate, others, judge) > limit * OVER


def _guess(candidate: Candidate, others: Sequence[Candidate], judge: Judge) -> float:
    """Milliseconds of the quickest run, between those of measured subnets of this precision; 0 without any."""
    like = [one for one in others if one.subnet.precision == candidate.subnet.precision]
    known = sorted((one.macs, found.min) for one in like if (found := judge.book.latency(one.subnet)))
    if not known:
        return 0.0
    macs, times = zip(*known, strict=True)
    return float(np.interp(candidate.macs, macs, np.maximum.accumulate(times)))


def telling(far: Sequence[Candidate], tasks: Sequence[str]) -> list[Candidate]:
    """Those that may rule others out: nobody among them does nowhere more than they do."""
    least: list[Candidate] = []
    for candidate in sorted(far, key=lambda one: one.macs):
        if not any(narrower(one.subnet, candidate.subnet, tasks) for one in least):
            least.append(candidate)
    return least
