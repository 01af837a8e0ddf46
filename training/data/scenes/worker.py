"""Rendering in other processes.

A worker is `python -m pliant.training.data.scenes.worker`, fed through pipes rather than by
`multiprocessing`: that would import the caller's script again, and fork is unsafe beside torch's
threads. It reads lines "seed split height width start stop" and answers each with eight bytes of
length and a chunk as `store.encode` makes it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from types import TracebackType
from typing import BinaryIO

from .picture import render
from .store import encode, pack


class Worker:
    """One process that renders ranges of pictures; use it as a context manager."""

    def __init__(self) -> None:
        folders = [folder for folder in sys.path if folder]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(folders)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # Closing flushes what a dead process will not read.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def render(self, seed: int, split: str, size: tuple[int, int], start: int, stop: int) -> bytes | None:
        """An encoded chunk, None where the process has died."""
        out, back = self._process.stdin, self._process.stdout
        if out is None or back is None:
            return None
        try:
            out.write(f"{seed} {split} {size[0]} {size[1]} {start} {stop}\n".encode())
            out.flush()
        except OSError:
            return None
        header = back.read(8)
        length = int.from_bytes(header, "little")
        data = back.read(length)
        return data if len(header) == 8 and len(data) == length else None


def render_chunk(seed: int, split: str, size: tuple[int, int], start: int, stop: int) -> bytes:
    """An encoded chunk of the pictures from `start` up to `stop`, rendered here."""
    return encode([pack(render(seed, index, size, split)) for index in range(start, stop)])


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        seed, split, *numbers = line.decode().split()
        height, width, start, stop = (int(number) for number in numbers)
        data = render_chunk(int(seed), split, (height, width), start, stop)
        answers.write(len(data).to_bytes(8, "little") + data)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
