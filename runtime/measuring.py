"""What a plan measures, and how long: a glance at all, proper runs near the limit, then the choice itself.

Machines are shared: what was measured while something else ran is too slow, and a glance may have been. So what other
work may have put over the limit gets one more look, and where that shows that glances were wrong they are taken anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..devices.measure import Effort, Measurement, Progress
from .choice import Candidate
from .judge import Judge
from .latency import CONFIRM, GLANCE, SETTLE, TOGETHER

Action = Literal["settle", "confirm", "again", "memory"]
_EFFORTS: dict[str, Effort] = {"settle": SETTLE, "confirm": CONFIRM, "again": CONFIRM}

# Up to so many subnets are measured properly at once; of more, most get a glance first.
FEW = 20
# A glance that said so much more than a proper look was taken on a busy machine.
WRONG = 1.6
# Where even the quickest run is so far over the limit, no noise explains it.
HOPELESS = 10.0


def measure_what_decides(judge: Judge, ranked: Sequence[Candidate], progress: Progress | None) -> None:
    """Measure until the choice is sure: all candidates, then those near the limit, best scores first, then the best.

    All are measured, not only those down to the first that fits: a later switch must not measure. Only memory, which
    takes a process each, is measured from the best down where there are many.
    """
    _Measuring(judge, ranked, progress).run()


class _Measuring:
    """One call's measuring: what it has done so far, and what it does next."""

    def __init__(self, judge: Judge, ranked: Sequence[Candidate], progress: Progress | None):
        self.judge = judge
        self.ranked = ranked
        self.progress = progress
        self.fresh: set[str] = set()
        self.confirmed: set[str] = set()
        self.again: set[str] = set()
        self.glanced_anew = False

    def run(self) -> None:
        self._few_memories()
        self._unknown_latencies()
        while step := self._next():
            self._take(*step)

    def _known(self, candidate: Candidate) -> Measurement | None:
        return self.judge.book.latency(candidate.subnet)

    def _key(self, candidate: Candidate) -> str:
        return self.judge.book.key(candidate.subnet).text

    def _open(self) -> list[Candidate]:
        """Candidates that only their latency can still rule out."""
        return [one for one in self.ranked if not one.misses and not self.judge.memory_miss(one)]

    def _few_memories(self) -> None:
        missing = [candidate for candidate in self._open() if self.judge.lacks_memory(candidate)]
        if 0 < len(missing) <= FEW:
            self._take("memory", missing)

    def _unknown_latencies(self) -> None:
        if self.judge.budget.latency_ms is None:
            return
        missing = [candidate for candidate in self._open() if self._known(candidate) is None]
        if len(missing) <= FEW:
            self._measure(missing, SETTLE)
        else:
            self._glance(missing)

    def _glance(self, group: Sequence[Candidate]) -> None:
        # Steered by the median: a glance shall be short whatever quantile is asked for.
        self._measure(group, GLANCE, 0.5)

    def _measure(self, group: Sequence[Candidate], effort: Effort, quantile: float | None = None) -> None:
        subnets = [candidate.subnet for candidate in group]
        self.judge.book.measure(subnets, quantile or self.judge.budget.quantile, effort, self.progress)
        self.fresh |= {self._key(candidate) for candidate in group}

    def _take(self, action: Action, group: Sequence[Candidate]) -> None:
        if action == "memory":
            self.judge.book.measure_memory([candidate.subnet for candidate in group], self.progress)
            return
        before = [self._known(candidate) for candidate in group]
        self._measure(group, _EFFORTS[action])
        if action == "confirm":
            self.confirmed |= {self._key(candidate) for candidate in group}
        if action == "again":
            self.again |= {self._key(candidate) for candidate in group}
        after = [self._known(candidate) for candidate in group]
        if not self.glanced_anew and any(map(_was_wrong, before, after)):
            self.glanced_anew = True
            self._glance([one for one in self._open() if (known := self._known(one)) and not known.settled(0.5)])

    def _next(self) -> tuple[Action, list[Candidate]] | None:
        """What to measure next so that the walk down to the first that fits is sure; None when it is."""
        doubtful: list[Candidate] = []
        wronged: list[Candidate] = []
        first: Candidate | None = None
        for candidate in self._open():
            # Before a glance rejects one that is near the limit, it gets a proper look.
            if self.judge.doubtful(candidate):
                doubtful.append(candidate)
            elif self.judge.perhaps_wronged(candidate):
                wronged.append(candidate)
            elif not self.judge.misses(candidate):
                first = candidate
                break
        if doubtful:
            return "settle", doubtful[:TOGETHER]
        again = wronged[:TOGETHER] if first else self._quickest()
        if again and not self.again & {self._key(candidate) for candidate in again}:
            return "again", again
        return self._last_steps(first) if first else None

    def _last_steps(self, first: Candidate) -> tuple[Action, list[Candidate]] | None:
        """What is still to be known of the first that fits."""
        if self.judge.lacks_memory(first):
            rest = [one for one in self._open() if not self.judge.misses(one) and self.judge.lacks_memory(one)]
            return "memory", rest[:TOGETHER]
        key, known = self._key(first), self._known(first)
        if self.judge.budget.latency_ms is None or known is None or key in self.confirmed | self.again:
            return None
        if key in self.fresh or not known.settled(self.judge.budget.quantile):
            return "confirm", [first]
        return None

    def _quickest(self) -> list[Candidate]:
        """Where nothing fits: those of the quickest few that a glance or a busy machine may have put over the limit."""
        limit = self.judge.budget.latency_ms
        if limit is None:
            return []
        known = [(found.min, one) for one in self._open() if (found := self._known(one))]
        known.sort(key=lambda pair: pair[0])
        return [
            one
            for quickest, one in known[:TOGETHER]
            if quickest <= limit * HOPELESS
            and (found := self._known(one))
            and (found.disturbed or not found.settled(self.judge.budget.quantile))
        ]


def _was_wrong(before: Measurement | None, after: Measurement | None) -> bool:
    """Whether a glance said much more than a proper look at the same subnet did."""
    if before is None or after is None or before.p50 is None or after.p50 is None:
        return False
    return not before.settled(0.5) and before.p50 > WRONG * after.p50
