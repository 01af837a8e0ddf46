"""How several processes end a training together when one of them fails: with one message, from the one that knows."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from torch.distributed import Store  # type: ignore[attr-defined]

from ..devices.errors import TrainingError
from ..models.reduction import RankLost

_FAILURE, _HEARD = "failure", "heard"
DEFERENCE = 1.0
"""Seconds for which a process lets another one speak first, which knows as much or more."""
PATIENCE = 10.0
"""Seconds that the leading process, which often holds the store, waits at most for the others to have heard it, and
any process for its own listening thread."""
GRACE = 60.0
"""Seconds after which a process that has heard of the end, and still waits for another in an exchange, is ended."""
_POLL = 0.2


class EndedElsewhere(TrainingError):
    """Another process ended the training, and says why; `interrupted` by Ctrl-C, here too."""

    def __init__(self, message: str, interrupted: bool = False):
        super().__init__(message)
        self.interrupted = interrupted


class Ending:
    """What the processes of a training tell each other about its end, through the store in which they met.

    The first to tell is the one that raises. Where all of them know at once (a loss that is not finite, a Ctrl-C) that
    is the leading one; the others find its word, or tell themselves where it has none. A thread listens, because a
    process learns that another is gone only when that one, and maybe the store with it, is.
    """

    def __init__(self, store: Store, rank: int, world: int):
        self._store, self._rank, self._listeners = store, rank, world
        self._heard: tuple[int, str] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ending", daemon=True)
        self._thread.start()

    def first(self, error: BaseException) -> EndedElsewhere | None:
        """What to raise in place of `error`; None where nobody told of an end before this."""
        self._listeners -= isinstance(error, RankLost)  # that one hears no more
        if self._rank != 0:
            _until(lambda: self._heard is not None, DEFERENCE)
        rank, said = self._heard or self._tell(" ".join(str(error).split()) or type(error).__name__)
        if rank == self._rank:
            return None
        return EndedElsewhere(f"process {rank} ended the training: {said}", isinstance(error, KeyboardInterrupt))

    def close(self, said_here: bool = True) -> None:
        """Listen no more. Stay a little where training failed: until the others have heard it, and one has said it.

        torchrun ends all processes as soon as one of them has ended.
        """
        if self._rank == 0 and self._heard is not None:
            with suppress(RuntimeError):  # torchrun, which may hold the store, is gone
                _until(lambda: int(self._store.add(_HEARD, 0)) >= self._listeners, PATIENCE)
        if not said_here:
            time.sleep(DEFERENCE)
        self._over.set()
        # A thread that is still inside the store when the interpreter ends takes the process down with it.
        self._thread.join(PATIENCE)

    def _tell(self, line: str) -> tuple[int, str]:
        """Who was first, and what that one said."""
        with suppress(RuntimeError):  # the process that held the store is gone: nobody else knows
            rank, line = json.loads(self._store.compare_set(_FAILURE, "", json.dumps([self._rank, line])))
            _until(lambda: self._heard is not None, DEFERENCE)
            return rank, line
        return self._rank, line

    def _listen(self) -> None:
        with suppress(RuntimeError):
            while not self._over.wait(_POLL):
                if self._store.check([_FAILURE]):
                    rank, line = json.loads(self._store.get(_FAILURE))
                    self._heard = rank, line
                    self._store.add(_HEARD, 1)
                    if not self._over.wait(GRACE):
                        os._exit(1)  # no closed connection ends an exchange of nccl's
                    return


def _until(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true, at most so long."""
    last = time.monotonic() + seconds
    while not true() and time.monotonic() < last:
        time.sleep(0.05)
