"""An hour of everything: random requests, switches, bad inputs, damaged files and killed workers, beside callers.

Zero failures means: no exception but those of pliant's own tree, no torn output, nothing accepted that must be refused,
a readable profile after every kill; and memory and descriptors stay what they were. Ctrl-C ends it with what there is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

import pliant
from pliant.runtime.planning.memory import resident

from ..reporting import Entry
from .acts import ACTS, Field
from .answers import Answers
from .bare import grown
from .requests import range_of, subsets
from .slope import slope
from .telling import tell

# Failures that are told in full.
MOST_TOLD = 20
# The share of the samples that warms caches up.
WARM = 0.1


def options(parser: argparse.ArgumentParser) -> None:
    """What this part is asked for."""
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--callers", type=int, default=2)
    parser.add_argument("--subsets", type=int, default=3, help="sets of tasks that requests are for")
    parser.add_argument("--seed", type=int, default=0)


def run(chosen: argparse.Namespace) -> Entry:
    """Act after act until the time is over."""
    rng = np.random.default_rng(chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = Path(shutil.copy(chosen.suite, folder / "soaked.pliant"))
        suite = pliant.open_suite(path)
        ranges = {tasks: range_of(suite, tasks, 1) for tasks in subsets(suite, chosen.subsets, rng)}
        answers = Answers(suite, suite.subnets, folder, 1)
        model = suite.load(suite.subnets[0], threads=1)
        field = Field(suite, model, answers, ranges, folder / "cache", folder, rng)
        soak = Soak(field, chosen.minutes)
        soak.run(chosen.callers)
        field.model.close()
        asked = {"suite": Path(chosen.suite).name, "seed": chosen.seed, "callers": chosen.callers}
        entry = {**asked, **soak.entry(), "bare": _alone(field.suite, sum(soak.acts.values()))}
        field.suite.close()
        return entry


def _alone(suite: pliant.Suite, sessions: int) -> Entry | None:
    """What bare sessions do to memory; None where that was stopped or failed, which loses nothing of the soak."""
    tell("bare sessions of onnxruntime, for comparison")
    try:
        found = grown(suite, sessions)
    except (KeyboardInterrupt, subprocess.CalledProcessError) as error:
        tell(f"not compared: {error!r}")
        return None
    return None if found is None else found.to_json()


class Soak:
    """What has happened so far."""

    def __init__(self, field: Field, minutes: float):
        self.field, self.minutes = field, minutes
        self.acts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self.failed = 0
        self.held: list[float] = []
        self.open: list[int] = []
        self.seconds = 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def run(self, callers: int) -> None:
        """Callers call while act follows act."""
        threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]
        began, told = time.monotonic(), 0.0
        kinds, weights = list(ACTS), np.array(list(ACTS.values()), dtype=float)
        for thread in threads:
            thread.start()
        try:
            while self.seconds < 60 * self.minutes:
                self._act(kinds[int(self.field.rng.choice(len(kinds), p=weights / weights.sum()))])
                self.seconds = time.monotonic() - began
                if self.seconds - told > 5.0:
                    told = self.seconds
                    tell(self._progress())
        except KeyboardInterrupt:
            tell("interrupted")
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _act(self, act: object) -> None:
        name = act.__name__  # type: ignore[attr-defined]
        self.acts[name] += 1
        try:
            act(self.field)  # type: ignore[operator]
        except pliant.PliantError as error:
            self.errors[f"{name}: {type(error).__name__}"] += 1
        except Exception:
            self._fail(f"{name}: {traceback.format_exc()}")
        self.held.append(float(resident()[0]))
        self.open.append(len(os.listdir("/proc/self/fd")))

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                whose = self.field.answers.whose(self.field.model(self.field.answers.image))
            except pliant.PliantError as error:
                # A model may be closed between being looked up and being called.
                with self._lock:
                    self.errors[f"caller: {type(error).__name__}"] += 1
                continue
            except Exception:
                self._fail(f"caller: {traceback.format_exc()}")
                continue
            if whose is None:
                self._fail("caller: torn, no subnet answers so")
            with self._lock:
                self.answered[whose or "nobody"] += 1

    def _fail(self, text: str) -> None:
        with self._lock:
            self.failed += 1
            if len(self.failures) < MOST_TOLD:
                self.failures.append(text[-2000:])

    def _progress(self) -> str:
        return (
            f"{self.seconds / 60:.1f} of {self.minutes:g} min: {sum(self.acts.values())} acts, "
            f"{sum(self.answered.values())} calls, {sum(self.errors.values())} typed errors, {self.failed} failures, "
            f"{self.held[-1] / 1e6:.0f} MB"
        )

    def entry(self) -> Entry:
        """What is kept of it."""
        found = slope(self.held, int(WARM * len(self.held)))
        cache = self.field.cache
        return {
            "minutes": self.seconds / 60,
            "acts": dict(sorted(self.acts.items())),
            "typed_errors": dict(sorted(self.errors.items())),
            "calls": sum(self.answered.values()),
            "failed": self.failed,
            "failures": self.failures,
            "memory": found and found.to_json(),
            "resident": {"first": self.held[:1], "last": self.held[-1:]},
            "descriptors": {"first": self.open[:1], "last": self.open[-1:]},
            "left_in_cache": sorted(each.suffix for each in cache.rglob("*") if each.is_file()),
        }
