"""A made-up machine for the governor's rules: a scripted clock, a ladder, and load that makes calls slower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pliant.devices.vitals import UNKNOWN, Vitals
from pliant.runtime.governing.steering import Move, Steering
from pliant.runtime.planning.ladder import Rung

TICK, SWITCH = 0.1, 0.03

Load = Callable[[float], float]
"""Seconds -> how many times the profile a call takes."""


@dataclass
class Machine:
    """Calls at a frame rate (or back to back where they take longer) on a ladder, and what became of them."""

    latencies: Sequence[float]
    target: float
    load: Load
    quantile: float = 0.5
    frames: float = 25.0
    start: int | None = None
    vitals: Callable[[float], Vitals] = lambda now: UNKNOWN
    factor: Callable[[int], float] = lambda rung: 1.0
    """How much slower a rung really is than the profile says."""
    broken: frozenset[int] = frozenset()
    moves: list[tuple[float, int, Move]] = field(default_factory=list)
    """When, from which rung, and the move."""
    said: list[str] = field(default_factory=list)
    missed: float = 0.0
    """Seconds of calls over the target."""

    def __post_init__(self) -> None:
        ladder = [Rung(f"s{index:02}", latency, float(index)) for index, latency in enumerate(self.latencies)]
        fitting = [index for index, latency in enumerate(self.latencies) if latency <= self.target]
        at = self.start if self.start is not None else max(fitting, default=0)
        self.steering = Steering(ladder, ladder[at].id, self.target, self.quantile, 0.0)
        self.now = 0.0

    def run(self, seconds: float) -> Machine:
        """Go on for so many seconds."""
        end, tick = self.now + seconds, self.now + TICK
        waiting: list[tuple[float, float]] = []
        while self.now < end:
            at = self.steering.at
            took = self.latencies[at] * self.factor(at) * self.load(self.now)
            waiting.append((self.now, took))
            self.missed += (took > self.target) * max(1 / self.frames, took / 1e3)
            self.now += max(1 / self.frames, took / 1e3)
            if self.now >= tick:
                tick = self.now + TICK
                self.steering.observe(waiting, self.now)
                waiting = []
                self._judge()
        return self

    def _judge(self) -> None:
        at = self.steering.at
        move = self.steering.judge(self.now, self.vitals(self.now))
        if move is None:
            return
        self.said.append(move.reason)
        if move.rung in self.broken:
            self.steering.failed(move, self.now)
        elif move.rung != at:
            self.now += SWITCH
            self.steering.moved(move, self.now)
            self.moves.append((self.now, at, move))

    @property
    def at(self) -> int:
        return self.steering.at

    @property
    def path(self) -> list[int]:
        """The rungs that it went to."""
        return [move.rung for _, _, move in self.moves]
