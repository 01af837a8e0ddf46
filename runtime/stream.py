"""`model.stream(frames)`: outputs in the order of the frames; on demand another thread gets the next frames ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from ..devices.errors import InputError
from .images import Prepared
from .witnessing import Outputs

_MOST = 64
Answer = Callable[[Any, Any], Outputs]
"""A model, as a stream knows it: called with a frame and `out`."""


class _Ended(NamedTuple):
    """The source has no more frames, or failed."""

    error: BaseException | None


def stream(
    answer: Answer, take: Callable[[Any], Prepared], frames: Iterable[Any], ahead: int, out: Any
) -> Generator[Outputs, None, None]:
    """Outputs of each frame, see `Model.stream`; `take` reads one. What is wrong with the request is told at once."""
    if not isinstance(frames, Iterable):
        raise InputError(f"frames are a {type(frames).__name__}: give an iterable of images")
    if type(ahead) is not int or not 0 <= ahead <= _MOST:
        raise InputError(f"ahead is a whole number of frames from 0 to {_MOST}, not {ahead!r}")
    return _ahead(answer, take, frames, ahead, out) if ahead else _in_turn(answer, frames, out)


def _in_turn(answer: Answer, frames: Iterable[Any], out: Any) -> Generator[Outputs, None, None]:
    for frame in frames:
        yield answer(frame, out)


def _ahead(
    answer: Answer, take: Callable[[Any], Prepared], frames: Iterable[Any], ahead: int, out: Any
) -> Generator[Outputs, None, None]:
    """The engine runs in the thread that asks for outputs, so that a switch is felt by the very next frame."""
    ready: SimpleQueue[Prepared | _Ended] = SimpleQueue()
    # A place is taken before a frame is asked for: no more than `ahead` frames ever wait.
    places, stopped = threading.Semaphore(ahead), threading.Event()
    thread = threading.Thread(target=_feed, args=(take, frames, ready, places, stopped), daemon=True)
    thread.start()
    try:
        while True:
            frame = ready.get()
            places.release()
            if isinstance(frame, Prepared):
                yield answer(frame, out)
            elif frame.error is None:
                return
            else:
                raise frame.error
    finally:
        stopped.set()
        places.release()
        # Garbage is collected in any thread, this one too.
        if thread is not threading.current_thread():
            thread.join()


def _feed(
    take: Callable[[Any], Prepared],
    frames: Iterable[Any],
    ready: SimpleQueue[Prepared | _Ended],
    places: threading.Semaphore,
    stopped: threading.Event,
) -> None:
    try:
        source = iter(frames)
        while places.acquire() and not stopped.is_set():
            try:
                frame = next(source)
            except StopIteration:
                ready.put(_Ended(None))
                return
            ready.put(_kept(take(frame), frame))
    except BaseException as error:  # whatever the source raises belongs to whoever asks for this frame
        ready.put(_Ended(error))


def _kept(prepared: Prepared, frame: Any) -> Prepared:
    """Cameras fill the same buffer again and again: the next frame must not come into this one."""
    if isinstance(frame, np.ndarray) and not np.may_share_memory(prepared.batch, frame):
        return prepared
    return prepared._replace(batch=prepared.batch.copy())
