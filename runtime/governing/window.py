"""The calls of the last seconds, and whether they miss a latency: counted, so that a hiccup is no miss."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ...devices.measure import runs_needed

# A second of calls that are all too slow is what any quantile bears: a window at p50 is 2 s long, one at p95 20 s.
SLACK_S = 1.0
LEAST_CALLS = 10
# More calls than this in a window are thinned out evenly.
KEPT = 2000
# Standard deviations of a binomial: more calls over the limit than chance makes of a quantile that just keeps it.
_SURE = 3.0
# So many times the usual time between calls is a pause, after which the window begins anew.
_PAUSE = 5.0

Call = tuple[float, float]
"""When it began, in seconds of any clock, and how many milliseconds it took."""


@dataclass(frozen=True)
class WindowStats:
    """A window in numbers: calls, the seconds that they span, their latency at the quantile (None for too few), and
    the share of them over the target.
    """

    calls: int
    seconds: float
    latency_ms: float | None
    over: float


class Window:
    """Calls of one subnet, held against a target in milliseconds at a quantile; `seconds` is how far it reaches back.

    Calls that are rare are kept for longer, until there are enough to tell.
    """

    def __init__(self, target_ms: float, quantile: float, now: float):
        self.target_ms, self.quantile = target_ms, quantile
        self.seconds = SLACK_S / (1.0 - quantile)
        # Fewer could not tell this quantile, nor be over the target more often than by chance.
        sure = math.ceil(_SURE**2 * (1.0 - quantile) / quantile) + 1
        self._least = max(LEAST_CALLS, runs_needed(quantile), sure)
        self._calls: deque[Call] = deque()
        self.clear(now)

    def clear(self, now: float) -> None:
        """Begin anew."""
        self._calls.clear()
        self.since = self._added = now

    def add(self, calls: Sequence[Call], now: float) -> None:
        """Add calls, oldest first, and let go of those that are too old."""
        if calls and self._paused(calls[0][0]):
            self.clear(calls[0][0])
        room = max(1, math.ceil(KEPT * (now - self._added) / self.seconds))
        self._calls.extend(calls[:: math.ceil(len(calls) / room) or 1])
        self._added = now
        while len(self._calls) > self._least and self._calls[0][0] < now - self.seconds:
            self._calls.popleft()

    def _paused(self, when: float) -> bool:
        if len(self._calls) < LEAST_CALLS:
            return False
        first, last = self._calls[0][0], self._calls[-1][0]
        usual = (last - first) / (len(self._calls) - 1)
        return when - last > max(self.seconds, _PAUSE * usual)

    def over(self) -> list[float]:
        """The milliseconds of the calls that took longer than the target, sorted."""
        return sorted(took for _, took in self._calls if took > self.target_ms)

    def missing(self, now: float) -> bool:
        """Whether the target is missed for good: too many calls over it, also if the rest of the window had none."""
        calls = len(self._calls)
        if calls < LEAST_CALLS:
            return False
        full = calls * max(1.0, self.seconds / max(now - self.since, 1e-9))
        share = 1.0 - self.quantile
        return len(self.over()) > share * full + _SURE * math.sqrt(full * share * self.quantile)

    def latency(self) -> float | None:
        """Milliseconds at the quantile, or None where there are too few calls to tell."""
        times = sorted(took for _, took in self._calls)
        if len(times) < self._least:
            return None
        return times[min(int(len(times) * self.quantile), len(times) - 1)]

    def __len__(self) -> int:
        return len(self._calls)

    def span(self, now: float) -> float:
        """Seconds from the oldest call until now."""
        return now - self._calls[0][0] if self._calls else 0.0

    def stats(self, now: float) -> WindowStats:
        """The window in numbers."""
        calls = len(self._calls)
        return WindowStats(calls, self.span(now), self.latency(), len(self.over()) / calls if calls else 0.0)
