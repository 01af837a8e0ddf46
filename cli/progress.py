"""Progress on long work: a bar on a terminal, now and then a line where stderr is a file or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .plain import printable

Report = Callable[[str, int, int], None]
SECONDS_BETWEEN_LINES = 15.0
"""Short work says nothing in a log, long work a line as often as this."""


def note(text: str) -> None:
    """One line beside the result: on stderr, so that stdout stays what was asked for."""
    print(printable(text), file=sys.stderr)


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Give a function (what, done, total) that draws one bar on stderr and leaves nothing behind, or says lines."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    left = TimeRemainingColumn(compact=True)
    what = TextColumn("{task.description}", markup=False)
    bar = Progress(
        what, BarColumn(bar_width=24), TaskProgressColumn(), left, console=Console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("starting", total=None)
        width = bar.console.width

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=_shortened(printable(what), width - 50), completed=done, total=total)

        yield show


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= max(width, 20) else text[: max(width, 20) - 1] + "…"


class _Lines:
    """What a bar would show, a line at a time."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        if time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            note(f"{what}: {done} of {total}")
