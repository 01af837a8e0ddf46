"""Why a subnet is on a front, in lines for people: what it is best for, what its neighbours give, and what it beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices.errors import BudgetError
from ..runtime.planning.budget import LATENCY, MACS
from .front import Front, FrontEntry
from .preference import Preference
from .score import Yardstick


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
    """Compares the subnets of one front by its cost: latency where all have one, else multiply-adds."""

    def __init__(self, front: Front):
        self.front = front
        self.by_latency = all(entry.latency for entry in front.entries)
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
        encoder = "-".join(f"{width:g}" for width in entry.config.encoder)
        decoders = ", ".join(f"{task} {width:g}" for task, width in entry.config.decoders)
        latency = f" ({entry.latency.kind})" if self.by_latency and entry.latency else ""
        share = self.cost(entry) / self.cost(self.front.widest)
        return (
            f"{number}: encoder {encoder}; decoders {decoders}; {self.shown(self.cost(entry))}{latency}, "
            f"{share:.0%} of the widest's"
        )

    def why(self, entry: FrontEntry, best: dict[str, tuple[float, float | None]]) -> list[str]:
        lines = [self._compared("against the widest", entry, self.front.widest)]
        if entry.config in (self.front.space.narrowest, self.front.space.widest):
            end = "narrowest" if entry.config == self.front.space.narrowest else "widest"
            lines.append(f"on every front, as the {end}")
        for name, (low, high) in best.items():
            until = "without limit" if high is None else f"up to {self.shown(high)}"
            lines.append(f"the best for {name} from {self.shown(low)} {until}")
        if not best:
            lines.append("the best for none of the searched preferences, and no other is cheaper and nowhere worse")
        if entry.beats is not None:
            measured = self.front.provenance.candidates
            lines.append(
                f"beats {entry.beats} of {measured} measured subnets: they cost no less and are nowhere better"
            )
        return lines

    def neighbours(self, entry: FrontEntry) -> list[str]:
        place = self.cheap_first.index(entry)
        lines = []
        for word, other in (("cheaper", place - 1), ("dearer", place + 1)):
            if 0 <= other < len(self.cheap_first):
                each = self.cheap_first[other]
                name = self.front.entries.index(each) + 1
                lines.append(
                    self._compared(f"against {name}, the next {word} ({self.shown(self.cost(each))})", entry, each)
                )
        return lines

    def _compared(self, what: str, entry: FrontEntry, other: FrontEntry) -> str:
        mine, theirs = self.yardstick.relative([entry.quality, other.quality])
        gains = mine / np.maximum(theirs, 1e-9) - 1.0
        parts = [f"{task.name} {gain:+.1%}" for task, gain in zip(self.front.tasks, gains, strict=True)]
        return f"{what}: {', '.join(parts)}"
