"""When to step, and to which rung: the governor's rules, without a clock, a thread or an engine.

Down as soon as a window misses its target, as far as the slow-down against the profile says, and a step when the
machine is about to be slowed down by its heat. Up when the next rung would fit, by its profile times the present
slow-down, all through a dwell time. A step up that has to be taken back makes the next one wait much longer, so that
load which deceives these predictions costs fewer and fewer steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...devices.vitals import UNKNOWN, Vitals
from ..planning.budget import LATENCY
from ..planning.ladder import Rung
from .window import Call, Window, WindowStats

# A step up must fit all through so many seconds (or a window, where that is longer).
DWELL_S = 5.0
# What is predicted for a rung must leave so much of the target. Upwards, one whose profile fits needs only that the
# slow-down is gone, which up to QUIET it is: a plan may lie close under its limit, and shall be returned to.
MARGIN, QUIET = 0.05, 1.05
# How long a step up that was taken back keeps the rung closed: at first, at most, and how fast that grows.
BACKOFF_S, LONGEST_S, GROWTH = 10.0, 600.0, 4.0
# A step up that a miss ends sooner than this was not worth it, and counts as taken back.
PROBATION_S = 30.0
# Degrees below the kernel's limit at which to step down, and below which stepping up is allowed again.
HOT, COOL = 3.0, 8.0
# Heat follows slowly: a step for its sake shall take so much less, and has so many seconds to show.
COOLER, HEAT_S = 0.8, 10.0


@dataclass(frozen=True)
class Move:
    """A step to take: the rung's index (the present one where there is none to go to), and why.

    `back` marks a step up that is taken back.
    """

    rung: int
    reason: str
    back: bool = False


class Steering:
    """Where a governed model stands on its ladder, and what it saw there. Seconds are of any one clock.

    Whoever steers tells the calls (`observe`), asks (`judge`), and says what became of a move (`moved` or `failed`).
    """

    def __init__(self, ladder: Sequence[Rung], at: str, target_ms: float, quantile: float, now: float):
        self.ladder = tuple(ladder)
        self.at = next(index for index, rung in enumerate(self.ladder) if rung.id == at)
        self.window = Window(target_ms, quantile, now)
        self.backoff = BACKOFF_S
        self._moved = now
        self._climbs: list[tuple[float, int]] = []  # the steps up that led here: when, and from which rung
        self._rising: tuple[float, int] | None = None  # since when a rung fits, and which
        self._closed = (len(self.ladder), now)  # no rung from this one on before then
        self._barred: dict[int, tuple[float, float]] = {}  # what could not be loaded: until when, and how long that is
        self._stuck = False
        self._news = False

    @property
    def rung(self) -> Rung:
        """The present rung."""
        return self.ladder[self.at]

    def observe(self, calls: Sequence[Call], now: float) -> None:
        """Calls of the present rung, oldest first."""
        self.window.add(calls, now)
        self._news = self._news or bool(calls)

    def stats(self, now: float) -> WindowStats:
        """The calls by which it judges."""
        return self.window.stats(now)

    def judge(self, now: float, vitals: Vitals = UNKNOWN) -> Move | None:
        """The step to take now, if any. A move to the present rung says, once, that nothing narrower is left."""
        news, self._news = self._news, False
        if news and self.window.missing(now):
            return self._down(now, vitals)
        if vitals.headroom <= HOT:
            return self._cool(now, vitals)
        return self._up(now, vitals) if news else None

    def moved(self, move: Move, now: float) -> None:
        """The model is on that move's rung now."""
        if move.rung > self.at:
            self._climbs.append((now, self.at))
        elif move.back:
            self._closed = (self.at, now + self.backoff)
            self.backoff = min(GROWTH * self.backoff, LONGEST_S)
        elif self._climbs:
            # The last step up held for long enough: so much less is the next one distrusted.
            self.backoff = max(self.backoff / GROWTH, BACKOFF_S)
        self._climbs = [(when, source) for when, source in self._climbs if source < move.rung]
        self.at, self._moved = move.rung, now
        self._barred.pop(move.rung, None)
        self._begin(now)

    def failed(self, move: Move, now: float) -> None:
        """The move's rung could not be loaded: it is left alone for a while, each time for longer."""
        _, wait = self._barred.get(move.rung, (now, BACKOFF_S / GROWTH))
        wait = min(GROWTH * wait, LONGEST_S)
        self._barred[move.rung] = (now + wait, wait)
        self._rising = None

    def _begin(self, now: float) -> None:
        self.window.clear(now)
        self._rising, self._stuck, self._news = None, False, False

    def _open(self, rungs: Iterable[int], now: float) -> list[int]:
        return [index for index in rungs if index not in self._barred or now >= self._barred[index][0]]

    def _down(self, now: float, vitals: Vitals) -> Move | None:
        self._rising = None
        slow = self.window.over()
        ratio = slow[len(slow) // 2] / self.rung.latency_ms
        what = f"{self._seen(now)}, {len(slow)} of {len(self.window)} calls over {self._target}"
        what += f", {ratio:.2f} times the profile"
        lower = self._open(range(self.at), now)
        if not lower:
            return self._stay(f"{what}; no narrower subnet is left{_beside(vitals)}")
        climbed, came_from = self._climbs[-1] if self._climbs else (-math.inf, -1)
        fitting = [index for index in lower if self._leaves_room(index, ratio)]
        if came_from in lower and now - climbed <= BACKOFF_S:
            fitting.append(came_from)  # it fitted a moment ago, whatever the slow-down here says of it
        to = max(fitting, default=lower[0])
        reason = f"{what}; such a call of {self._promise(to, ratio)}{_beside(vitals)}"
        if now - climbed > max(PROBATION_S, self.backoff):
            return Move(to, reason)
        return Move(to, f"{reason}; the step up is taken back, the next waits {self.backoff:.0f} s", back=True)

    def _cool(self, now: float, vitals: Vitals) -> Move | None:
        self._rising = None
        if now - self._moved < HEAT_S:
            return None
        what = f"{vitals}, the machine is slowed down from {vitals.limit or 0.0:.0f} °C on"
        lower = self._open(range(self.at), now)
        if not lower:
            return self._stay(f"{what}; no narrower subnet is left")
        cooler = [index for index in lower if self.ladder[index].latency_ms <= COOLER * self.rung.latency_ms]
        to = max(cooler, default=lower[0])
        share = self.ladder[to].latency_ms / self.rung.latency_ms * 100.0
        return Move(to, f"{what}; {self.ladder[to].id} takes {share:.0f} % of the time", back=bool(self._climbs))

    def _stay(self, reason: str) -> Move | None:
        said, self._stuck = self._stuck, True
        return None if said else Move(self.at, reason)

    def _up(self, now: float, vitals: Vitals) -> Move | None:
        latency = self.window.latency()
        self._stuck = self._stuck and (latency is None or latency > self.window.target_ms)
        if latency is None or vitals.headroom < COOL:
            self._rising = None
            return None
        ratio = latency / self.rung.latency_ms
        higher = self._open(range(self.at + 1, len(self.ladder)), now)
        fitting = [index for index in higher if self._fits(index, ratio, now)]
        if not fitting:
            self._rising = None
            return None
        # After a pause the window begins anew, and so does the dwell time.
        begun = self._rising if self._rising and self._rising[0] >= self.window.since else (now, len(self.ladder))
        since, to = self._rising = begun[0], min(begun[1], fitting[-1])
        if now - since < max(DWELL_S, self.window.seconds):
            return None
        told = f"{self._seen(now)}, {ratio:.2f} times the profile for {now - since:.1f} s"
        return Move(to, f"{told}; {self._promise(to, ratio)} of {self._target}{_beside(vitals)}")

    def _fits(self, index: int, ratio: float, now: float) -> bool:
        first, until = self._closed
        if index >= first and now < until:
            return False
        latency = self.ladder[index].latency_ms
        if ratio <= QUIET and latency <= self.window.target_ms:
            return True
        # A rung that is hardly slower is hardly better: not worth a switch.
        return latency >= self.rung.latency_ms * (1.0 + MARGIN) and self._leaves_room(index, ratio)

    def _leaves_room(self, index: int, ratio: float) -> bool:
        return self._predicted(index, ratio) <= self.window.target_ms * (1.0 - MARGIN)

    def _predicted(self, index: int, ratio: float) -> float:
        return self.ladder[index].latency_ms * ratio

    @property
    def _target(self) -> str:
        return LATENCY.format(self.window.target_ms)

    def _seen(self, now: float) -> str:
        stats = self.stats(now)
        shown = "not known yet" if stats.latency_ms is None else LATENCY.format(stats.latency_ms)
        return f"p{self.window.quantile * 100:g} {shown} in {stats.seconds:.1f} s"

    def _promise(self, index: int, ratio: float) -> str:
        return f"{self.ladder[index].id} should take {LATENCY.format(self._predicted(index, ratio))}"


def _beside(vitals: Vitals) -> str:
    return f" ({vitals})" if str(vitals) else ""
