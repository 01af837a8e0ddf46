"""The log of what a search found, quality, latency and precisions: JSON lines, each written whole.

A search that was killed goes on from it.

The first line says which supernet, images and kind of table the rest belongs to; a log of anything else is refused.
A kill can tear the last line only; a torn line is cut off when the log is opened again.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..devices.errors import CheckpointError, DataError, PliantError
from ..devices.locking import lock_at_once
from ..devices.words import counted
from ..models.space import SubnetConfig
from ..quantize.assignment import FP32
from ..quantize.policy import Policy
from ..training.evaluation.evaluator import Encoder, Entry, Table
from .log_reading import Contents, holds_something, line_of, read_log
from .pace import Timed

VERSION = 1


class EvaluationLog:
    """An open log; `entries` are those it held when it was opened, `by_precision` those of other precisions than fp32.

    `latencies` are those of subnets, by the clock that measured them (a name that says all that matters to it), and
    `policies` the precisions worth searching among, by how they were found.

    Raises CheckpointError when `resume` finds the log of another supernet, other images, no log at all in the file, or
    a damaged line (log_reading.py), and without `resume` when there is anything in it: evaluations are the costly part
    of a search. PliantError where another search writes it.
    """

    def __init__(self, path: Path, identity: dict[str, str], *, resume: bool = False):
        self.path = path
        header = {"_version": VERSION, "kind": "pliant search log", **identity}
        self._file = _opened_alone(path)
        try:
            found, whole = self._known(header, resume)
            self._cut(whole)
            if not whole:
                self._write(header)
        except BaseException:
            self._file.close()
            raise
        self.by_precision, self.latencies, self.policies = found.entries, found.latencies, found.policies
        self.entries: list[Entry] = self.by_precision.pop(FP32, [])

    def held(self) -> str:
        """A line on what it held when it was opened."""
        encoders = len(self.entries) + sum(map(len, self.by_precision.values()))
        if not (encoders or self.latencies or self.policies):
            return f"{self.path} holds nothing to resume: this begins a search"
        known = f"{counted(encoders, 'evaluation')} and {counted(len(self.latencies), 'latency', 'latencies')}"
        return f"{self.path} holds {known}, which are not made again"

    def _known(self, header: dict[str, Any], resume: bool) -> tuple[Contents, int]:
        """What the file says already, and how many of its bytes stay."""
        try:
            if resume:
                return read_log(self.path, header)
            if holds_something(self.path):
                raise CheckpointError(
                    f"{self.path} holds a search already: go on with --resume, or choose another --out"
                )
        except OSError as error:
            raise PliantError(f"cannot read {self.path}: {error.strerror}") from error
        return Contents(), 0

    def append(self, encoder: Encoder, table: Table, precision: str = FP32) -> None:
        """Add an evaluation; on the disk when this returns. DataError for one that is no number."""
        for task, row in table.items():
            if not all(map(math.isfinite, row.values())):
                raise DataError(f"{task!r} is measured as {[*row.values()]}: was the training finished?")
        rows = {task: [[width, value] for width, value in row.items()] for task, row in table.items()}
        said = {} if precision == FP32 else {"precision": precision}
        self._write({"encoder": list(encoder), **said, "quality": rows})

    def append_latency(self, clock: str, config: SubnetConfig, timed: Timed) -> None:
        """Add a measured latency; on the disk when this returns."""
        self.latencies[clock, config] = timed
        self._write({"clock": clock, "config": config.to_json(), "timed": asdict(timed)})

    def append_policies(self, how: str, policies: Sequence[Policy]) -> None:
        """Add the policies that were found in some way; on the disk when this returns."""
        self.policies[how] = tuple(policies)
        self._write({"how": how, "policies": [policy.to_json() for policy in policies]})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self, size: int) -> None:
        try:
            self._file.truncate(size)
        except OSError as error:
            raise PliantError(f"cannot write {self.path}: {error.strerror}") from error

    def _write(self, entry: dict[str, Any]) -> None:
        left, whole = line_of(entry), self._file.seek(0, os.SEEK_END)
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(PliantError):  # else a next line would be added to a part of this one
                self._cut(whole)
            raise PliantError(f"cannot write {self.path}: {error.strerror}") from error


def _opened_alone(path: Path) -> io.FileIO:
    """A file to read and to add to, which no other search writes as long as it is open.

    Without a buffer: what a full disk does not take would be tried again when the file is closed, and fail there
    unnamed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.FileIO(path, "a+")
    except OSError as error:
        raise PliantError(f"cannot write {path}: {error.strerror}") from error
    if not lock_at_once(file):
        file.close()
        raise PliantError(f"another search is writing {path}: wait for its end, or choose another --out")
    return file
