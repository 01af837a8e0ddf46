"""Ctrl-C in a training: the first ends it after the step that runs, so that nothing is lost; the second at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class AfterTheStep:
    """While it is entered, the first Ctrl-C only sets `asked`, and the next raises KeyboardInterrupt as ever.

    Whoever steps looks at `asked` after each step, and raises KeyboardInterrupt itself; a Ctrl-C that nobody looked at
    is raised at the end. Where SIGINT is handled or ignored by somebody else, or outside the main thread, it does
    nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._installed = False

    def __enter__(self) -> AfterTheStep:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._first)
            self._installed = True
        return self

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.asked and kind is None:
            raise KeyboardInterrupt
