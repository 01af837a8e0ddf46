"""Timing callables on a machine that is not quiet: warm-up, interleaved bursts, quantiles that own up to too few runs.

Candidates are timed in turn, round after round, so that a disturbance hits all of them alike. Each turn is a
short burst whose first run is thrown away: another network has just had the caches, and the threads of its engine may
still be spinning. Rounds go on until the asked-for quantile is steady, or the time is up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .checked import real, whole
from .errors import BudgetError, PliantError

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# Runs that must lie on the thin side of a quantile before it is reported: p50 needs 6 runs, p95 60, p99 300.
BEYOND = 3
# Runs below which a median is called rough: good enough to tell far from near, not to promise.
SETTLED = 20
# A median so many times the quickest run tells of other work on the machine, not of this callable.
DISTURBED = 1.5

Candidates = Mapping[str, Callable[[], object]]
Progress = Callable[[str, int, int], None]


def runs_needed(quantile: float) -> int:
    """Runs without which this quantile says nothing."""
    return math.ceil(round(BEYOND / min(quantile, 1.0 - quantile), 6))


def check_quantile(quantile: float) -> float:
    """The quantile itself if measurements keep it; BudgetError naming those that are kept otherwise."""
    if isinstance(quantile, (int, float)) and not isinstance(quantile, bool):
        for kept in QUANTILES:
            if abs(kept - quantile) < 1e-9:
                return kept
    names = ", ".join(f"{kept:g}" for kept in QUANTILES)
    raise BudgetError(f"quantile {quantile!r} is not one that is measured: use one of {names}")


@dataclass(frozen=True)
class Measurement:
    """How long one callable takes, in milliseconds.

    A quantile that `runs` cannot carry is None. `quantile` is the one that was steered by and `spread` its relative
    uncertainty: the wider of its 95 % interval and the change between the first and second half. `wall` is the
    seconds that measuring took, `taken` when it ended (seconds since 1970).
    """

    runs: int
    min: float
    mean: float
    p10: float | None
    p25: float | None
    p50: float | None
    p75: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    quantile: float = 0.5
    spread: float = math.inf
    wall: float = 0.0
    taken: float = 0.0

    def at(self, quantile: float) -> float | None:
        """Milliseconds at a quantile, or None when there were too few runs to tell."""
        value: float | None = getattr(self, f"p{round(check_quantile(quantile) * 100)}")
        return value

    def at_least(self, quantile: float) -> float:
        """Milliseconds that the quantile certainly reaches: the highest known quantile not above it, or the minimum."""
        known = [self.at(q) for q in QUANTILES if q <= check_quantile(quantile) + 1e-9]
        return max([self.min, *(value for value in known if value is not None)])

    def settled(self, quantile: float) -> bool:
        """Whether there were enough runs to rely on this quantile near a limit."""
        return self.runs >= max(SETTLED, runs_needed(quantile))

    @property
    def disturbed(self) -> bool:
        """Whether something else was using the machine: the median is far from the quickest run."""
        return self.p50 is not None and self.p50 > DISTURBED * self.min

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal measurement."""
        entry = {field.name: getattr(self, field.name) for field in fields(self)}
        entry["spread"] = None if math.isinf(self.spread) else self.spread
        return entry

    @classmethod
    def from_json(cls, entry: Any) -> Measurement:
        """Read what `to_json` wrote; unknown or missing keys and wrong values are a PliantError."""
        names = [field.name for field in fields(cls)]
        if not isinstance(entry, dict) or set(entry) != set(names):
            raise PliantError("not a measurement: its keys are not those of this version")
        try:
            values = {name: None if entry[name] is None else real(entry[name]) for name in names}
            runs = whole(entry["runs"])
        except ValueError as error:
            raise PliantError(f"not a measurement: {error}") from error
        values["spread"] = math.inf if values["spread"] is None else values["spread"]
        optional = {f"p{round(q * 100)}" for q in QUANTILES}
        if any(value is None and name not in optional for name, value in values.items()):
            raise PliantError("not a measurement: a number is missing")
        if runs < 1 or any(value is not None and value < 0.0 for value in values.values()):
            raise PliantError("not a measurement: no runs, or negative numbers")
        return cls(**{**values, "runs": runs})  # type: ignore[arg-type]


def summarize(times: list[float], quantile: float = 0.5, wall: float = 0.0) -> Measurement:
    """Quantiles of the times (milliseconds, in the order they were taken, at least one)."""
    values = np.asarray(times, dtype=np.float64)
    found = {
        f"p{round(q * 100)}": float(np.quantile(values, q)) if len(values) >= runs_needed(q) else None
        for q in QUANTILES
    }
    return Measurement(
        runs=len(values),
        min=float(values.min()),
        mean=float(values.mean()),
        quantile=quantile,
        spread=_spread(values, quantile),
        wall=wall,
        taken=time.time(),
        **found,
    )


def _spread(values: np.ndarray[Any, np.dtype[np.float64]], quantile: float) -> float:
    count = len(values)
    if count < runs_needed(quantile):
        return math.inf
    center = float(np.quantile(values, quantile))
    if center <= 0.0:
        return 0.0
    # Ranks within two standard deviations of a binomial: an interval that assumes no distribution.
    reach = 1.96 * math.sqrt(quantile * (1.0 - quantile) / count)
    low, high = np.quantile(values, [max(quantile - reach, 0.0), min(quantile + reach, 1.0)])
    halves = [float(np.quantile(half, quantile)) for half in (values[: count // 2], values[count // 2 :])]
    return float(max(high - low, abs(halves[0] - halves[1]))) / center


@dataclass(frozen=True)
class Effort:
    """How long to measure: at least `runs` a candidate, then until `spread` is reached or `seconds` in all are over.

    A spread of 0 is never reached. `warmup` runs come first, untimed; a turn is `burst` timed runs after one untimed.
    """

    runs: int = SETTLED
    spread: float = 0.05
    seconds: float = 2.0
    warmup: int = 2
    burst: int = 3


@dataclass
class _Clock:
    """Times of one candidate so far."""

    call: Callable[[], object]
    times: list[float] = field(default_factory=list)
    wall: float = 0.0

    def turn(self, burst: int) -> None:
        began = time.perf_counter()
        self.call()
        for _ in range(burst):
            start = time.perf_counter_ns()
            self.call()
            self.times.append((time.perf_counter_ns() - start) / 1e6)
        self.wall += time.perf_counter() - began


def measure(
    candidates: Candidates,
    *,
    quantile: float = 0.5,
    effort: Effort = Effort(),
    progress: Progress | None = None,
) -> dict[str, Measurement]:
    """Time every candidate, interleaved; `progress(what, done, total)` is called after each round.

    A quantile asked for gets the runs that it needs (`runs_needed`) even when the time is over before.
    """
    quantile = check_quantile(quantile)
    clocks = _run(candidates, quantile, effort, progress)
    return {name: summarize(clock.times, quantile, clock.wall) for name, clock in clocks.items()}


def sample(candidates: Candidates, *, effort: Effort = Effort()) -> dict[str, list[float]]:
    """Milliseconds of every run of every candidate, in order; interleaved as by `measure`, steered by the median."""
    return {name: clock.times for name, clock in _run(candidates, 0.5, effort, None).items()}


def _run(candidates: Candidates, quantile: float, effort: Effort, progress: Progress | None) -> dict[str, _Clock]:
    """Turns of all candidates, until each has what it needs."""
    clocks = {name: _Clock(call) for name, call in candidates.items()}
    least = max(effort.runs, runs_needed(quantile))
    for clock in clocks.values():
        for _ in range(effort.warmup):
            clock.call()
    deadline = time.perf_counter() + effort.seconds
    active = list(clocks)
    while active:
        for name in active:
            clocks[name].turn(effort.burst)
        if progress:
            done = min(len(clocks[name].times) for name in active)
            progress("measuring " + ", ".join(active), min(done, least), least)
        over = time.perf_counter() >= deadline
        active = [name for name in active if not _enough(clocks[name], quantile, least, effort.spread, over)]
        active.reverse()  # neighbours change places, so that nobody always follows the same one
    return clocks


def _enough(clock: _Clock, quantile: float, least: int, spread: float, over: bool) -> bool:
    if len(clock.times) < least:
        return False
    # What is never reached is not reckoned: that takes time between the turns.
    return over or (spread > 0.0 and _spread(np.asarray(clock.times), quantile) <= spread)


@dataclass(frozen=True)
class Ratio:
    """How much longer the first takes than the second: median of paired ratios and its 95 % interval."""

    median: float
    low: float
    high: float
    runs: int


def paired_ratio(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    runs: int = 60,
    warmup: int = 3,
) -> Ratio:
    """Time two callables in turns and compare each run with its neighbour; noise that is slower than a pair cancels."""
    if runs < runs_needed(0.5):
        raise PliantError(f"a ratio needs at least {runs_needed(0.5)} runs, not {runs}")
    clocks = (_Clock(first), _Clock(second))
    for clock in clocks:
        for _ in range(warmup):
            clock.call()
    for index in range(runs):
        for clock in clocks if index % 2 == 0 else clocks[::-1]:
            clock.turn(1)
    ratios = np.asarray(clocks[0].times) / np.maximum(np.asarray(clocks[1].times), 1e-6)
    reach = 1.96 * math.sqrt(0.25 / runs)
    low, median, high = np.quantile(ratios, [max(0.5 - reach, 0.0), 0.5, min(0.5 + reach, 1.0)])
    return Ratio(float(median), float(low), float(high), runs)
