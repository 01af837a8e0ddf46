"""Why a subnet is on a front, in lines for people: what it is best for, what its neighbours give, and what it beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...devices.errors import BudgetError
from ...runtime.planning.budget import LATENCY, MACS
from ..entries import FrontEntry
from ..preference import Preference
from ..score import Yardstick
from ..wording import in_words
from .front import Front
from .provenance import BY_MACS


@dataclass(frozen=True)
class Explanation:
    """What there is to say of one subnet of a front; `text` is all of it.

    `best` has, by preference, the budgets (from, to) at which this subnet is the choice; to is None where no budget is
    too large.
    """

    number: int
    entry: FrontEntry
    best: dict[str, tuple[float, float | None]]
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


def explain(front: Front, number: int) -> Explanation:
    """Explain the `number`-th subnet of a front (1 is the narrowest); BudgetError where there is none."""
    if not 1 <= number <= len(front.entries):
        raise BudgetError(f"the front has subnets 1 to {len(front.entries)}, and no {number}")
    entry, teller = front.entries[number - 1], _Teller(front)
    best = {name: span for name in front.preferences if (span := teller.span(entry, name))}
    lines = [teller.headline(number, entry), *teller.why(entry, best), *teller.neighbours(entry)]
    return Explanation(number, entry, best, tuple(lines))


class _Teller:
    """Compares the subnets of one front by its cost: latency where all have one and it was searched by, else macs."""

    def __init__(self, front: Front):
        self.front = front
        self.by_latency = all(entry.latency for entry in front.entries) and front.provenance.cost != BY_MACS
        self.yardstick = Yardstick(front.tasks, front.widest.quality)
        self.cheap_first = sorted(front.entries, key=self.cost)

    def cost(self, entry: FrontEntry) -> float:
        return entry.latency.value if self.by_latency and entry.latency else float(entry.macs)

    def shown(self, cost: float) -> str:
        return LATENCY.format(cost) if self.by_latency else f"{MACS.format(cost)} multiply-adds"

    def span(self, entry: FrontEntry, name: str) -> tuple[float, float | None] | None:
        """Budgets at which the entry is chosen for a preference: from its cost to that of the next better one."""
        preference = Preference.of(self.front.preferences[name], self.front.preferences[name])
        mine, own = self.yardstick.score(preference, entry.quality), self.cost(entry)
        others = [(self.cost(each), self.yardstick.score(preference, each.quality)) for each in self.cheap_first]
        before = self.cheap_first.index(entry)
        # Of equal scores the cheaper is chosen, of equal costs too the first.
        if any(
            cost <= own and (score > mine or (score == mine and place < before))
            for place, (cost, score) in enumerate(others)
        ):
            return None
        return own, min((cost for cost, score in others if score > mine), default=None)

    def headline(self, number: int, entry: FrontEntry) -> str:
        share = self.cost(entry) / self.cost(self.front.widest)
        return f"{number}: {in_words(entry.config)}; {self.told(entry)}, {share:.0%} of the widest's"

    def told(self, entry: FrontEntry) -> str:
        """The cost, and of a latency how it is known."""
        kind = f" ({entry.latency.kind})" if self.by_latency and entry.latency else ""
        return f"{self.shown(self.cost(entry))}{kind}"

    def why(self, entry: FrontEntry, best: dict[str, tuple[float, float | None]]) -> list[str]:
        lines = [self._compared("against the widest", entry, self.front.widest)]
        if entry.config in (self.front.space.narrowest, self.front.space.widest):
            end = "narrowest" if entry.config == self.front.space.narrowest else "widest"
            lines.append(f"on every front, as the {end}")
        alike: dict[tuple[float, float | None], list[str]] = {}
        for name, span in best.items():
            alike.setdefault(span, []).append(name)
        for (low, high), names in alike.items():
            until = "without limit" if high is None else f"up to {self.shown(high)}"
            lines.append(f"the best for {'; '.join(names)} from {self.shown(low)} {until}")
        if not best:
            lines.append(f"the best for none of the searched preferences, and {self._rivals(entry)}")
        return lines + self._beaten(entry)

    def _rivals(self, entry: FrontEntry) -> str:
        """Whether another subnet of the front is nowhere worse and no dearer, and which."""
        mine, own = self.yardstick.relative([entry.quality])[0], self.cost(entry)
        for number, other in enumerate(self.front.entries, 1):
            theirs = self.yardstick.relative([other.quality])[0]
            if other is not entry and self.cost(other) <= own and bool((theirs >= mine).all()):
                doubt = "" if self._known(entry, other) else ", as far as estimated latencies tell"
                return f"{number} ({self.told(other)}) is no dearer and nowhere worse{doubt}"
        return "no other on the front is as cheap and nowhere worse"

    def _known(self, *entries: FrontEntry) -> bool:
        return not self.by_latency or all(each.latency and each.latency.kind == "measured" for each in entries)

    def _beaten(self, entry: FrontEntry) -> list[str]:
        """How many others the subnet beats, and by what it beats the nearest."""
        if not entry.beats:
            return [] if entry.beats is None else ["beats no other subnet whose quality is known"]
        others = self.front.provenance.chosen_of
        by = " by their estimated latencies" if self.by_latency else ""
        lines = [f"beats {entry.beats} of {others}: they cost no less{by} and are nowhere better"]
        share = self.cost(entry) / self.cost(self.front.widest)
        kind = " (estimated)" if self.by_latency else ""
        for other in entry.beaten:
            dearer = f"cost {other.cost / share - 1.0:+.1%}{kind}"
            lines.append(
                f"the nearest of them, {in_words(other.config)}: {dearer}, {self._gains(other.quality, entry.quality)}"
            )
        return lines

    def neighbours(self, entry: FrontEntry) -> list[str]:
        place = self.cheap_first.index(entry)
        lines = []
        for word, other in (("cheaper", place - 1), ("dearer", place + 1)):
            if 0 <= other < len(self.cheap_first):
                each = self.cheap_first[other]
                name = self.front.entries.index(each) + 1
                lines.append(self._compared(f"against {name}, the next {word} ({self.told(each)})", entry, each))
        return lines

    def _compared(self, what: str, entry: FrontEntry, other: FrontEntry) -> str:
        return f"{what}: {self._gains(entry.quality, other.quality)}"

    def _gains(self, quality: Mapping[str, float], other: Mapping[str, float]) -> str:
        """By task, how much better (+) a quality is than another."""
        mine, theirs = self.yardstick.relative([quality, other])
        gains = mine / np.maximum(theirs, 1e-9) - 1.0
        return ", ".join(f"{task.name} {gain:+.1%}" for task, gain in zip(self.front.tasks, gains, strict=True))
