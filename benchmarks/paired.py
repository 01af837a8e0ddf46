"""Two callables timed in turns: what disturbs the machine for longer than a pair disturbs both alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6


def paired(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> dict[str, float]:
    """Medians of both and of the paired ratio, with the ratio's quartiles; the order alternates."""
    for call in (ours, theirs, ours, theirs):
        call()
    pairs = []
    for index in range(runs):
        if index % 2:
            other = timed(theirs)
            pairs.append((timed(ours), other))
        else:
            pairs.append((timed(ours), timed(theirs)))
    times = np.array(pairs)
    low, middle, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    ours_ms, theirs_ms = np.median(times, 0)
    difference = float(np.median(times[:, 0] - times[:, 1])) * 1000
    values = {"ours_ms": ours_ms, "theirs_ms": theirs_ms, "ratio": middle, "ratio_p25": low, "ratio_p75": high}
    return {**{name: float(value) for name, value in values.items()}, "difference_us": difference}
