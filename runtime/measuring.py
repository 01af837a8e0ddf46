"""Which subnets a plan measures, and how long: a glance at all, proper runs near the limit, then the choice itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..devices.measure import Progress
from .budget import LATENCY, Budget, format_bytes
from .choice import Candidate, Miss, over
from .latency import CONFIRM, GLANCE, SETTLE, TOGETHER, Book

Action = Literal["settle", "confirm", "again", "memory", "done"]

# Up to so many subnets are measured properly at once; of more, most get a glance first.
FEW = 20
# A glance is believed when even its quickest run is so far over the limit (noise only adds), or its value so far under.
OVER, UNDER = 1.25, 1.5
# On a quiet machine the median is about so many times the quickest run.
QUIET = 1.1


@dataclass(frozen=True)
class Judge:
    """Holds candidates against a budget, by what `book` knows of them."""

    budget: Budget
    book: Book
    _confirmed: set[str] = field(default_factory=set, compare=False)
    _fresh: set[str] = field(default_factory=set, compare=False)
    _again: set[str] = field(default_factory=set, compare=False)

    def misses(self, candidate: Candidate) -> tuple[Miss, ...]:
        """Every limit that a candidate is known to break."""
        return (*candidate.misses, *self.memory_miss(candidate), *self._latency_miss(candidate))

    def unknown(self, candidate: Candidate) -> tuple[str, ...]:
        """Limits of which it is not known whether the candidate keeps them."""
        limits = []
        if self.lacks_memory(candidate):
            limits.append("memory")
        if self.budget.latency_ms is not None and self.latency(candidate) is None:
            limits.append("latency")
        return tuple(limits)

    def lacks_memory(self, candidate: Candidate) -> bool:
        """Whether memory is limited and this candidate's was not measured."""
        return self.budget.memory_bytes is not None and self.book.memory(candidate.subnet) is None

    def latency(self, candidate: Candidate) -> float | None:
        """Milliseconds at the budget's quantile, or None where that was not measured."""
        found = self.book.latency(candidate.subnet)
        return found.at(self.budget.quantile) if found else None

    def _latency_miss(self, candidate: Candidate) -> tuple[Miss, ...]:
        limit, found = self.budget.latency_ms, self.book.latency(candidate.subnet)
        if limit is None or found is None:
            return ()
        value = found.at(self.budget.quantile)
        # Without enough runs for the quantile, what it certainly reaches can still be too much.
        known = found.at_least(self.budget.quantile) if value is None else value
        if known <= limit:
            return ()
        prefix = "at least " if value is None else ""
        at = f"{prefix}{LATENCY.format(known)} at p{self.budget.quantile * 100:g}"
        return (over("latency", known, limit, at, LATENCY.format(limit)),)

    def memory_miss(self, candidate: Candidate) -> tuple[Miss, ...]:
        """The memory limit, if the candidate is known to break it."""
        limit, use = self.budget.memory_bytes, self.book.memory(candidate.subnet)
        if limit is None:
            return ()
        if use is not None:
            known, shown = use.peak, format_bytes(use.peak)
        else:
            # Weights are resident whatever the engine does with them.
            known, shown = candidate.bytes, f"at least {format_bytes(candidate.bytes)} of weights"
        return (over("memory", known, limit, shown, format_bytes(limit)),) if known > limit else ()

    def doubtful(self, candidate: Candidate) -> bool:
        """Whether a candidate's latency is too little known to decide by, and near the limit or not known at all."""
        limit, found = self.budget.latency_ms, self.book.latency(candidate.subnet)
        if limit is None:
            return False
        if found is None:
            return True
        if found.settled(self.budget.quantile):
            return False
        value = found.at(self.budget.quantile)
        return found.min <= limit * OVER and (value is None or value >= limit / UNDER)

    def needs_confirming(self, candidate: Candidate) -> bool:
        """Whether this call measured the candidate, or had only a glance of it, and did not look again."""
        if self.budget.latency_ms is None:
            return False
        found = self.book.latency(candidate.subnet)
        key = self.book.key(candidate.subnet).text
        rough = found is None or not found.settled(self.budget.quantile)
        return key not in self._confirmed and (rough or key in self._fresh)

    def perhaps_wronged(self, candidate: Candidate) -> bool:
        """Whether a candidate is over the latency limit only while something else used the machine."""
        limit, found = self.budget.latency_ms, self.book.latency(candidate.subnet)
        if limit is None or found is None or candidate.misses or self.memory_miss(candidate):
            return False
        return found.disturbed and found.min * QUIET <= limit and bool(self._latency_miss(candidate))

    def measured(self, candidates: Sequence[Candidate], action: Action) -> None:
        """Remember what this call has measured."""
        keys = {self.book.key(candidate.subnet).text for candidate in candidates}
        {"confirm": self._confirmed, "again": self._again}.get(action, self._fresh).update(keys)

    def looked_again(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those of the candidates that this call has measured again."""
        return [candidate for candidate in candidates if self.book.key(candidate.subnet).text in self._again]


def measure_what_decides(judge: Judge, ranked: Sequence[Candidate], progress: Progress | None) -> None:
    """Measure until the choice is sure: all candidates, then those near the limit, best scores first, then the best.

    All are measured, not only those down to the first that fits: a later switch must not measure. Only memory, which
    takes a process each, is measured from the best down where there are many.
    """
    _measure_memory(judge, ranked, progress)
    _measure_latency(judge, ranked, progress)
    while True:
        action, group = _next(judge, ranked)
        subnets = [candidate.subnet for candidate in group]
        if action == "done":
            return
        if action == "memory":
            judge.book.measure_memory(subnets, progress)
            continue
        judge.book.measure(subnets, judge.budget.quantile, SETTLE if action == "settle" else CONFIRM, progress)
        judge.measured(group, action)


def _measure_memory(judge: Judge, ranked: Sequence[Candidate], progress: Progress | None) -> None:
    """Measure the memory of every candidate, where they are few."""
    if judge.budget.memory_bytes is None:
        return
    missing = [candidate for candidate in ranked if not judge.misses(candidate) and judge.lacks_memory(candidate)]
    if 0 < len(missing) <= FEW:
        judge.book.measure_memory([candidate.subnet for candidate in missing], progress)


def _measure_latency(judge: Judge, ranked: Sequence[Candidate], progress: Progress | None) -> None:
    """Measure the latency of every candidate of which nothing is known."""
    if judge.budget.latency_ms is None:
        return
    missing = [
        candidate
        for candidate in ranked
        if not judge.misses(candidate) and judge.book.latency(candidate.subnet) is None
    ]
    effort = SETTLE if len(missing) <= FEW else GLANCE
    # A glance is steered by the median: it shall be short whatever quantile is asked for.
    quantile = judge.budget.quantile if effort is SETTLE else 0.5
    judge.book.measure([candidate.subnet for candidate in missing], quantile, effort, progress)
    judge.measured(missing, "settle")


def _next(judge: Judge, ranked: Sequence[Candidate]) -> tuple[Action, list[Candidate]]:
    """What to measure next so that the walk down to the first that fits is sure."""
    doubtful: list[Candidate] = []
    wronged: list[Candidate] = []
    for index, candidate in enumerate(ranked):
        if candidate.misses or judge.memory_miss(candidate):
            continue
        # Before a glance rejects one that is near the limit, it gets a proper look.
        if judge.doubtful(candidate):
            doubtful.append(candidate)
            if len(doubtful) == TOGETHER:
                break
        elif judge.perhaps_wronged(candidate):
            wronged.append(candidate)
        elif judge.misses(candidate):
            continue
        elif doubtful or _worth_another_look(judge, wronged):
            break
        elif judge.lacks_memory(candidate):
            return "memory", _likewise(judge, ranked[index:])
        elif judge.needs_confirming(candidate):
            return "confirm", [candidate]
        else:
            return "done", []
    else:
        # Nothing fits: the quickest get the other look before this is said.
        wronged.sort(key=lambda candidate: _quickest(judge, candidate))
    if doubtful:
        return "settle", doubtful
    again = _worth_another_look(judge, wronged)
    return ("again", again) if again else ("done", [])


def _worth_another_look(judge: Judge, wronged: Sequence[Candidate]) -> list[Candidate]:
    """The first few of those that other work on the machine may have put over the limit, unless they had their look.

    A few only: where the machine stays busy, a plan must end all the same.
    """
    first = list(wronged[:TOGETHER])
    return [] if judge.looked_again(first) else first


def _quickest(judge: Judge, candidate: Candidate) -> float:
    found = judge.book.latency(candidate.subnet)
    return found.min if found else float("inf")


def _likewise(judge: Judge, ranked: Sequence[Candidate]) -> list[Candidate]:
    found = [candidate for candidate in ranked if not judge.misses(candidate) and judge.lacks_memory(candidate)]
    return found[:TOGETHER]
