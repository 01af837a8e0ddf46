"""What a plan measures, and how long: glances here and there, proper runs near the limit, then the choice itself.

Of many subnets not all are measured. From a spread of glances the others' latency is interpolated in multiply-adds, of
each precision apart; that only says whom to measure. What may fit gets proper runs, best scores first. What ranks
above the choice and seems far over the limit is glanced at, narrowest first, unless a subnet that does nowhere more
(`narrower`) was measured far over it: then it is over it too. So every subnet above the choice is out by a measurement.

Machines are shared: what was measured while something else ran is too slow, and a glance may have been. So what other
work may have put over the limit gets one more look, and where that shows that glances were wrong they are taken anew.
A choice that rests on numbers of earlier is looked at again, shortly. How far that comes out from what was kept is
learned (`devices.repeats`), and is the room that every choice leaves under its limit. Where it is further than the
machine's repeats ever were, and stays so in a proper look, the machine is another one now: all is measured anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Literal

from ...devices.measure import Effort, Measurement, Progress
from .book import CONFIRM, GLANCE, SETTLE, TOGETHER
from .choice import Candidate
from .guessing import MEMORIES, SPREAD, seems_far, seems_large, spread, telling
from .judge import Judge

Action = Literal["glance", "settle", "confirm", "again", "check", "memory", "energy"]
_EFFORTS: dict[str, Effort] = {"settle": SETTLE, "confirm": CONFIRM, "again": CONFIRM}

# Up to so many subnets are all measured properly.
FEW = 20
# A glance that said so much more than a proper look was taken on a busy machine.
WRONG = 1.6
# Where even the quickest run is so far over the limit, no noise explains it.
HOPELESS = 10.0
# Seconds after which a choice is looked at again before it is promised.
AGED = 10.0
# A machine whose numbers come out so much further apart than usual, and at least CHANGED, is in another state.
UNUSUAL, CHANGED = 2.0, 0.25


def measure_what_decides(judge: Judge, ranked: Sequence[Candidate], progress: Progress | None) -> Judge:
    """Measure until the choice is sure: few candidates all; of many a spread, those near the limit, then the best.

    A later switch, which must not measure, chooses among what is known then: the spread is for it too. Memory, which
    takes a process each, is measured of a few and then where it may decide; energy, which takes seconds, always.
    """
    measuring = _Measuring(judge, ranked, progress)
    measuring.run()
    return measuring.judge


class _Measuring:
    """One call's measuring: what it has done so far, and what it does next."""

    def __init__(self, judge: Judge, ranked: Sequence[Candidate], progress: Progress | None):
        self.judge = judge
        self.ranked = ranked
        self.progress = progress
        self.fresh: set[str] = set()
        self.confirmed: set[str] = set()
        self.again: set[str] = set()
        self.checked: set[str] = set()
        self.glanced_anew = False
        self.begun_anew = False
        # As they were before this call, whose own repeats may be of a machine that has changed.
        self.usual = {each: judge.book.drift(each) for each in (0.5, judge.budget.quantile)}

    def run(self) -> None:
        self._few_memories()
        self._unknown_latencies()
        self._steps()
        while (easier := self.judge.easier(self.ranked)) is not self.judge:
            self.judge = easier
            self._steps()

    def _steps(self) -> None:
        while step := self._next():
            self._take(*step)

    def _known(self, candidate: Candidate) -> Measurement | None:
        return self.judge.book.latency(candidate.subnet)

    def _key(self, candidate: Candidate) -> str:
        return self.judge.book.text(candidate.subnet)

    def _open(self) -> list[Candidate]:
        """Candidates that only their latency can still rule out."""
        judge = self.judge
        return [
            one for one in self.ranked if not one.misses and not judge.memory_miss(one) and not judge.energy_miss(one)
        ]

    def _few_memories(self) -> None:
        missing = [candidate for candidate in self._open() if self.judge.lacks_memory(candidate)]
        if 0 < len(missing) <= MEMORIES:
            self._take("memory", missing)

    def _unknown_latencies(self) -> None:
        if self.judge.budget.latency_ms is None:
            return
        candidates = self._open()
        missing = [candidate for candidate in candidates if self._known(candidate) is None]
        if len(candidates) <= FEW:
            self._measure(missing, SETTLE)
        elif len(candidates) - len(missing) < SPREAD:
            self._glance([candidate for candidate in spread(candidates) if self._known(candidate) is None])

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
        if action == "check":
            self._check(group[0])
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
        looked = [self._key(candidate) in self.checked for candidate in group]
        if not self.begun_anew and any(map(self._changed, looked, before, after)):
            self._begin_anew()
            return
        if not self.glanced_anew and any(map(_was_wrong, before, after)):
            self.glanced_anew = True
            self._glance([one for one in self._open() if (known := self._known(one)) and not known.settled(0.5)])

    def _check(self, candidate: Candidate) -> None:
        """See whether what is known of a candidate still holds; where it seems not to, it is to be confirmed."""
        quantile, known = self.judge.budget.quantile, self._known(candidate)
        if self.progress:
            self.progress(f"checking {candidate.subnet.id}", 0, 1)
        found = self.judge.book.check(candidate.subnet, quantile)
        self.checked.add(self._key(candidate))
        value, now = known and known.at(quantile), found.at(quantile)
        unusual = not value or not now or abs(math.log(now / value)) > math.log1p(self.usual[quantile])
        # Over the limit is over it, however usual: of many subnets those seem to fit that were measured in luck.
        limit = self.judge.budget.latency_ms
        if unusual or (limit is not None and now is not None and now > limit):
            self.fresh.add(self._key(candidate))

    def _changed(self, looked: bool, before: Measurement | None, after: Measurement | None) -> bool:
        """Whether a proper look came out so far from what was known that the machine is another one now."""
        if not looked or before is None or after is None or not before.settled(0.5):
            return False
        if not before.p50 or not after.p50:
            return False
        usual = math.log1p(self.usual[0.5])
        return abs(math.log(after.p50 / before.p50)) > max(UNUSUAL * usual, math.log1p(CHANGED))

    def _begin_anew(self) -> None:
        self.begun_anew = True
        sure = self.confirmed | self.again
        self.judge.book.forget(one.subnet for one in self.ranked if self._key(one) not in sure)
        self._unknown_latencies()

    def _next(self) -> tuple[Action, list[Candidate]] | None:
        """What to measure next so that the walk down to the first that fits is sure; None when it is."""
        doubtful: list[Candidate] = []
        wronged: list[Candidate] = []
        far: list[Candidate] = []
        first: Candidate | None = None
        candidates = self._open()
        for candidate in candidates:
            if seems_far(candidate, candidates, self.judge):
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
            return "glance", telling(far, self.judge.book.tasks)[:TOGETHER]
        again = wronged[:TOGETHER] if first else self._quickest()
        if again and not self.again & {self._key(candidate) for candidate in again}:
            return "again", again
        return self._last_steps(first) if first else None

    def _memories(self, first: Candidate) -> list[Candidate]:
        """Whose memory to measure: some narrow and wide ones first, then what seems to fit or rules others out."""
        judge, alike = self.judge, [one for one in self.ranked if not one.misses]
        unknown = [one for one in self._open() if not judge.misses(one) and judge.lacks_memory(one)]
        if sum(judge.book.memory(one.subnet) is not None for one in alike) < MEMORIES < len(unknown):
            return spread(unknown, MEMORIES)
        if not seems_large(first, alike, judge):
            return [first]
        return telling([one for one in unknown if seems_large(one, alike, judge)], judge.book.tasks)[:1]

    def _last_steps(self, first: Candidate) -> tuple[Action, list[Candidate]] | None:
        """What is still to be known of the first that fits."""
        if self.judge.lacks_memory(first):
            return "memory", self._memories(first)
        if self.judge.lacks_energy(first):
            # Seconds each, so one by one: the best that keeps its limit is the last.
            return "energy", [first]
        key, known = self._key(first), self._known(first)
        if self.judge.budget.latency_ms is None or known is None or key in self.confirmed | self.again:
            return None
        if key in self.fresh or not known.settled(self.judge.budget.quantile):
            return "confirm", [first]
        if key not in self.checked and _aged(known):
            return "check", [first]
        return None

    def _quickest(self) -> list[Candidate]:
        """Where nothing fits: of the quickest few those that a glance, a busy machine or their age may have wronged."""
        limit = self.judge.budget.latency_ms
        if limit is None:
            return []
        known = [(one, found) for one in self._open() if (found := self._known(one))]
        known.sort(key=lambda pair: pair[1].min)
        return [one for one, found in known[:TOGETHER] if found.min <= limit * HOPELESS and self._in_doubt(one, found)]

    def _in_doubt(self, candidate: Candidate, known: Measurement) -> bool:
        rough = known.disturbed or not known.settled(self.judge.budget.quantile)
        return rough or (_aged(known) and self.judge.perhaps_by_now(candidate))


def _aged(known: Measurement) -> bool:
    # Boards without a clock of their own may have jumped back.
    return not 0.0 <= time.time() - known.taken < AGED


def _was_wrong(before: Measurement | None, after: Measurement | None) -> bool:
    """Whether a glance said much more than a proper look at the same subnet did."""
    if before is None or after is None or before.p50 is None or after.p50 is None:
        return False
    return not before.settled(0.5) and before.p50 > WRONG * after.p50
