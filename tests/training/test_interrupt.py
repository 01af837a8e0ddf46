"""The first Ctrl-C or SIGTERM is noted, the second ends; nobody else's handling of them is touched."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pliant.training.interrupt import AfterTheStep

USUAL: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    before = {number: signal.signal(number, usual) for number, usual in USUAL.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", USUAL)
@pytest.mark.parametrize("second", USUAL)
def test_the_second_ends_at_once(first: signal.Signals, second: signal.Signals) -> None:
    with AfterTheStep() as stop:
        asked = [stop.asked]
        signal.raise_signal(first)
        asked.append(stop.asked)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
        stop.asked = False
    assert asked == [False, True]
    assert {number: signal.getsignal(number) for number in USUAL} == USUAL


@pytest.mark.parametrize("number", USUAL)
def test_an_echo_of_the_first_is_the_same(number: signal.Signals) -> None:
    with AfterTheStep(echo=60.0) as stop:
        signal.raise_signal(number)
        signal.raise_signal(number)
        assert stop.asked
        stop.asked = False


@pytest.mark.parametrize("number", USUAL)
def test_where_nothing_is_left_to_lose_the_first_ends_at_once(number: signal.Signals) -> None:
    with AfterTheStep(echo=60.0) as stop:
        stop.at_once()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)  # torchrun's echo
        stop.asked = False
    with AfterTheStep() as stop:
        signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt):
            stop.at_once()  # what was asked before is not forgotten
        stop.asked = False


def _ended_at_once(number: signal.Signals, echo: float) -> None:
    with AfterTheStep(echo) as stop:
        stop.at_once()
        signal.raise_signal(number)


@pytest.mark.parametrize("number", USUAL)
def test_an_echo_that_comes_after_the_end_is_the_same_too(number: signal.Signals) -> None:
    """It would end, without a word, whoever is saying how to go on."""
    with pytest.raises(KeyboardInterrupt):
        _ended_at_once(number, echo=60.0)
    signal.raise_signal(signal.SIGTERM)
    with AfterTheStep(echo=60.0) as stop:
        signal.raise_signal(number)
        assert stop.asked, "the next one has its signals"
        stop.asked = False
    with pytest.raises(KeyboardInterrupt):
        _ended_at_once(number, echo=0.01)
    time.sleep(0.05)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", USUAL)
def test_one_that_nobody_looked_at_is_not_lost(number: signal.Signals) -> None:
    stop = AfterTheStep().__enter__()
    signal.raise_signal(number)
    assert stop.asked
    with pytest.raises(KeyboardInterrupt):
        stop.__exit__(None, None, None)


def test_without_one_nothing_happens() -> None:
    with AfterTheStep() as stop:
        pass
    assert not stop.asked
    assert {number: signal.getsignal(number) for number in USUAL} == USUAL


@pytest.mark.parametrize("number", USUAL)
def test_who_handles_or_ignores_it_goes_on_to(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with AfterTheStep() as stop:
        signal.raise_signal(number)
    assert not stop.asked
    assert signal.getsignal(number) is signal.SIG_IGN


def test_in_another_thread_it_does_nothing() -> None:
    entered = []

    def work() -> None:
        with AfterTheStep() as stop:
            entered.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]
