"""The first Ctrl-C is noted, the second is one; nobody else's handling of it is touched."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from pliant.training.interrupt import AfterTheStep


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_second_ends_at_once() -> None:
    with AfterTheStep() as stop:
        asked = [stop.asked]
        signal.raise_signal(signal.SIGINT)
        asked.append(stop.asked)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        stop.asked = False
    assert asked == [False, True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_nobody_looked_at_is_not_lost() -> None:
    stop = AfterTheStep().__enter__()
    signal.raise_signal(signal.SIGINT)
    assert stop.asked
    with pytest.raises(KeyboardInterrupt):
        stop.__exit__(None, None, None)


def test_without_one_nothing_happens() -> None:
    with AfterTheStep() as stop:
        pass
    assert not stop.asked
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_handles_or_ignores_it_goes_on_to() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with AfterTheStep() as stop:
        signal.raise_signal(signal.SIGINT)
    assert not stop.asked
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_another_thread_it_does_nothing() -> None:
    entered = []

    def work() -> None:
        with AfterTheStep() as stop:
            entered.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]
