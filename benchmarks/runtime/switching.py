"""Switches under load: no call fails, no output is torn, no memory is kept; and what callers feel of it.

Threads call the model without pause while it switches among subnets from the narrowest to the widest; every output must
be one subnet's, in all its tasks. Then one caller's p99 while the model switches to and fro between two subnets of like
size is held against the p99 of a caller of bare onnxruntime sessions, which another thread creates, runs once and puts
in the other's place. Both take turns, round after round.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import pliant
from pliant.runtime.model import Model
from pliant.runtime.planning.memory import resident
from pliant.runtime.suite import Suite

from ..reporting import Entry
from .answers import Answers, spread
from .slope import slope
from .telling import tell

# The first switches fill what is then kept and used again.
SKIP = 10
# What is promised: calls during switches, over calls while bare sessions are created.
P99_SHARE = 0.15
RESAMPLES = 1000


def options(parser: argparse.ArgumentParser) -> None:
    """What this part is asked for."""
    parser.add_argument("--switches", type=int, default=1000)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--among", type=int, default=5, help="subnets that are switched among")
    parser.add_argument("--rounds", type=int, default=40, help="of switches felt by one caller, and of bare sessions")
    parser.add_argument("--threads", type=int, default=1, help="of each session")


def run(chosen: argparse.Namespace) -> Entry:
    """Both comparisons."""
    with pliant.open_suite(chosen.suite) as suite, tempfile.TemporaryDirectory() as folder:
        under_load = load(suite, Path(folder), chosen)
        felt = tails(suite, Path(folder), chosen)
        return {"suite": suite.path.name, "load": under_load, "tails": felt}


class Callers:
    """Threads that call without pause; what went wrong, and how often each subnet answered."""

    def __init__(self, model: Model, answers: Answers, count: int):
        self.model, self.answers = model, answers
        self.wrong: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                whose = self.answers.whose(self.model(self.answers.image))
            except Exception as error:  # whatever it is, it is what is looked for
                with self._lock:
                    self.wrong[f"{type(error).__name__}: {error}"] += 1
                continue
            with self._lock:
                if whose is None:
                    self.wrong["torn: no subnet answers so"] += 1
                else:
                    self.answered[whose] += 1


def load(suite: Suite, folder: Path, chosen: argparse.Namespace) -> Entry:
    """Many callers, many switches."""
    subnets = spread(suite, chosen.among)
    answers = Answers(suite, subnets, folder, chosen.threads)
    rng, held, failed = np.random.default_rng(0), list[float](), Counter[str]()
    began = time.perf_counter()
    with suite.load(subnets[0], threads=chosen.threads) as model, Callers(model, answers, chosen.callers) as callers:
        done = 0
        try:
            for done in range(1, chosen.switches + 1):
                others = [each for each in subnets if each.id != model.subnet.id]
                try:
                    model.switch(others[int(rng.integers(len(others)))])
                except Exception as error:
                    failed[f"{type(error).__name__}: {error}"] += 1
                held.append(float(resident()[0]))
                if done % 50 == 0:
                    tell(f"{done} of {chosen.switches} switches, {sum(callers.answered.values())} calls")
        except KeyboardInterrupt:
            tell("interrupted")
    found = slope(held, SKIP)
    return {
        "switches": done,
        "among": [each.id for each in subnets],
        "callers": chosen.callers,
        "calls": sum(callers.answered.values()),
        "answered": dict(callers.answered),
        "wrong": dict(callers.wrong),
        "failed_switches": dict(failed),
        "seconds": time.perf_counter() - began,
        "memory": found and found.to_json(),
    }


def tails(suite: Suite, folder: Path, chosen: argparse.Namespace) -> Entry:
    """One caller on one thread: p99 of its calls while the model switches, and while bare sessions are created."""
    full = sorted((each for each in suite.subnets if each.precision == "fp32"), key=lambda each: each.macs)
    one = full[len(full) // 2]
    other = min((each for each in full if each != one), key=lambda each: abs(each.macs - one.macs))
    answers = Answers(suite, [one, other], folder, 1)
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    with suite.load(one, threads=1) as model:
        bare = {"session": answers.session(one.id)}

        def create(name: str) -> None:
            made = answers.session(name)
            answers.run(made)
            bare["session"] = made

        for index in range(chosen.rounds):
            tell(f"round {index + 1} of {chosen.rounds}")
            sides: list[Callable[[], None]] = [
                lambda: ours.append(_round(lambda: model(answers.image), model.switch, [other.id, one.id])),
                lambda: theirs.append(_round(lambda: answers.run(bare["session"]), create, [other.id, one.id])),
            ]
            for side in sides if index % 2 == 0 else sides[::-1]:
                side()
    return {"between": [one.id, other.id], "rounds": chosen.rounds, **compared(ours, theirs)}


def _round(call: Callable[[], object], change: Callable[[str], object], to: list[str]) -> list[float]:
    """Milliseconds of every call that one caller makes while there is a change to each of `to`, five times over."""
    times: list[float] = []
    stop = threading.Event()

    def caller() -> None:
        while not stop.is_set():
            start = time.perf_counter_ns()
            call()
            times.append((time.perf_counter_ns() - start) / 1e6)

    thread = threading.Thread(target=caller)
    thread.start()
    try:
        for name in to * 5:
            change(name)
    finally:
        stop.set()
        thread.join()
    return times


def compared(ours: list[list[float]], theirs: list[list[float]]) -> Entry:
    """p50 and p99 of both, and the ratio of p99s with its 95 % interval by bootstrap over rounds."""
    rng, ratios = np.random.default_rng(0), []
    arrays = [[np.asarray(each) for each in side] for side in (ours, theirs)]
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(ours), len(ours))
        mine, bare = (np.concatenate([side[index] for index in drawn]) for side in arrays)
        ratios.append(np.quantile(mine, 0.99) / np.quantile(bare, 0.99))
    found: Entry = {}
    for name, side in (("ours", ours), ("theirs", theirs)):
        together = np.concatenate(side)
        low, high = np.quantile(together, [0.5, 0.99])
        found[name] = {"calls": len(together), "p50_ms": float(low), "p99_ms": float(high)}
    low, high = np.quantile(ratios, [0.025, 0.975])
    ratio = found["ours"]["p99_ms"] / found["theirs"]["p99_ms"]
    return {**found, "ratio": ratio, "low": float(low), "high": float(high), "kept": bool(ratio <= 1 + P99_SHARE)}
