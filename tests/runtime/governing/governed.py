"""Governed models of a suite that was profiled before, and calls that take as long as a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pliant
from pliant.runtime.governing.governor import Governor

PATIENCE_S = 60.0

Suite = pliant.Suite


def load(suite: Suite, **words: Any) -> pliant.Model:
    return suite.load(**{"latency": "11 ms", "threads": 1, "govern": True, **words})


def governor(model: pliant.Model) -> Governor:
    assert model.governor is not None
    return model.governor


def feed(model: pliant.Model, took: float, until: Callable[[], object]) -> None:
    """Tell the governor of calls that took so many milliseconds, until something is so."""
    start = time.perf_counter()
    while not until():
        now = time.perf_counter()
        assert now - start < PATIENCE_S, f"waited in vain: {governor(model).steps}, {governor(model).window}"
        governor(model).watch((model.subnet.id, now, now + took / 1e3))
        time.sleep(0.01)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pliant governor"]
