"""The governor: a thread that watches a model's calls and switches it so that it keeps its latency budget.

`steering` decides, here is what surrounds it: the calls that come in, the clock, the sensors, the switch, the log. The
thread holds the model weakly and ends with it. Callers only append to a bounded deque.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ...devices.errors import BudgetError
from ...devices.vitals import VitalsReader
from ..planning.ladder import Rung, efficient
from .steering import Move, Steering
from .window import WindowStats

if TYPE_CHECKING:
    from ..planning.plan import Plan

logger = logging.getLogger("pliant.governor")

_TICK_S = 0.1
_CALLS, _STEPS = 4096, 1000
_PATIENCE_S = 10.0
_HELP = "suite.load(latency='15 ms', govern=True)"

Watched = tuple[str, float, float]
"""A call: the subnet that answered, and when it began and ended, by `time.perf_counter`."""


class Switched(Protocol):
    """The report of a switch (`model.SwitchReport`)."""

    @property
    def plan(self) -> Plan | None:
        """What was switched to, where that was planned."""
        ...


class Governed(Protocol):
    """A model (`model.Model`), as its governor knows it."""

    def _become(self, choice: str) -> Switched: ...


Report = TypeVar("Report", bound=Switched)


@dataclass(frozen=True)
class Step:
    """A step that was taken: when (seconds since 1970), from and to which subnet, and why, in numbers."""

    when: float
    source: str
    target: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """JSON object with `when`, `from`, `to` and `reason`."""
        return {"when": self.when, "from": self.source, "to": self.target, "reason": self.reason}

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}: {self.reason}"


class Governor:
    """Keeps a model within the latency of its plan's budget. Made by `Suite.load(..., govern=True)`, ends with it.

    A switch by a budget gives it a new target; after one to a subnet that is named, or by a budget without a latency,
    it rests until the next. Steps are logged by the logger `pliant.governor`.
    """

    def __init__(self, model: Governed, plan: Plan, root: Path = Path("/")):
        self._model = weakref.ref(model)
        self._root = root
        self._calls: deque[Watched] = deque(maxlen=_CALLS)
        self.watch: Callable[[Watched], None] = self._calls.append
        self._taken: deque[Step] = deque(maxlen=_STEPS)
        self._acting = threading.RLock()  # held while the model is switched, by whomever
        self._ended = threading.Event()
        self._follow(plan)
        _governors.add(self)
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="pliant governor", daemon=True)
        self._thread.start()

    @property
    def target_ms(self) -> float | None:
        """Milliseconds that it keeps calls under; None while it rests."""
        steering = self._steering
        return None if steering is None else steering.window.target_ms

    @property
    def quantile(self) -> float | None:
        """The quantile of the calls that has to keep the target; None while it rests."""
        steering = self._steering
        return None if steering is None else steering.window.quantile

    @property
    def ladder(self) -> tuple[Rung, ...]:
        """The subnets that it steps on, quickest first; empty while it rests."""
        steering = self._steering
        return () if steering is None else steering.ladder

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that it took, oldest first; of very many the last thousand."""
        return tuple(self._taken)

    @property
    def window(self) -> WindowStats:
        """The calls that it judges by, as they were a moment ago."""
        return self._window

    @property
    def running(self) -> bool:
        """Whether its thread runs: until the model is closed, and not in a forked child."""
        return self._thread is not None and self._thread.is_alive()

    def obey(self, switch: Callable[[], Report]) -> Report:
        """Run a switch that the user asked for, between its own, and take the new budget from it."""
        with self._acting:
            report = switch()
            self._follow(report.plan)
        return report

    def close(self, patience: float | None = _PATIENCE_S) -> None:
        """End the thread, after the switch that may be under way, if that ends in so many seconds (None: whenever).

        Closing twice is fine. What a signal's handler interrupts may hold what the thread waits for.
        """
        self._ended.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)

    def _follow(self, plan: Plan | None) -> None:
        self._calls.clear()
        self._window = WindowStats(0, 0.0, None, 0.0)
        self._steering: Steering | None = None
        if plan is not None and plan.budget.latency_ms is not None:
            ladder, now = efficient(plan.rungs, plan.subnet.id), time.perf_counter()
            self._steering = Steering(ladder, plan.subnet.id, plan.budget.latency_ms, plan.budget.quantile, now)

    def _run(self) -> None:
        vitals = VitalsReader(self._root)
        while not self._ended.wait(_TICK_S):
            model = self._model()
            if model is None:
                return
            for level, line in self._tick(model, vitals):
                # Not under the lock: a handler may do anything.
                logger.log(level, line)
            del model

    def _tick(self, model: Governed, vitals: VitalsReader) -> list[tuple[int, str]]:
        """Look at what came in and step where that is due; returns what is to be logged."""
        # Not waited for: who switches may close the model meanwhile (a signal's handler), and waits for this thread.
        if not self._acting.acquire(blocking=False):
            return []
        try:
            steering = self._steering
            if steering is None or self._ended.is_set():
                return []
            now = time.perf_counter()
            steering.observe(self._new_calls(steering), now)
            self._window = steering.stats(now)
            move = steering.judge(now, vitals.read())
            return [] if move is None else [self._take(model, steering, move)]
        finally:
            self._acting.release()

    def _new_calls(self, steering: Steering) -> list[tuple[float, float]]:
        """What was called since the last look, by the present subnet and not before the window began."""
        waiting = [self._calls.popleft() for _ in range(len(self._calls))]
        wanted, since = steering.rung.id, steering.window.since
        return [(began, (ended - began) * 1e3) for name, began, ended in waiting if name == wanted and began >= since]

    def _take(self, model: Governed, steering: Steering, move: Move) -> tuple[int, str]:
        source, target = steering.rung.id, steering.ladder[move.rung].id
        if source == target:
            return logging.WARNING, f"{source} stays: {move.reason}"
        try:
            model._become(target)
        except Exception as error:
            if self._ended.is_set():
                return logging.DEBUG, "the model was closed"
            steering.failed(move, time.perf_counter())
            return logging.WARNING, f"{source} stays, {target} cannot be loaded: {error} (asked for: {move.reason})"
        steering.moved(move, time.perf_counter())
        step = Step(time.time(), source, target, move.reason)
        self._taken.append(step)
        return logging.INFO, str(step)

    def _forget_thread(self) -> None:
        """In a forked child, which has no thread but its own."""
        self._acting, self._ended = threading.RLock(), threading.Event()
        self._ended.set()
        self._thread = None


def check_governable(plan: Plan | None) -> None:
    """Refuse to govern what has no latency to keep."""
    if plan is None or plan.budget.latency_ms is None:
        raise BudgetError(f"govern=True keeps a latency budget, and there is none: write, for example, {_HELP}")


_governors: weakref.WeakSet[Governor] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[Governor] = []


def _before_fork() -> None:
    """Wait until no governor switches: the child would inherit the locks that its thread holds."""
    _forking.acquire()
    _held.extend(_governors)
    for governor in _held:
        governor._acting.acquire()


def _after_fork(child: bool) -> None:
    for governor in _held:
        if child:
            governor._forget_thread()
        else:
            governor._acting.release()
    _held.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(child=False),
        after_in_child=lambda: _after_fork(child=True),
    )


@atexit.register
def _end_all() -> None:
    """A thread that is stopped in the middle of the engine's code could crash the process that exits."""
    for governor in list(_governors):
        governor.close(None)
