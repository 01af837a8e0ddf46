"""Holding subnets against a budget by what is known of them, and how far that can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...devices.repeats import MOST
from ..format.manifest import SubnetInfo
from .book import Book
from .budget import ENERGY, LATENCY, Budget, format_bytes
from .choice import Candidate, Miss, narrower, over

# A glance is believed when even its quickest run is so far over the limit (noise only adds), or its value so far under.
OVER, UNDER = 1.25, 1.5
# Peaks of one subnet in several processes differ by up to so much (docs/reliability.md).
PEAKS = 0.1
# So far over the limit a subnet's memory tells of wider ones too.
LARGER = 1.05
# On a quiet machine the median is about so many times the quickest run.
QUIET = 1.1


Limit = Literal["latency", "memory"]
_EASIER: tuple[frozenset[Limit], ...] = (
    frozenset(),
    frozenset({"memory"}),
    frozenset({"latency"}),
    frozenset({"latency", "memory"}),
)


@dataclass(frozen=True)
class Judge:
    """Holds candidates against a budget, by what `book` knows of them.

    Under the limits that are `eased` it asks for no room: where none of the subnets leaves it.
    """

    budget: Budget
    book: Book
    eased: frozenset[Limit] = frozenset()

    def misses(self, candidate: Candidate) -> tuple[Miss, ...]:
        """Every limit that a candidate is known to break."""
        return (
            *candidate.misses,
            *self.memory_miss(candidate),
            *self.energy_miss(candidate),
            *self._latency_miss(candidate),
        )

    def unknown(self, candidate: Candidate) -> tuple[str, ...]:
        """Limits of which it is not known whether the candidate keeps them."""
        limits = []
        if self.lacks_memory(candidate):
            limits.append("memory")
        if self.lacks_energy(candidate):
            limits.append("energy")
        if self.budget.latency_ms is not None and self.latency(candidate) is None and not self.beyond(candidate):
            limits.append("latency")
        return tuple(limits)

    def easier(self, ranked: Sequence[Candidate], known: bool = False) -> Judge:
        """This judge; where nothing keeps every limit with room, and nothing that may is not measured, the next easier.

        Room under the memory limit is given up first, then under that of latency instead, then under both. With `known`
        what is not measured does not count.
        """
        if any(self.fits(one) for one in ranked):
            return self
        waiting = any(self.unknown(one) and not self.misses(one) for one in ranked)
        if waiting and not known:
            return self
        asked = {limit for limit, each in self._asked().items() if each is not None}
        steps = [each for each in _EASIER if each <= asked]
        later = steps[steps.index(self.eased) + 1 :]
        return replace(self, eased=later[0]) if later else self

    def _asked(self) -> dict[Limit, float | None]:
        return {"latency": self.budget.latency_ms, "memory": self.budget.memory_bytes}

    def fits(self, candidate: Candidate) -> bool:
        """Whether the candidate is known to keep every limit."""
        return not self.misses(candidate) and not self.unknown(candidate)

    def lacks_memory(self, candidate: Candidate) -> bool:
        """Whether memory is limited and this candidate's was not measured."""
        return self.budget.memory_bytes is not None and self.book.memory(candidate.subnet) is None

    def lacks_energy(self, candidate: Candidate) -> bool:
        """Whether energy is limited and this candidate's was not measured."""
        return self.budget.energy_mj is not None and self.book.energy(candidate.subnet) is None

    def energy_miss(self, candidate: Candidate) -> tuple[Miss, ...]:
        """The energy limit, if the candidate is known to break it."""
        limit, use = self.budget.energy_mj, self.book.energy(candidate.subnet)
        if limit is None or use is None or use.millijoules <= limit:
            return ()
        return (over("energy", use.millijoules, limit, ENERGY.format(use.millijoules), ENERGY.format(limit)),)

    def latency(self, candidate: Candidate) -> float | None:
        """Milliseconds at the budget's quantile, or None where that was not measured."""
        found = self.book.latency(candidate.subnet)
        return found.at(self.budget.quantile) if found else None

    def room(self, candidate: Candidate) -> float:
        """The share by which a latency has to stay under the limit: as much as repeats of it differ by here.

        That is the machine's drift from one sitting to the next, or, where it is more, what this sitting leaves open.
        """
        if "latency" in self.eased:
            return 0.0
        found = self.book.latency(candidate.subnet)
        own = 0.0
        if found is not None and found.quantile == self.budget.quantile and found.settled(found.quantile):
            own = min(found.spread / 2.0, MOST)
        return max(own, self._drift(candidate))

    def _drift(self, candidate: Candidate) -> float:
        return self.book.drift(self.budget.quantile, self.latency(candidate))

    def reason(self, candidate: Candidate) -> str:
        """What the room of a candidate is for, after its share."""
        return "that its runs leave open" if self._rough(candidate) else "that repeats differ by"

    def _rough(self, candidate: Candidate) -> bool:
        return self.room(candidate) > self._drift(candidate)

    def tight(self, candidate: Candidate) -> bool:
        """Whether a candidate is over the latency limit only by the room that it has to leave."""
        limit, value = self.budget.latency_ms, self.latency(candidate)
        return limit is not None and value is not None and value <= limit < value * (1.0 + self.room(candidate))

    def perhaps_by_now(self, candidate: Candidate) -> bool:
        """Whether one that was over the latency limit may come out under it measured again, as repeats go here."""
        limit, value = self.budget.latency_ms, self.latency(candidate)
        return limit is not None and value is not None and value <= limit * (1.0 + self._drift(candidate))

    def _latency_miss(self, candidate: Candidate) -> tuple[Miss, ...]:
        limit, found = self.budget.latency_ms, self.book.latency(candidate.subnet)
        if limit is None:
            return ()
        if found is None:
            return self._beyond_miss(candidate, limit)
        value = found.at(self.budget.quantile)
        # Without enough runs for the quantile, what it certainly reaches can still be too much.
        known = found.at_least(self.budget.quantile) if value is None else value
        prefix = "at least " if value is None else ""
        at = f"{prefix}{LATENCY.format(known)} at p{self.budget.quantile * 100:g}"
        if self.tight(candidate):
            room = self.room(candidate)
            at += f" and {room * 100:.2g} % {self.reason(candidate)}"
            known *= 1.0 + room
        if known <= limit:
            return ()
        return (over("latency", known, limit, at, LATENCY.format(limit)),)

    def beyond(self, candidate: Candidate) -> SubnetInfo | None:
        """The slowest measured subnet that is far over the latency limit though it does nowhere more than this one.

        This one was not measured, but is over the limit too: more work of the same kind does not take less time.
        """
        limit = self.budget.latency_ms
        if limit is None or self.book.latency(candidate.subnet) is not None:
            return None
        return max(
            (each for each in self.book.over(limit * OVER) if self._narrower(each, candidate)),
            key=self._least,
            default=None,
        )

    def _least(self, subnet: SubnetInfo) -> float:
        found = self.book.latency(subnet)
        return found.at_least(self.budget.quantile) if found else 0.0

    def _beyond_miss(self, candidate: Candidate, limit: float) -> tuple[Miss, ...]:
        narrow = self.beyond(candidate)
        if narrow is None:
            return ()
        least = self._least(narrow)
        text = f"not measured; {narrow.id}, which is nowhere wider, takes at least {LATENCY.format(least)}"
        return (over("latency", least, limit, text, LATENCY.format(limit)),)

    def too_large(self, candidate: Candidate) -> tuple[int, SubnetInfo] | None:
        """The most memory of a subnet that is over the limit though it does nowhere more than this one, and which.

        This one was not measured, but is over the limit too: more weights and larger maps do not take less memory.
        """
        limit = self.budget.memory_bytes
        if limit is None or self.book.memory(candidate.subnet) is not None:
            return None
        heavy = [pair for pair in self.book.heavier(int(limit * LARGER)) if self._narrower(pair[1], candidate)]
        return max(heavy, key=lambda pair: pair[0], default=None)

    def _narrower(self, subnet: SubnetInfo, candidate: Candidate) -> bool:
        return narrower(subnet, candidate.subnet, self.book.tasks)

    @property
    def memory_room(self) -> float:
        """The share by which a peak of memory has to stay under the limit: as much as peaks differ by."""
        return 0.0 if "memory" in self.eased else PEAKS

    def tight_memory(self, candidate: Candidate) -> bool:
        """Whether a candidate is over the memory limit only by the room that it has to leave."""
        limit, use = self.budget.memory_bytes, self.book.memory(candidate.subnet)
        return limit is not None and use is not None and use.peak <= limit < use.peak * (1.0 + self.memory_room)

    def memory_miss(self, candidate: Candidate) -> tuple[Miss, ...]:
        """The memory limit, if the candidate is known to break it."""
        limit, use = self.budget.memory_bytes, self.book.memory(candidate.subnet)
        if limit is None:
            return ()
        if use is not None:
            known, shown = use.peak, format_bytes(use.peak)
            if self.tight_memory(candidate):
                room = self.memory_room
                known, shown = math.ceil(known * (1.0 + room)), f"{shown} and {room * 100:.2g} % that peaks differ by"
        elif candidate.bytes <= limit and (light := self.too_large(candidate)) is not None:
            known, narrow = light
            shown = f"not measured; {narrow.id}, which is nowhere wider, takes {format_bytes(known)}"
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
            return self.beyond(candidate) is None
        # A quantile is at least the median.
        over_by_median = found.settled(0.5) and found.at_least(self.budget.quantile) > limit
        if found.settled(self.budget.quantile) or over_by_median:
            return False
        value = found.at(self.budget.quantile)
        return found.min <= limit * OVER and (value is None or value >= limit / UNDER)

    def perhaps_wronged(self, candidate: Candidate) -> bool:
        """Whether a candidate is over the latency limit only because the machine was busy, or the look at it short."""
        limit, found = self.budget.latency_ms, self.book.latency(candidate.subnet)
        if limit is None or found is None:
            return False
        if self.tight(candidate) and self._rough(candidate):
            return True
        return found.disturbed and found.min * QUIET <= limit and bool(self._latency_miss(candidate))
