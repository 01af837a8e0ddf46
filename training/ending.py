"""How several processes end a training together when one of them fails: with one message, from the one that knows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress

from torch.distributed import Store

from ..devices.errors import TrainingError

_FAILURE, _ENDED = "failure", "ended"
DEFERENCE = 1.0
"""Seconds for which a process lets another one speak first, which knows as much or more."""
PATIENCE = 3.0
"""Seconds that the leading process, which often holds the store, waits for the others to read it."""


class EndedElsewhere(TrainingError):
    """Another process ended the training, and says why; `interrupted` by Ctrl-C, here too."""

    def __init__(self, message: str, interrupted: bool = False):
        super().__init__(message)
        self.interrupted = interrupted


class Ending:
    """What the processes of a training tell each other about its end, through the store in which they met.

    The first to tell is the one that raises. Where all of them know at once (a loss that is not finite, a Ctrl-C) that
    is the leading one; the others find its word, or tell themselves where it has none.
    """

    def __init__(self, store: Store, rank: int, world: int):
        self._store, self._rank, self._world = store, rank, world

    def first(self, error: BaseException) -> EndedElsewhere | None:
        """What to raise in place of `error`; None where nobody told of an end before this."""
        line = " ".join(str(error).split()) or type(error).__name__
        try:
            if self._rank != 0:
                _until(lambda: self._store.check([_FAILURE]), DEFERENCE)
            told = self._store.compare_set(_FAILURE, "", json.dumps([self._rank, line]))
            self._store.add(_ENDED, 1)
        except RuntimeError:  # the process that held the store is gone
            return None
        rank, said = json.loads(told)
        if rank == self._rank:
            return None
        return EndedElsewhere(f"process {rank} ended the training: {said}", isinstance(error, KeyboardInterrupt))

    def wait(self, said_here: bool) -> None:
        """Stay a little: for others to read the store, and for another one to say why before torchrun ends it too."""
        if self._rank == 0:
            with suppress(RuntimeError):  # torchrun, which may hold the store, is gone
                _until(lambda: int(self._store.add(_ENDED, 0)) >= self._world, PATIENCE)
        if not said_here:
            time.sleep(DEFERENCE)


def _until(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true, at most so long."""
    last = time.monotonic() + seconds
    while not true() and time.monotonic() < last:
        time.sleep(0.05)
