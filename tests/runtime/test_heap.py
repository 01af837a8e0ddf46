"""Freed memory goes back to the system: after a rest, once, and by a thread that nobody waits for."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.measure import measure
from pliant.runtime import heap
from pliant.runtime.planning.memory import resident

glibc = pytest.mark.skipif(
    not Path("/proc/self/status").exists() or getattr(ctypes.CDLL(None), "malloc_trim", None) is None,
    reason="needs Linux's /proc and glibc",
)


def alone() -> bool:
    return not any(thread.name == "pliant-heap" for thread in threading.enumerate())


def until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """When memory was handed back; the rest is a tenth of a second."""
    times: list[float] = []
    assert until(alone), "other tests' sessions have a rest of their own"
    monkeypatch.setattr(heap, "REST_S", 0.1)
    monkeypatch.setattr(heap, "_trim", lambda: times.append(time.monotonic()))
    monkeypatch.setattr(heap, "_RELEASER", heap._Releaser())
    yield times
    until(alone)


def test_many_sessions_in_a_row_are_one_rest(handed: list[float]) -> None:
    before = threading.active_count()
    for _ in range(30):
        heap.release_soon()
        last = time.monotonic()
        time.sleep(0.01)
        assert threading.active_count() <= before + 1
    assert until(lambda: bool(handed))
    # A machine that sleeps between two of them for a tenth of a second has earned another.
    assert handed[-1] >= last + 0.1
    assert len(handed) < 5
    assert until(lambda: threading.active_count() <= before), "the thread is gone"


def test_without_any_rest_it_is_done_now_and_then(handed: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "REST_S", 5.0)
    monkeypatch.setattr(heap, "MOST_S", 0.2)
    began = time.monotonic()

    def again() -> bool:
        heap.release_soon()
        return len(handed) >= 3

    assert until(again)
    assert handed[0] - began >= 0.2
    assert min(later - sooner for sooner, later in itertools.pairwise(handed)) >= 0.15


def test_there_is_another_time(handed: list[float]) -> None:
    for count in (1, 2, 3):
        heap.release_soon()
        assert until(lambda count=count: len(handed) >= count)  # type: ignore[misc]


def test_what_is_done_at_once_is_not_done_again_later(handed: list[float]) -> None:
    before = threading.active_count()
    heap.release_soon()
    heap.release_memory()
    assert len(handed) == 1
    assert until(lambda: threading.active_count() <= before)
    assert len(handed) == 1, "nothing that is timed meanwhile is disturbed"


def test_where_no_thread_can_be_had_it_is_done_at_once_and_later_by_one(
    handed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        heap.release_soon()
        assert len(handed) == 1
    heap.release_soon()
    assert len(handed) == 1
    assert until(lambda: len(handed) == 2)


def test_sessions_that_are_made_or_closed_ask_for_it(suite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("pliant.runtime.session.release_soon", lambda: asked.append("made"))
    monkeypatch.setattr("pliant.runtime.model.release_soon", lambda: asked.append("closed"))
    with pliant.open_suite(suite_path) as suite, suite.load("s01-fp32", threads=1) as model:
        assert asked == ["made"]
        model.switch("s02-fp32")
        assert asked == ["made", "made"]
    assert asked == ["made", "made", "closed"]


def test_what_is_timed_is_timed_after_it(suite_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is owed while it is: handing back takes as long as several calls."""
    seen: list[bool] = []

    def timed(calls: dict[str, Callable[[], object]], **how: Any) -> Any:
        seen.append(heap._RELEASER._owed)
        return measure(calls, **how)

    monkeypatch.setattr("pliant.runtime.planning.book.measure", timed)
    with pliant.open_suite(suite_path) as suite:
        suite.plan(latency="1 s", cache=MeasurementCache(tmp_path), threads=1)
    assert seen
    assert not any(seen)
    assert heap._RELEASER._owed or until(alone), "what was measured has left memory too"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_its_own_rest(handed: list[float]) -> None:
    heap.release_soon()
    child = os.fork()
    if child == 0:  # the parent's thread is not here
        heap.release_soon()
        os._exit(0 if until(lambda: bool(handed)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert until(lambda: bool(handed))


@glibc
def test_what_was_freed_leaves_the_process() -> None:
    """In pieces below what glibc maps apart, the last of which is kept so that its heap cannot shrink by itself."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    pieces = [libc.malloc(100_000) for _ in range(1000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 100_000)
    for piece in pieces[:-1]:
        libc.free(piece)
    full, _ = resident()
    heap.release_soon()
    assert until(lambda: resident()[0] < full - 60_000_000), "most of 100 MB"
    libc.free(pieces[-1])


_SERVES = """
import sys, pliant

def serve():
    with pliant.open_suite(sys.argv[1]) as suite, suite.load("s01-fp32", threads=1) as model:
        yield model(suite.witness_input()[0])

server = serve()
next(server)
"""
"""A model that is closed when the interpreter takes its modules apart."""


@pytest.mark.parametrize(
    "code", ["from pliant.runtime import heap; heap.REST_S = 60; heap.release_soon()", _SERVES], ids=["rest", "closing"]
)
def test_a_process_does_not_wait_for_the_rest(code: str, suite_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, str(suite_path)], timeout=30, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
