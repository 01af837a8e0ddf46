"""Ctrl-C in a training, or a scheduler's SIGTERM: the first ends it after the step that runs, the second at once.

So nothing is lost, neither by whoever stops it nor where a cluster takes a machine back. Where several processes train,
torchrun passes a signal on to those that have got it already: one that follows the first within `echo` seconds is the
same.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_USUAL: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class AfterTheStep:
    """While it is entered, the first SIGINT or SIGTERM only sets `asked`, and the next raises KeyboardInterrupt.

    Whoever steps looks at `asked` after each step, and raises KeyboardInterrupt itself; a signal that nobody looked at
    is raised at the end. A signal that somebody else handles or ignores is left to them; outside the main thread it
    does nothing.
    """

    def __init__(self, echo: float = 0.0) -> None:
        self.asked = False
        self._ours: list[signal.Signals] = []
        self._echo = echo
        self._since = 0.0

    def __enter__(self) -> AfterTheStep:
        if threading.current_thread() is threading.main_thread():
            self._ours = [number for number, usual in _USUAL.items() if _is_usual(signal.getsignal(number), usual)]
        for number in self._ours:
            signal.signal(number, self._first)
        return self

    def at_once(self) -> None:
        """From here on the first one raises too: there is nothing left to lose."""
        for number in self._ours:
            signal.signal(number, self._now)
        if self.asked:
            raise KeyboardInterrupt

    def _now(self, number: int, frame: FrameType | None) -> None:
        self._first(number, frame)
        raise KeyboardInterrupt

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.asked, self._since = True, time.monotonic()
        for each in self._ours:
            signal.signal(each, self._later if self._echo else signal.default_int_handler)

    def _later(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._since > self._echo:
            signal.default_int_handler(number, frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._ours:
            # An echo may be on its way, and who is told twice says no word.
            signal.signal(number, self._echoed if self.asked and self._echo else _USUAL[number])
        if self.asked and kind is None:
            raise KeyboardInterrupt

    def _echoed(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._since > self._echo:
            signal.signal(number, _USUAL[signal.Signals(number)])
            signal.raise_signal(number)


def _is_usual(handler: Any, usual: Any) -> bool:
    """Also where one of these has left its own for an echo."""
    return handler is usual or getattr(handler, "__func__", None) is AfterTheStep._echoed
