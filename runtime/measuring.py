"""What a plan measures, and how long: glances here and there, proper runs near the limit, then the choice itself.

Of many subnets not all are measured. From a spread of glances the others' latency is interpolated in multiply-adds, of
each precision apart; that only says whom to measure. What may fit gets proper runs, best scores first. What ranks
above the choice and seems far over the limit is glanced at, narrowest first, unless a subnet that does nowhere more
(`narrower`) was measured far over it: then it is over it too. So every subnet above the choice is out by a measurement.

Machines are shared: what was measured while something else ran is too slow, and a glance may have been. So what other
work may have put over the limit gets one more look, and where that shows that glances were wrong they are taken anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..devices.measure import Effort, Measurement, Progress
from .choice import Candidate, narrower
from .judge import OVER, Judge
from .latency import CONFIRM, GLANCE, SETTLE, TOGETHER

Action = Literal["glance", "settle", "confirm", "again", "memory", "energy"]
_EFFORTS: dict[str, Effort] = {"settle": SETTLE, "confirm": CONFIRM, "again": CONFIRM}

# Up to so many subnets are all measured properly; of more, so many get a glance first, narrow and wide ones.
FEW, SPREAD = 20, 12
# A glance that said so much more than a proper look was taken on a busy machine.
WRONG = 1.6
# Where even the quickest run is so far over the limit, no noise explains it.
HOPELESS = 10.0


def measure_what_decides(judge: Judge, ranked: Sequence[Candidate], progress: Progress | None) -> None:
    """Measure until the choice is sure: few candidates all; of many a spread, those near the limit, then the best.

    A later switch, which must not measure, chooses among what is known then: the spread is for it too. Memory, which
    takes a process each, is measured from the best down where there are many; energy, which takes seconds, always.
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
        judge = self.judge
        return [
            one for one in self.ranked if not one.misses and not judge.memory_miss(one) and not judge.energy_miss(one)
        ]

    def _few_memories(self) -> None:
        missing = [candidate for candidate in self._open() if self.judge.lacks_memory(candidate)]
        if 0 < len(missing) <= FEW:
            self._take("memory", missing)

    def _unknown_latencies(self) -> None:
        if self.judge.budget.latency_ms is None:
            return
        candidates = self._open()
        missing = [candidate for candidate in candidates if self._known(candidate) is None]
        if len(candidates) <= FEW:
            self._measure(missing, SETTLE)
        elif len(candidates) - len(missing) < SPREAD:
            self._glance([candidate for candidate in _spread(candidates) if self._known(candidate) is None])

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
        if action == "energy":
            self.judge.book.measure_energy([candidate.subnet for candidate in group], self.progress)
            return
        if action == "glance":
            self._glance(group)
            return
        before = [self._known(candidate) for candidate in group]
        unsettled = [one for one in group if not ((known := self._known(one)) and known.settled(0.5))]
        if action == "settle" and unsettled:
            # High quantiles take many runs: most subnets are out by their median.
            self._measure(unsettled, SETTLE, 0.5)
        else:
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
        far: list[Candidate] = []
        first: Candidate | None = None
        for candidate in self._open():
            if self._seems_far(candidate):
                far.append(candidate)
            # Before a glance rejects one that is near the limit, it gets a proper look.
            elif self.judge.doubtful(candidate):
                doubtful.append(candidate)
            elif self.judge.perhaps_wronged(candidate):
                wronged.append(candidate)
            elif not self.judge.misses(candidate):
                first = candidate
                break
        if doubtful:
            return "settle", doubtful[:TOGETHER]
        if far:
            return "glance", self._telling(far)
        again = wronged[:TOGETHER] if first else self._quickest()
        if again and not self.again & {self._key(candidate) for candidate in again}:
            return "again", again
        return self._last_steps(first) if first else None

    def _seems_far(self, candidate: Candidate) -> bool:
        """Whether a candidate that is neither measured nor ruled out would, by its like, be far over the limit."""
        limit = self.judge.budget.latency_ms
        if limit is None or self._known(candidate) is not None or self.judge.beyond(candidate):
            return False
        return self._guess(candidate) > limit * OVER

    def _guess(self, candidate: Candidate) -> float:
        """Milliseconds of the quickest run, between those of measured subnets of this precision; 0 without any."""
        like = [one for one in self._open() if one.subnet.precision == candidate.subnet.precision]
        known = sorted((one.macs, found.min) for one in like if (found := self._known(one)))
        if not known:
            return 0.0
        macs, times = zip(*known, strict=True)
        return float(np.interp(candidate.macs, macs, np.maximum.accumulate(times)))

    def _telling(self, far: Sequence[Candidate]) -> list[Candidate]:
        """Those that may rule others out: nobody among them does nowhere more than they do."""
        tasks = self.judge.book.tasks
        least: list[Candidate] = []
        for candidate in sorted(far, key=lambda one: one.macs):
            if not any(narrower(one.subnet, candidate.subnet, tasks) for one in least):
                least.append(candidate)
        return least[:TOGETHER]

    def _last_steps(self, first: Candidate) -> tuple[Action, list[Candidate]] | None:
        """What is still to be known of the first that fits."""
        if self.judge.lacks_memory(first):
            rest = [one for one in self._open() if not self.judge.misses(one) and self.judge.lacks_memory(one)]
            return "memory", rest[:TOGETHER]
        if self.judge.lacks_energy(first):
            # Seconds each, so one by one: the best that keeps its limit is the last.
            return "energy", [first]
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


def _spread(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Some of each precision, from the fewest multiply-adds to the most."""
    found: list[Candidate] = []
    precisions = sorted({candidate.subnet.precision for candidate in candidates})
    for precision in precisions:
        like = [candidate for candidate in candidates if candidate.subnet.precision == precision]
        like.sort(key=lambda candidate: candidate.macs)
        places = np.linspace(0, len(like) - 1, max(2, SPREAD // len(precisions))).round().astype(int)
        found += [like[place] for place in dict.fromkeys(places.tolist())]
    return found


def _was_wrong(before: Measurement | None, after: Measurement | None) -> bool:
    """Whether a glance said much more than a proper look at the same subnet did."""
    if before is None or after is None or before.p50 is None or after.p50 is None:
        return False
    return not before.settled(0.5) and before.p50 > WRONG * after.p50
