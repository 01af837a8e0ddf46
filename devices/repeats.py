"""How far a measurement comes out from an earlier one of the same thing on this machine: the room a promise leaves.

A median of hundreds of runs has a spread of a percent, and half a minute later comes out ten percent higher where
the machine is shared: no statistic of one sitting tells. So what is measured again later is compared with what was
kept, and the machine's own repeats say how far to trust it: a percent on a quiet board, fifteen on a busy host. What
takes a millisecond is thrown about by more than what takes fifty: repeats of what takes about as long count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .checked import real, text
from .errors import PliantError
from .measure import Measurement

# Seconds between two measurements that make a repeat of them: within one sitting they are alike.
APART = 20.0
# So many are kept for each quantile, the latest; from so many on they are believed, before that there is UNKNOWN room.
KEPT, ENOUGH, UNKNOWN = 120, 10, 0.08
# Of many repeats those count whose latency is nearest.
NEAREST = 25
# Of repeats, in either direction, so many are not further apart: one in fifty comes out higher than promised.
SHARE = 0.96
# Where repeats differ by more, no number means anything: what is left of a limit is not made less still.
MOST = 0.5
# Ratios beyond this are not of the same thing, or of a damaged file.
_BEYOND = 1e3


@dataclass(frozen=True)
class Repeat:
    """A quantile of a provider's runs measured again: the later value by the earlier, and when (seconds since 1970).

    `latency` is the earlier value, in milliseconds; None in profiles of before it was kept.
    """

    provider: str
    quantile: float
    ratio: float
    taken: float
    latency: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal one."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, entry: Any) -> Repeat:
        """Read what `to_json` wrote; PliantError when it is something else."""
        if not isinstance(entry, dict) or set(entry) | {"latency"} != {each.name for each in fields(cls)}:
            raise PliantError("not a repeat of a measurement: its keys are not those of this version")
        try:
            numbers = real(entry["quantile"]), real(entry["ratio"]), real(entry["taken"])
            latency = entry.get("latency")
            found = cls(text(entry["provider"]), *numbers, None if latency is None else real(latency))
        except ValueError as error:
            raise PliantError(f"not a repeat of a measurement: {error}") from error
        if not _sane(found.ratio) or (found.latency is not None and not found.latency > 0):
            raise PliantError("not a repeat of a measurement: its ratio is no ratio of latencies")
        return found


def repeats_of(provider: str, earlier: Measurement | None, later: Measurement) -> list[Repeat]:
    """How `later` compares with `earlier`, in the median and the quantile it was steered by.

    Nothing where either is too rough, or where both are of one sitting.
    """
    # Boards without a clock of their own may have jumped back.
    if earlier is None or abs(later.taken - earlier.taken) < APART:
        return []
    found = []
    for quantile in sorted({0.5, later.quantile}):
        before, after = earlier.at(quantile), later.at(quantile)
        settled = earlier.settled(quantile) and later.settled(quantile)
        if before and after and settled and _sane(ratio := after / before):
            found.append(Repeat(provider, quantile, ratio, later.taken, before))
    return found


def latest(repeats: Iterable[Repeat]) -> tuple[Repeat, ...]:
    """Without doubles, no more than are kept of each provider and quantile: those that came last.

    Clocks are not asked which those are: boards without one of their own jump back.
    """
    found: list[Repeat] = []
    counts: Counter[tuple[str, float]] = Counter()
    for repeat in reversed(dict.fromkeys(repeats)):
        like = (repeat.provider, repeat.quantile)
        counts[like] += 1
        if counts[like] <= KEPT:
            found.append(repeat)
    return tuple(reversed(found))


def drift(repeats: Sequence[Repeat], provider: str, quantile: float, near: float | None = None) -> float:
    """The relative change that `SHARE` of a provider's repeats of a quantile stay under; at least UNKNOWN of few.

    Of many those count that took about as long as `near` milliseconds.
    """
    like = [each for each in repeats if each.provider == provider and each.quantile == quantile]
    if near is not None:
        like = sorted(like, key=lambda each: _apart(each, near))[:NEAREST]
    apart = sorted(abs(math.log(each.ratio)) for each in like)
    if len(apart) < ENOUGH:
        return min(max([UNKNOWN, *map(math.expm1, apart)]), MOST)
    return min(math.expm1(apart[math.ceil(SHARE * len(apart)) - 1]), MOST)


def _apart(repeat: Repeat, near: float) -> float:
    return math.inf if repeat.latency is None else abs(math.log(repeat.latency / near))


def _sane(ratio: float) -> bool:
    return 1.0 / _BEYOND <= ratio <= _BEYOND
