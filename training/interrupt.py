"""Ctrl-C in a training: the first ends it after the step that runs, so that nothing is lost; the second at once.

Where several processes train, torchrun passes a Ctrl-C on to those that the terminal has sent it to already: one that
follows the first within `echo` seconds is the same.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType


class AfterTheStep:
    """While it is entered, the first Ctrl-C only sets `asked`, and the next raises KeyboardInterrupt as ever.

    Whoever steps looks at `asked` after each step, and raises KeyboardInterrupt itself; a Ctrl-C that nobody looked at
    is raised at the end. Where SIGINT is handled or ignored by somebody else, or outside the main thread, it does
    nothing.
    """

    def __init__(self, echo: float = 0.0) -> None:
        self.asked = False
        self._installed = False
        self._echo = echo
        self._since = 0.0

    def __enter__(self) -> AfterTheStep:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._first)
            self._installed = True
        return self

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.asked, self._since = True, time.monotonic()
        signal.signal(signal.SIGINT, self._later if self._echo else signal.default_int_handler)

    def _later(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._since > self._echo:
            signal.default_int_handler(number, frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.asked and kind is None:
            raise KeyboardInterrupt
